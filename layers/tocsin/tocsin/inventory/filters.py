"""What a list of certificates may be narrowed to. Pure."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from tocsin.inventory.certificate import Certificate, CertificateStatus, Source
from tocsin.inventory.thresholds import Threshold

ThresholdsOf = Callable[[Certificate], Sequence[Threshold]]
"""Gives the thresholds of the policy that applies to a certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFilters:
    """All that are given must hold. `expires_after` is inclusive, `expires_before` exclusive."""

    status: CertificateStatus | None = None
    owner_id: str | None = None
    team_id: str | None = None
    policy_id: str | None = None
    expires_after: datetime | None = None
    expires_before: datetime | None = None
    violating: bool | None = None
    """Whether it violates a rule."""
    in_use: bool | None = None
    """Whether a service of AWS uses it, where its source knows (ACM)."""
    environment: str | None = None
    tags: tuple[str, ...] = ()
    """Each is a tag: `key:value`, or its `key` alone. A key may have colons itself: both readings hold."""
    key_kind: str | None = None
    """In upper or lower case."""
    key_size_below: int | None = None
    """Bits; a key whose size is not known is not below."""
    signature_algorithm: str | None = None
    """In upper or lower case."""
    issuer_id: str | None = None
    source: Source | None = None
    name: str | None = None
    """In the common name or one of the others, in upper or lower case."""

    @property
    def digest(self) -> str:
        """Name these filters in a cursor, so that it can't be used with others."""
        said = asdict(self) | {"tags": sorted({*self.tags})}
        text = json.dumps(["certificates", said], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def match(self, certificate: Certificate, now: datetime, thresholds_of: ThresholdsOf) -> bool:
        """Tell whether `certificate` is wanted. Its policy is looked up only where a status is asked for."""
        return (
            all(getattr(self, name) in (None, getattr(certificate, name)) for name in _SAME)
            and all(_alike(getattr(self, name), getattr(certificate, name)) for name in _ALIKE)
            and all(_has(certificate, tag) for tag in self.tags)
            and (self.key_size_below is None or (certificate.key_size or self.key_size_below) < self.key_size_below)
            and (self.name is None or _is_named(certificate, self.name))
            and self.violating in (None, bool(certificate.violations))
            and (self.expires_after is None or certificate.expires_at >= self.expires_after)
            and (self.expires_before is None or certificate.expires_at < self.expires_before)
            and self.in_use in (None, bool(certificate.in_use_by))
            and (self.status is None or certificate.status(now, thresholds_of(certificate)) is self.status)
        )


_SAME = ("owner_id", "team_id", "policy_id", "environment", "issuer_id", "source")
_ALIKE = ("key_kind", "signature_algorithm")


def _alike(wanted: str | None, found: str) -> bool:
    return wanted is None or wanted.casefold() == found.casefold()


def _has(certificate: Certificate, tag: str) -> bool:
    return any(tag in (key, f"{key}:{value}") for key, value in certificate.tags.items())


def _is_named(certificate: Certificate, part: str) -> bool:
    return any(part.casefold() in name.casefold() for name in (certificate.common_name, *certificate.names))
