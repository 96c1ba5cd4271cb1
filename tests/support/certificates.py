"""Certificates made for a test, of which only what the test names matters."""

import ssl
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tocsin.inventory.certificate import Source
from tocsin.sources.observed import ObservedCertificate
from tocsin.sources.tls import strict_context

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2049, 4, 1, 12, 30, 15, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def a_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """Make a key; the same number gives the same one."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def an_rsa_key() -> rsa.RSAPrivateKey:
    """Make the other kind of key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def a_name(common_name: str | None) -> x509.Name:
    """Make a subject, or an empty one; of any length."""
    if common_name is None:
        return x509.Name([])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)])


def general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Make alternative names: addresses where they can be read as such."""
    made: list[x509.GeneralName] = []
    for name in names:
        try:
            made.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            made.append(x509.DNSName(name))
    return made


@dataclass(frozen=True)
class Made:
    """A certificate, and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def server_context(self) -> ssl.SSLContext:
        """Make what a server shows it with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.key_pem + self.pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context


@dataclass(frozen=True)
class Authority:
    """Issues certificates."""

    key: Key = field(default_factory=lambda: a_key(99))
    common_name: str = "Test CA"

    def certificate(self) -> Made:
        """Give its own."""
        return self_signed(common_name=self.common_name, names=(), key=self.key, is_authority=True)

    def issued(self, **fields: Any) -> Made:
        """Issue one; see `made`."""
        return made(issuer=a_name(self.common_name), signer=self.key, **fields)

    def trusted_by(self) -> ssl.SSLContext:
        """Make a strict client's context that trusts this one alone."""
        return strict_context(self.certificate().pem)


def made(
    *,
    issuer: x509.Name,
    signer: Key,
    common_name: str | None = "api.example.com",
    names: Sequence[str] = ("api.example.com",),
    key: Key | None = None,
    serial: int = 0xABC,
    not_before: datetime = NOT_BEFORE,
    not_after: datetime = NOT_AFTER,
    is_authority: bool = False,
    alternative_names: Sequence[x509.GeneralName] = (),
) -> Made:
    """Make a certificate."""
    own = key or a_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(a_name(common_name))
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if alternatives := [*general_names(names), *alternative_names]:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return Made(builder.sign(signer, hashes.SHA256()), own)


def self_signed(**fields: Any) -> Made:
    """Make one that vouches for itself."""
    key = fields.setdefault("key", a_key())
    return made(issuer=a_name(fields.get("common_name", "api.example.com")), signer=key, **fields)


def a_sight(**fields: Any) -> ObservedCertificate:
    """Make what a source saw."""
    boring: dict[str, Any] = {
        "source": Source.TLS,
        "source_ref": "api.example.com:443",
        "common_name": "api.example.com",
        "names": ("api.example.com", "www.example.com"),
        "issuer": "CN=Test CA",
        "serial": "abc",
        "fingerprint_sha256": "f" * 64,
        "not_before": NOT_AFTER - timedelta(days=90),
        "expires_at": NOT_AFTER,
        "chain_problem": None,
    }
    return ObservedCertificate(**(boring | fields))
