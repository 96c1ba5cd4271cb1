"""A self-signed certificate and its key, to try things with, where no openssl is.

python -m local.certificate mail.example.com --days 20 > mail.pem
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

VALIDITY = timedelta(days=90)


def self_signed(name: str, left: timedelta, now: datetime) -> str:
    """Make a certificate for `name` that is valid for 90 days, of which `left` are left at `now`: PEM, then its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now + left - VALIDITY)
        .not_valid_after(now + left)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (certificate.public_bytes(Encoding.PEM) + secret).decode()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="a self-signed certificate and its key, to try things with")
    parser.add_argument("name")
    parser.add_argument("--days", type=int, default=90, help="until it expires; at most 90")
    chosen = parser.parse_args()
    sys.stdout.write(self_signed(chosen.name, timedelta(days=chosen.days), datetime.now(UTC)))


if __name__ == "__main__":
    main()
