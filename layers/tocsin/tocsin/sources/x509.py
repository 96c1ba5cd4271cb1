"""Reading what an X.509 certificate says. Pure.

Anything but the expiry may be missing, malformed or absurd: the certificate still expires, and somebody still has to
know. So only a certificate whose expiry can't be read is an error. `cryptography` parses names and extensions when they
are asked for, and raises only then.
"""

import hashlib
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from tocsin.errors import TocsinError
from tocsin.inventory.certificate import FIRST_YEAR, NAME_LIMIT, Source
from tocsin.sources.import_identity import import_ref
from tocsin.sources.observed import NOT_CHECKED, ObservedCertificate, storable
from tocsin.text import bounded

_TEXT_NAMES = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)


class UnreadableCertificateError(TocsinError):
    """This is no certificate whose expiry can be read."""


def read_der(
    der: bytes, source: Source, source_ref: str | None = None, chain_problem: str | None = NOT_CHECKED
) -> ObservedCertificate:
    """Read one certificate; without a `source_ref`, its own identity is one. Raise UnreadableCertificateError."""
    with _quietly():
        certificate = _loaded(der)
        names = _names(certificate)
        key_kind, key_size = _key(certificate)
        seen = ObservedCertificate(
            source=source,
            source_ref=import_ref(certificate, names) if source_ref is None else source_ref,
            common_name=_common_name(certificate, names),
            names=names,
            issuer=_line(_name(certificate, "issuer")),
            serial=_serial(certificate),
            fingerprint_sha256=hashlib.sha256(der).hexdigest(),
            not_before=_instant(certificate, "not_valid_before_utc"),
            expires_at=_expiry(certificate),
            chain_problem=chain_problem,
            key_kind=key_kind,
            key_size=key_size,
            signature_algorithm=_signature_algorithm(certificate),
            ari_id=_ari_id(certificate),
        )
    return storable(seen)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to ourselves what `cryptography` warns of (a name too long, a serial below 1): it is not our certificate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _loaded(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise UnreadableCertificateError from error


def _expiry(certificate: x509.Certificate) -> datetime:
    at = _instant(certificate, "not_valid_after_utc")
    if at is None:
        raise UnreadableCertificateError(f"it expires before {FIRST_YEAR}")
    return at


def _instant(certificate: x509.Certificate, name: str) -> datetime | None:
    at: datetime = getattr(certificate, name)
    return at if at.year >= FIRST_YEAR else None


def _name(certificate: x509.Certificate, field: str) -> x509.Name:
    try:
        name: x509.Name = getattr(certificate, field)
    except (ValueError, TypeError):  # malformed inside, or of a type that such a name can't have
        return x509.Name([])
    return name


def _line(name: x509.Name) -> str:
    return name.rfc4514_string()


def _serial(certificate: x509.Certificate) -> str:
    return format(certificate.serial_number, "x")


def _key(certificate: x509.Certificate) -> tuple[str, int | None]:
    """Give the kind of its key and the bits of it; nothing of a key that nobody can read."""
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "", None
    kind = _kind_of(key)
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey):
        return kind, key.key_size
    return kind, _ONLY_SIZE.get(kind)


_ONLY_SIZE = {"Ed25519": 256, "Ed448": 456}
"""Bits of keys that have only one size (RFC 8032)."""


def _kind_of(key: CertificatePublicKeyTypes) -> str:
    """Name a kind of key, as in `RSA`, `EC` or `Ed25519`."""
    kind = type(key).__name__.removesuffix("PublicKey")
    return {"EllipticCurve": "EC"}.get(kind, kind)


def _signature_algorithm(certificate: x509.Certificate) -> str:
    """Say what it is signed with, e.g. `SHA256-RSA`, `SHA384-EC`, `Ed25519`; or by its object identifier."""
    oid = certificate.signature_algorithm_oid
    try:
        digest = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return oid.dotted_string
    family = _SIGNED_WITH.get(oid.dotted_string.rpartition(".")[0], "")
    if digest is None:
        return _WITHOUT_DIGEST.get(oid, oid.dotted_string)
    return f"{digest.name.upper()}-{family}" if family else oid.dotted_string


_WITHOUT_DIGEST = {SignatureAlgorithmOID.ED25519: "Ed25519", SignatureAlgorithmOID.ED448: "Ed448"}
_SIGNED_WITH = {
    "1.2.840.113549.1.1": "RSA",
    "1.2.840.10045.4": "EC",
    "1.2.840.10045.4.3": "EC",
    "1.2.840.10040.4": "DSA",
    "2.16.840.1.101.3.4.3": "DSA",
}
"""By how the object identifiers of signatures begin (RFC 4055, RFC 5758)."""


def _ari_id(certificate: x509.Certificate) -> str:
    """Name it as its authority's renewal information does (RFC 9773, 4.1); empty where its issuer's key has no name."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ""
    if found.key_identifier is None or len(found.key_identifier) > _KEY_IDENTIFIER_LIMIT:
        return ""
    serial = certificate.serial_number
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (found.key_identifier, octets))


_KEY_IDENTIFIER_LIMIT = 64
"""Bytes: a SHA-512. Those in use are SHA-1's 20."""


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give all alternative names that are text or an address."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
    return tuple(str(name.value) for name in found if isinstance(name, (*_TEXT_NAMES, x509.IPAddress)))


def _common_name(certificate: x509.Certificate, names: tuple[str, ...]) -> str:
    """Give the most specific common name (the last); without one, the best that there is to call it by."""
    subject = _name(certificate, "subject")
    common = [str(entry.value) for entry in subject.get_attributes_for_oid(NameOID.COMMON_NAME)[-1:]]
    choices = (*common, *names[:1], _line(subject), f"serial {_serial(certificate)}")
    return next(text for choice in choices if (text := bounded(choice, NAME_LIMIT)))
