"""What a list of certificates may be narrowed to. Pure."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from tocsin.inventory.certificate import Certificate, CertificateStatus
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
    in_use: bool | None = None
    """Whether a service of AWS uses it, where its source knows (ACM)."""

    @property
    def digest(self) -> str:
        """Name these filters in a cursor, so that it can't be used with others."""
        text = json.dumps(["certificates", asdict(self)], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def match(self, certificate: Certificate, now: datetime, thresholds_of: ThresholdsOf) -> bool:
        """Tell whether `certificate` is wanted. Its policy is looked up only where a status is asked for."""
        same = ("owner_id", "team_id", "policy_id")
        return (
            all(getattr(self, name) in (None, getattr(certificate, name)) for name in same)
            and (self.expires_after is None or certificate.expires_at >= self.expires_after)
            and (self.expires_before is None or certificate.expires_at < self.expires_before)
            and self.in_use in (None, bool(certificate.in_use_by))
            and (self.status is None or certificate.status(now, thresholds_of(certificate)) is self.status)
        )
