"""The certificate: its record, its status, and what restarts the watch over it. Pure.

| status   | when                                                             | alerts                      |
|----------|------------------------------------------------------------------|-----------------------------|
| Active   | no threshold is crossed                                          | when the next one is        |
| Expiring | a threshold is crossed, and time is left                         | once a threshold            |
| Expired  | at the instant of expiry, and after                              | once, if 0 is a threshold   |
| Archived | an operator put it away                                          | never                       |
| Revoked  | it was revoked                                                   | never                       |

A renewal that failed or is stuck changes nothing here: it must not silence the alert.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from ulid import ULID

from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.thresholds import Threshold
from tocsin.inventory.versioned import Versioned
from tocsin.text import line_problem

NAME_LIMIT = 256
"""Characters in a name; the longest DNS name has 253."""
NAMES_LIMIT = 100
"""Names kept of one certificate; a source that reads more keeps the first ones."""
LINE_LIMIT = 1024
"""Characters in an issuer, a source's reference and their like."""
FIRST_YEAR = 1950
"""The first year that a certificate's UTCTime can hold (RFC 5280, 4.1.2.5.1)."""


class CertificateStatus(StrEnum):
    """Where a certificate is in its life, at some instant."""

    ACTIVE = "Active"
    EXPIRING = "Expiring"
    EXPIRED = "Expired"
    ARCHIVED = "Archived"
    REVOKED = "Revoked"


class Source(StrEnum):
    """Who told us of a certificate."""

    API = "api"
    IMPORT = "import"
    ACM = "acm"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Versioned):
    """One certificate that is watched."""

    common_name: str
    expires_at: datetime
    watched_since: datetime
    """Since when this cycle is watched under this policy: what was crossed before then was first seen late."""
    names: tuple[str, ...] = ()
    serial: str = ""
    fingerprint_sha256: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    owner_id: str | None = None
    team_id: str | None = None
    policy_id: str | None = None
    source: Source = Source.API
    source_ref: str = ""
    """Where the source found it: an ARN, a host:port."""
    renewal_status: str = ""
    """What the source says of its renewal, in the source's own words."""
    chain_verified: bool | None = None
    chain_problem: str = ""
    """Why its chain does not verify, where somebody looked."""
    archived_at: datetime | None = None
    revoked_at: datetime | None = None
    due_at: datetime | None = None
    """When the expiry check looks at it next; null: not before something about it changes."""

    @property
    def is_watched(self) -> bool:
        """Tell whether it may alert: neither archived nor revoked."""
        return self.archived_at is None and self.revoked_at is None

    def status(self, now: datetime, thresholds: Iterable[Threshold]) -> CertificateStatus:
        """Give its status at `now` under the thresholds of its policy. Never Expired before the instant of expiry."""
        if self.revoked_at is not None:
            return CertificateStatus.REVOKED
        if self.archived_at is not None:
            return CertificateStatus.ARCHIVED
        if now >= self.expires_at:
            return CertificateStatus.EXPIRED
        crossed = any(threshold.crossed(self, now) for threshold in thresholds)
        return CertificateStatus.EXPIRING if crossed else CertificateStatus.ACTIVE

    def first_seen(self, now: datetime) -> Self:
        """Start to watch it: the check looks at it at its next tick."""
        due_at = now if self.is_watched else None
        return replace(self, created_at=now, updated_at=now, watched_since=now, due_at=due_at, version=1)

    def changed(self, draft: Self, now: datetime) -> Self:
        """Take what `draft` says. New dates (a renewal), another policy, or a return restart the watch."""
        draft = replace(draft, watched_since=self.watched_since, due_at=self.due_at)
        after = Versioned.changed(self, draft, now)
        if _watched_part(after) == _watched_part(self):
            return after
        return replace(after, watched_since=now, due_at=now if after.is_watched else None)


def _watched_part(certificate: Certificate) -> tuple[object, ...]:
    """Give what the plan of its alerts depends on."""
    return certificate.not_before, certificate.expires_at, certificate.policy_id, certificate.is_watched


def source_id(source: Source, ref: str) -> str:
    """Name the certificate that `source` finds at `ref`: always the same, so that a renewed one updates its row."""
    return str(ULID(hashlib.sha256(f"{source}\n{ref}".encode()).digest()[:16]))


def checked(certificate: Certificate) -> Certificate:
    """Return it as it is; raise InvalidFieldsError naming each field that can't be stored, or has no time zone."""
    problems = [*_text_problems(certificate), *_time_problems(certificate)]
    if problems:
        raise InvalidFieldsError(problems)
    return certificate


def _text_problems(certificate: Certificate) -> Iterable[FieldProblem]:
    texts = [("common_name", certificate.common_name, NAME_LIMIT)]
    texts += [(f"names.{number}", name, NAME_LIMIT) for number, name in enumerate(certificate.names)]
    for field in (
        "serial",
        "fingerprint_sha256",
        "owner_id",
        "team_id",
        "policy_id",
        "renewal_status",
        "chain_problem",
    ):
        texts.append((field, getattr(certificate, field) or "", NAME_LIMIT))
    texts += [(field, getattr(certificate, field), LINE_LIMIT) for field in ("issuer", "source_ref")]
    for field in ("id", "common_name", "owner_id", "team_id", "policy_id"):
        if getattr(certificate, field) == "":
            yield FieldProblem(field, "is empty")
    if len(certificate.names) > NAMES_LIMIT:
        yield FieldProblem("names", f"has more than {NAMES_LIMIT} entries")
    for field, text, limit in texts:
        if problem := line_problem(text, limit):
            yield FieldProblem(field, problem)


def _time_problems(certificate: Certificate) -> Iterable[FieldProblem]:
    for field in ("expires_at", "not_before"):
        at = getattr(certificate, field)
        if at is not None and (problem := _time_problem(at)):
            yield FieldProblem(field, problem)


def _time_problem(at: datetime) -> str | None:
    if at.tzinfo is None:
        return "has no time zone"
    try:
        year = at.astimezone(UTC).year
    except OverflowError:
        return "is outside the years that UTC can hold"
    return None if year >= FIRST_YEAR else f"is before {FIRST_YEAR}"
