"""A version: one certificate that was seen at the place of a row. Pure.

A row of the inventory is a place, and its certificate changes with each renewal. Each that was there is one version,
however often it came and went: an endpoint that flaps between two certificates has two.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from ulid import ULID

from tocsin.inventory.certificate import Certificate, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateVersion:
    """One certificate that a row had, or has."""

    id: str
    """Names it among those of its row."""
    first_seen_at: datetime
    last_seen_at: datetime
    """When it came last, or when something else was said of it while it was there."""
    gone_at: datetime | None = None
    """When another one was seen in its place; null: it is there now."""
    times_seen: int = 1
    """How often it came."""
    source: Source
    source_ref: str
    issuer: str
    serial: str
    fingerprint_sha256: str
    not_before: datetime | None
    expires_at: datetime
    key_kind: str
    key_size: int | None
    signature_algorithm: str


def version_id(certificate: Certificate) -> str:
    """Name the certificate that is there now: by its identity, or its fingerprint, or else by its expiry alone."""
    name = certificate.identity or certificate.fingerprint_sha256 or certificate.expires_at.isoformat()
    return str(ULID(hashlib.sha256(name.encode()).digest()[:16]))


def version_of(certificate: Certificate, seen_at: datetime) -> CertificateVersion:
    """Give the version that a row has now, as if it was first seen then."""
    return CertificateVersion(
        id=version_id(certificate),
        first_seen_at=seen_at,
        last_seen_at=seen_at,
        source=certificate.source,
        source_ref=certificate.source_ref,
        issuer=certificate.issuer,
        serial=certificate.serial,
        fingerprint_sha256=certificate.fingerprint_sha256,
        not_before=certificate.not_before,
        expires_at=certificate.expires_at,
        key_kind=certificate.key_kind,
        key_size=certificate.key_size,
        signature_algorithm=certificate.signature_algorithm,
    )
