"""Which imported certificates are one row (docs/decisions/certificate-identity.md). Pure.

A file has no place, so what the certificate is for takes its part:

| certificate                        | identity                       | why                                            |
|------------------------------------|--------------------------------|------------------------------------------------|
| issued by somebody else, for names | the names, and the kind of key | a renewal has the same names; its key, its     |
|                                    |                                | issuer and its subject may all be new          |
| self-signed, a CA's, without names | subject, issuer, the key       | such names (`localhost`) say too little        |
"""

import hashlib
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_LENGTH = 32
"""Hexadecimal digits of an identity: 128 bits."""


def import_ref(certificate: x509.Certificate, names: Iterable[str]) -> str:
    """Name the row that `certificate`, which is for `names` (all of them), belongs to when it is imported."""
    try:
        parts = _parts(certificate, sorted({name.lower() for name in names}))
    except (ValueError, TypeError, x509.DuplicateExtension, UnsupportedAlgorithm):
        parts = [b"itself", certificate.public_bytes(Encoding.DER)]  # too odd to tell what it is for
    lengths = b"".join(len(part).to_bytes(8, "big") for part in parts)  # so that parts can't run into each other
    return hashlib.sha256(lengths + b"".join(parts)).hexdigest()[:_LENGTH]


def _parts(certificate: x509.Certificate, names: list[str]) -> list[bytes]:
    if names and not _is_authority(certificate) and certificate.subject != certificate.issuer:
        algorithm = certificate.public_key_algorithm_oid.dotted_string
        return [b"names", algorithm.encode(), *(name.encode(errors="replace") for name in names)]
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return [b"key", certificate.subject.public_bytes(), certificate.issuer.public_bytes(), key]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
