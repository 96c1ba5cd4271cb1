"""A self-signed certificate and its key, to try things with, where no openssl is.

python -m local.certificate mail.example.com --days 20 > mail.pem
"""

import argparse
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

VALIDITY = timedelta(days=90)


@dataclass(frozen=True)
class Authority:
    """An authority that nobody trusts, to have certificates from that a later one renews."""

    common_name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def issued(self, name: str, left: timedelta, now: datetime) -> str:
        """Issue one for `name`, as `self_signed` does."""
        return _issued(name, left, now, self)


def self_signed(name: str, left: timedelta, now: datetime) -> str:
    """Make a certificate for `name` that is valid for 90 days, of which `left` are left at `now`: PEM, then its key."""
    return _issued(name, left, now, None)


def _issued(name: str, left: timedelta, now: datetime, by: Authority | None) -> str:
    """Issue a certificate; null: it vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = _named(by.common_name if by else name)
    builder = x509.CertificateBuilder(issuer, _named(name), key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now + left - VALIDITY)
        .not_valid_after(now + left)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(by.key if by else key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (certificate.public_bytes(Encoding.PEM) + secret).decode()


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="a self-signed certificate and its key, to try things with")
    parser.add_argument("name")
    parser.add_argument("--days", type=int, default=90, help="until it expires; at most 90")
    chosen = parser.parse_args()
    sys.stdout.write(self_signed(chosen.name, timedelta(days=chosen.days), datetime.now(UTC)))


if __name__ == "__main__":
    main()
