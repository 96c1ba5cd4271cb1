"""The certificate: its record, its status, and what restarts the watch over it. Pure.

| status   | when                                                             | alerts                      |
|----------|------------------------------------------------------------------|-----------------------------|
| Active   | no threshold is crossed                                          | when the next one is        |
| Expiring | a threshold is crossed, and time is left                         | once a threshold            |
| Expired  | at the instant of expiry, and after                              | once, if 0 is a threshold   |
| Archived | an operator put it away                                          | never                       |
| Revoked  | it was revoked                                                   | of that, once               |
| Replaced | another certificate was seen that takes its part                 | never                       |

A renewal that failed or is stuck changes nothing here: it must not silence the alert.
What happens to it beside is told once in each cycle (`occurrences`).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from ulid import ULID

from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.issuer import issuer_id
from tocsin.inventory.occurrences import AwaitedDeployment, CertificateEvent, Occurrence, PendingRenewal, Violation
from tocsin.inventory.tags import tag_problems
from tocsin.inventory.thresholds import Threshold
from tocsin.inventory.versioned import Versioned
from tocsin.text import line_problem, written

NAME_LIMIT = 256
"""Characters in a name; the longest DNS name has 253."""
NAMES_LIMIT = 100
"""Names kept of one certificate; a source that reads more keeps the first ones."""
LINE_LIMIT = 1024
"""Characters in an issuer, a source's reference and their like."""
KEY_SIZE_LIMIT = 1_000_000
"""Bits of a key; far beyond any that is in use."""
INDEXED = 1
"""What `Certificate.indexed` is where all that leads to it is written beside it (`storage.inventory.pointers`)."""
FIRST_YEAR = 1950
"""The first year that a certificate's UTCTime can hold (RFC 5280, 4.1.2.5.1)."""


class CertificateStatus(StrEnum):
    """Where a certificate is in its life, at some instant."""

    ACTIVE = "Active"
    EXPIRING = "Expiring"
    EXPIRED = "Expired"
    ARCHIVED = "Archived"
    REVOKED = "Revoked"
    REPLACED = "Replaced"


class Source(StrEnum):
    """Who told us of a certificate."""

    API = "api"
    IMPORT = "import"
    ACM = "acm"
    TLS = "tls"
    AGENT = "agent"
    """A file beside a server, as `tocsin report` found it."""
    IAM = "iam"
    ACM_PCA = "acm-pca"
    """An authority of AWS Private CA: its own certificate."""
    SECRETS_MANAGER = "secrets-manager"
    """A secret, which expires at its next rotation."""
    DOMAIN = "route53-domains"
    """A registered domain."""

    @property
    def is_certificate(self) -> bool:
        """Tell whether it has certificates, rather than other things that expire."""
        return self not in (Source.SECRETS_MANAGER, Source.DOMAIN)

    @property
    def is_place(self) -> bool:
        """Tell whether it sees what a server shows, rather than what lies somewhere."""
        return self is Source.TLS


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
    key_kind: str = ""
    """`RSA`, `EC`, `Ed25519`, …; empty: not known."""
    key_size: int | None = None
    """Bits: of the modulus, or of the curve."""
    signature_algorithm: str = ""
    """What it is signed with, as in `SHA256-RSA`."""
    in_use_by: tuple[str, ...] = ()
    """What uses it, by ARN (ACM)."""
    ari_id: str = ""
    """What its authority's renewal information knows it by (RFC 9773, 4.1); empty: not known."""
    environment: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    """The id of the certificate that takes its part, where renewals get a place of their own."""
    occurrences: tuple[Occurrence, ...] = ()
    """What happened in the present cycle, in the order of time."""
    violations: tuple[Violation, ...] = ()
    """The rules that it does not keep, as the check saw it last."""
    renewed_from: str = ""
    """The identity of the certificate that was here before this one."""
    awaited: AwaitedDeployment | None = None
    renewal: PendingRenewal | None = None
    suggested_renewal_at: datetime | None = None
    """When its authority suggests to renew it, by its renewal information."""
    suggestion_until: datetime | None = None
    """When its authority is asked again; null: it is not to be asked."""
    explanation_url: str = ""
    """A page on which its authority says why."""
    indexed: int = 0
    """Which of what leads to it is written beside it; 0: it was written by a release that had nothing of that."""
    due_at: datetime | None = None
    """When the expiry check looks at it next; null: not before something about it changes."""

    @property
    def is_watched(self) -> bool:
        """Tell whether its expiry may alert: neither archived, nor revoked, nor replaced."""
        return self.archived_at is None and self.revoked_at is None and self.replaced_at is None

    @property
    def identity(self) -> str:
        """Name the certificate that is here now, wherever it is seen: its serial, and its expiry to the second.

        Empty: its serial is not known. Authorities never give a serial twice (RFC 5280, 4.1.2.2), and make it of 64
        random bits or more (CA/Browser Forum, Baseline Requirements, 7.1). All sources know it; a fingerprint, not all.
        """
        serial = _SEPARATORS.sub("", self.serial).lower().lstrip("0")
        return f"{serial}@{_seconds(self.expires_at)}" if serial else ""

    @property
    def renews(self) -> str:
        """Name the certificate that this one took the place of; empty: there was none, or one that expires later."""
        if not self.renewed_from or not self.identity:
            return ""
        return self.renewed_from if expiry_of(self.renewed_from) <= _seconds(self.expires_at) else ""

    @property
    def issuer_id(self) -> str | None:
        """Name its issuer; null: it is not known."""
        return issuer_id(self.issuer)

    @property
    def happened(self) -> tuple[Occurrence, ...]:
        """Give all that is to be told of it: what occurred, and the rules that it does not keep."""
        violated = (
            Occurrence(
                CertificateEvent.POLICY_VIOLATION, self.expires_at, one.since, one.told, one.rule_id, one.severity
            )
            for one in self.violations
        )
        return (*self.occurrences, *violated)

    def has_noted(self, event: CertificateEvent) -> bool:
        """Tell whether such a thing is noted in this cycle."""
        return any(one.event is event for one in self.occurrences)

    def without(self, event: CertificateEvent) -> Self:
        """Note such things no more: they are not so. If they are again, that is told again."""
        return replace(self, occurrences=tuple(one for one in self.occurrences if one.event is not event))

    def with_occurrence(self, occurrence: Occurrence) -> Self:
        """Note what happened, unless that is noted already; and that somebody is to be told."""
        if any(one.identity == occurrence.identity for one in self.occurrences):
            return self
        return replace(self, occurrences=(*self.occurrences, occurrence), due_at=occurrence.at)

    def status(self, now: datetime, thresholds: Iterable[Threshold]) -> CertificateStatus:
        """Give its status at `now` under the thresholds of its policy. Never Expired before the instant of expiry."""
        if self.revoked_at is not None:
            return CertificateStatus.REVOKED
        if self.archived_at is not None:
            return CertificateStatus.ARCHIVED
        if self.replaced_at is not None:
            return CertificateStatus.REPLACED
        if now >= self.expires_at:
            return CertificateStatus.EXPIRED
        crossed = any(threshold.crossed(self, now) for threshold in thresholds)
        return CertificateStatus.EXPIRING if crossed else CertificateStatus.ACTIVE

    def first_seen(self, now: datetime) -> Self:
        """Start to watch it: the check looks at it at its next tick."""
        due_at = now if self.is_watched else None
        first = replace(
            self, created_at=now, updated_at=now, watched_since=now, due_at=due_at, version=1, indexed=INDEXED
        )
        failed = _failed_renewal(first, now)
        return first if failed is None else first.with_occurrence(failed)

    def changed(self, draft: Self, now: datetime) -> Self:
        """Take what `draft` says. New dates (a renewal), another policy, or a return restart the watch.

        What such a change means for people is noted with it: a renewal, one that failed, a revocation.
        """
        draft = replace(draft, watched_since=self.watched_since, due_at=self.due_at, indexed=INDEXED)
        after = Versioned.changed(self, draft, now)
        if _watched_part(after) != _watched_part(self):
            is_looked_at = after.is_watched or after.renewal is not None  # its renewal job comes to an end
            after = replace(after, watched_since=now, due_at=now if is_looked_at else None)
        elif after.is_watched and _judged_part(after) != _judged_part(self):
            after = replace(after, due_at=now)
        if after.expires_at != self.expires_at:
            after = replace(after, occurrences=())
        if (after.expires_at, after.ari_id) != (self.expires_at, self.ari_id):  # it was suggested for another one
            after = replace(after, suggested_renewal_at=None, suggestion_until=None, explanation_url="")
        if after.revoked_at is None:
            after = after.without(CertificateEvent.REVOCATION)
        if not after.is_watched:
            after = replace(after, violations=())
        if after.identity != self.identity:
            after = replace(after, renewed_from=self.identity)
        for occurrence in _occurred(self, after, now):
            after = after.with_occurrence(occurrence)
        return after


_SEPARATORS = re.compile("[:\\s-]")
"""What tools write between the digits of a serial."""


def expiry_of(identity: str) -> int:
    """Give the expiry in an identity, in seconds since 1970."""
    return int(identity.rpartition("@")[2])


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


FAILED = "FAILED"
"""What a source's word for a renewal that failed begins with (ACM API reference, RenewalSummary)."""


def _watched_part(certificate: Certificate) -> tuple[object, ...]:
    """Give what the plan of its alerts depends on."""
    return certificate.not_before, certificate.expires_at, certificate.policy_id, certificate.is_watched


_NOT_JUDGED = frozenset(
    {"updated_at", "version", "due_at", "watched_since", "renewal_status", "occurrences", "violations", "awaited"}
    | {"renewal", "renewed_from", "indexed", "in_use_by"}
    | {"suggested_renewal_at", "suggestion_until", "explanation_url"}
)


def _judged_part(certificate: Certificate) -> tuple[object, ...]:
    """Give what rules may look at."""
    return tuple(getattr(certificate, one.name) for one in fields(Certificate) if one.name not in _NOT_JUDGED)


def _occurred(before: Certificate, after: Certificate, now: datetime) -> Iterable[Occurrence]:
    """Say what a change of a certificate is, beside a change.

    That its renewal failed is noted when its source begins to say so, and when what an earlier release knew, or what
    came while nobody watched, is looked at first. What is still said behind a renewal is of the cycle before.
    """
    if after.archived_at is not None or after.replaced_at is not None:
        return
    if after.expires_at > before.expires_at:
        detail = f"The one before expires at {written(before.expires_at)}.{_of_job(before)}"
        yield Occurrence(CertificateEvent.RENEWAL_SUCCESS, after.expires_at, now, detail)
    if after.revoked_at is not None and (before.revoked_at is None or before.archived_at is not None):
        yield Occurrence(CertificateEvent.REVOCATION, after.expires_at, now)
    is_news = after.renewal_status != before.renewal_status or before.indexed < INDEXED or not before.is_watched
    if is_news and (failed := _failed_renewal(after, now)) is not None:
        yield failed


def _of_job(certificate: Certificate) -> str:
    """Name the renewal job of the cycle that a certificate is in, if there is one."""
    job = certificate.renewal
    return f" Renewal job {job.job_id}." if job is not None and job.expires_at == certificate.expires_at else ""


def _failed_renewal(certificate: Certificate, now: datetime) -> Occurrence | None:
    """Say that its source could not renew it, if the source says so."""
    if not certificate.renewal_status.startswith(FAILED) or not certificate.is_watched:
        return None
    detail = f"Its source says: {certificate.renewal_status}."
    return Occurrence(CertificateEvent.RENEWAL_FAILURE, certificate.expires_at, now, detail)


def source_id(source: Source, ref: str) -> str:
    """Name the certificate that `source` finds at `ref`: always the same, so that a renewed one updates its row."""
    return str(ULID(hashlib.sha256(f"{source}\n{ref}".encode()).digest()[:16]))


def checked(certificate: Certificate) -> Certificate:
    """Return it as it is; raise InvalidFieldsError naming each field that can't be stored, or has no time zone."""
    problems = [*_text_problems(certificate), *_time_problems(certificate), *tag_problems(certificate.tags)]
    if certificate.key_size is not None and not 1 <= certificate.key_size <= KEY_SIZE_LIMIT:
        problems.append(FieldProblem("key_size", f"is not between 1 and {KEY_SIZE_LIMIT:,} bits"))
    if problems:
        raise InvalidFieldsError(problems)
    return certificate


def _text_problems(certificate: Certificate) -> Iterable[FieldProblem]:
    texts = [("common_name", certificate.common_name, NAME_LIMIT)]
    texts += [(f"names.{number}", name, NAME_LIMIT) for number, name in enumerate(certificate.names)]
    for name in (
        "serial",
        "fingerprint_sha256",
        "owner_id",
        "team_id",
        "policy_id",
        "renewal_status",
        "chain_problem",
        "key_kind",
        "signature_algorithm",
        "environment",
    ):
        texts.append((name, getattr(certificate, name) or "", NAME_LIMIT))
    texts += [(name, getattr(certificate, name), LINE_LIMIT) for name in ("issuer", "source_ref")]
    for name in ("id", "common_name", "owner_id", "team_id", "policy_id"):
        if getattr(certificate, name) == "":
            yield FieldProblem(name, "is empty")
    if len(certificate.names) > NAMES_LIMIT:
        yield FieldProblem("names", f"has more than {NAMES_LIMIT} entries")
    for name, text, limit in texts:
        if problem := line_problem(text, limit):
            yield FieldProblem(name, problem)


def _time_problems(certificate: Certificate) -> Iterable[FieldProblem]:
    for name in ("expires_at", "not_before"):
        at = getattr(certificate, name)
        if at is not None and (problem := _time_problem(at)):
            yield FieldProblem(name, problem)


def _time_problem(at: datetime) -> str | None:
    if at.tzinfo is None:
        return "has no time zone"
    try:
        year = at.astimezone(UTC).year
    except OverflowError:
        return "is outside the years that UTC can hold"
    return None if year >= FIRST_YEAR else f"is before {FIRST_YEAR}"
