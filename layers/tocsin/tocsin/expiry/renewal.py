"""A renewal job: the promise that somebody renews a certificate, and what is seen of it. Pure.

Tocsin renews nothing. It asks for a renewal by an event on the stack's bus, and watches: whoever renews may report, and
success is only what a source has seen (docs/decisions/renewal-is-a-promise.md).

| state     | who moves it next                                                                                 |
|-----------|---------------------------------------------------------------------------------------------------|
| requested | who renews it, by a report; a source that sees the new certificate; the check at the deadline  |
| started   | the same                                                                                          |
| failed    | the check, which hands it off again while attempts and time are left; else like overdue           |
| overdue   | a source that sees it late; somebody who asks again                                               |
| succeeded | nobody, unless the old certificate is back and somebody asks again                                |
| cancelled | somebody who asks again; the check never does                                                     |

A job is of one cycle of one certificate, and its id is derived from both: asked twice, it is the same job. Each
hand-off is an attempt, counted over all of its life, so that each has an id of its own.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.hand_off import RENEWAL_REQUESTED
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity
from tocsin.errors import JobStateError
from tocsin.expiry.alert import ACTOR, SUBJECT_LIMIT, derived_id
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.occurrences import CertificateEvent, PendingRenewal
from tocsin.inventory.policy import RenewalPolicy, Suggestion
from tocsin.inventory.thresholds import validity
from tocsin.text import bounded, written

ATTEMPTS = 5
"""Hand-offs that the check makes of one job; people may ask for more."""
FIRST_PAUSE = timedelta(hours=1)
"""The wait after the first reported failure; each further one doubles it."""
DETAIL_LIMIT = 512
"""Bytes of UTF-8 kept of a reason and of a report."""
SHORT_LIVED = timedelta(days=10)
"""Certificates that live shorter are renewed at half of their life, others at a third before its end."""


class RenewalState(StrEnum):
    """Where a job is."""

    REQUESTED = "requested"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"


class Report(StrEnum):
    """What whoever renews may say of it. That it succeeded, nobody may: a source sees it."""

    STARTED = "started"
    FAILED = "failed"


_UNDER_WAY = (RenewalState.REQUESTED, RenewalState.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalJob:
    """One promise. All times are aware and in UTC."""

    id: str
    certificate_id: str
    common_name: str
    expires_at: datetime
    """The cycle that is to end: when the certificate expires that is to be renewed."""
    state: RenewalState = RenewalState.REQUESTED
    requested_at: datetime
    requested_by: str
    """An IAM principal, or `expiry_check`: the policy asked."""
    reason: str = ""
    deadline: datetime
    """When it is overdue."""
    attempts: int = 1
    """How often it was handed off."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    finished_by: str = ""
    """Who cancelled it, or saw how it ended."""
    next_hand_off_at: datetime | None = None
    last_report: str = ""
    """What was said or seen of it last, in words."""
    reported_identity: str = ""
    """The certificate that whoever renews says was issued: see `Certificate.identity`."""
    updated_at: datetime
    version: int = 1

    @property
    def is_open(self) -> bool:
        """Tell whether the check has something to do for it before a source sees anything."""
        return self.state in _UNDER_WAY or self.next_hand_off_at is not None

    @property
    def is_under_way(self) -> bool:
        """Tell whether somebody has it in hand: what is asked for once more stays as it is."""
        return self.state in _UNDER_WAY

    @property
    def may_succeed(self) -> bool:
        """Tell whether a source that sees the renewed certificate fulfils it: late, too; not one that was cancelled."""
        return self.state not in (RenewalState.SUCCEEDED, RenewalState.CANCELLED)

    @property
    def look_at(self) -> datetime | None:
        """Say when the check must look at it: for a hand-off, or at its deadline; null: not while the cycle lasts."""
        if not self.is_open:
            return None
        return self.deadline if self.next_hand_off_at is None else min(self.deadline, self.next_hand_off_at)

    @property
    def pending(self) -> PendingRenewal:
        """Give what its certificate knows of it."""
        return PendingRenewal(self.id, self.expires_at, self.look_at)

    def requested_anew(self, by: str, reason: str, deadline: datetime, now: datetime) -> Self:
        """Ask again for what has ended, or waits to be handed off again: a new attempt under the same id."""
        self._require(not self.is_under_way, "ask again")
        asked = replace(
            self, requested_at=now, requested_by=by, reason=bounded(reason, DETAIL_LIMIT), deadline=deadline
        )
        return asked.handed_off(now)

    def handed_off(self, now: datetime) -> Self:
        """Hand it off once more."""
        anew: dict[str, Any] = {"started_at": None, "finished_at": None, "finished_by": "", "reported_identity": ""}
        return self._moved(now, state=RenewalState.REQUESTED, attempts=self.attempts + 1, next_hand_off_at=None, **anew)

    def reported(
        self, report: Report, detail: str, identity: str, now: datetime, *, attempt: int | None = None
    ) -> Self:
        """Take a report. What comes late, or once more, is noted and moves nothing. Raises JobStateError.

        Late is what is about another `attempt` than the present one; null: it is about this one.
        """
        self._require(self.may_succeed, "be reported")
        said = bounded(f"{report}: {detail}" if detail else str(report), DETAIL_LIMIT)
        noted: dict[str, Any] = {"last_report": said, "reported_identity": identity or self.reported_identity}
        if attempt not in (None, self.attempts):
            return self._moved(now, last_report=said)
        if report is Report.STARTED and self.state is RenewalState.REQUESTED:
            return self._moved(now, state=RenewalState.STARTED, started_at=now, **noted)
        if report is Report.FAILED and self.state in _UNDER_WAY:
            again = next_hand_off(self.attempts, self.deadline, now)
            ended: dict[str, Any] = {} if again else {"finished_at": now, "finished_by": ACTOR}
            return self._moved(now, state=RenewalState.FAILED, next_hand_off_at=again, **ended, **noted)
        return self._moved(now, **noted)

    def overdue(self, now: datetime) -> Self:
        """Note that the deadline has passed, and no source has seen a renewed certificate."""
        self._require(self.is_open and now >= self.deadline, "be overdue")
        return self._ended(RenewalState.OVERDUE, ACTOR, now)

    def succeeded(self, seen: str, now: datetime) -> Self:
        """Note what a source has `seen`, in words. A cancelled job stays cancelled."""
        self._require(self.may_succeed, "succeed")
        return replace(self._ended(RenewalState.SUCCEEDED, ACTOR, now), last_report=bounded(seen, DETAIL_LIMIT))

    def cancelled(self, by: str, why: str, now: datetime) -> Self:
        """Expect it no more."""
        self._require(self.is_open, "cancel")
        ended = self._ended(RenewalState.CANCELLED, by, now)
        return replace(ended, last_report=bounded(why, DETAIL_LIMIT)) if why else ended

    def _ended(self, state: RenewalState, by: str, now: datetime) -> Self:
        return self._moved(now, state=state, finished_at=now, finished_by=by, next_hand_off_at=None)

    def _moved(self, now: datetime, **changes: Any) -> Self:  # noqa: ANN401 - of the fields' own types
        return replace(self, updated_at=now, version=self.version + 1, **changes)

    def _require(self, is_allowed: bool, step: str) -> None:  # noqa: FBT001 - the condition is the point
        if not is_allowed:
            raise JobStateError(f"can't {step}: it is {self.state}")


def next_hand_off(attempts: int, deadline: datetime, now: datetime) -> datetime | None:
    """Say when a job whose `attempts` have all failed is handed off again: after 1, 2, 4, 8 hours; null: no more."""
    at = now + FIRST_PAUSE * 2 ** min(attempts - 1, ATTEMPTS)
    return at if attempts < ATTEMPTS and at < deadline else None


def job_id(certificate_id: str, expires_at: datetime) -> str:
    """Derive the id of the job of one cycle of one certificate."""
    return derived_id(expires_at, f"renewal\n{certificate_id}\n{expires_at.astimezone(UTC).isoformat()}")


def hand_off_id(job: RenewalJob) -> str:
    """Derive the id of the notification by which the present attempt is handed off."""
    return derived_id(job.expires_at, f"renewal hand-off\n{job.id}\n{job.attempts}")


def requested(certificate: Certificate, by: str, reason: str, deadline: datetime, now: datetime) -> RenewalJob:
    """Ask for the renewal of a certificate, in the cycle that it is in."""
    return RenewalJob(
        id=job_id(certificate.id, certificate.expires_at),
        certificate_id=certificate.id,
        common_name=certificate.common_name,
        expires_at=certificate.expires_at,
        requested_at=now,
        requested_by=by,
        reason=bounded(reason, DETAIL_LIMIT),
        deadline=deadline,
        updated_at=now,
    )


def deadline_of(policy: RenewalPolicy, now: datetime) -> datetime:
    """Say until when a renewal that is asked for now is to be seen."""
    return now + timedelta(hours=policy.renewal_deadline_hours)


RENEWED_FOR = timedelta(days=1)
"""How long a policy asks for no other renewal of what was renewed."""


def renew_at(certificate: Certificate, policy: RenewalPolicy) -> datetime | None:
    """Say when its policy asks for its renewal; null: never.

    Not within a day of its last renewal: under a policy that asks for more time than its authority gives, each renewed
    certificate would be asked for again at once, until the authority gives no more.
    """
    match policy.renew_before:
        case None:
            return None
        case Suggestion.ARI:
            at = certificate.suggested_renewal_at or default_instant(certificate)
        case threshold:
            at = threshold.crosses_at(certificate)
    renewals = (one.at for one in certificate.occurrences if one.event is CertificateEvent.RENEWAL_SUCCESS)
    return max([at, *(renewed_at + RENEWED_FOR for renewed_at in renewals)])


def default_instant(certificate: Certificate) -> datetime:
    """Say when to renew where nobody suggests anything: at two thirds of its life, or at half of a short one.

    Source: Let's Encrypt, "Integration guide", When to renew.
    """
    life = validity(certificate)
    return certificate.expires_at - (life / 2 if life < SHORT_LIVED else life / 3)


def hand_off(job: RenewalJob, certificate: Certificate, policy: DeliveryPolicy, now: datetime) -> Notification:
    """Write the notification by which the present attempt of `job` is handed off: one event on the stack's bus."""
    subject = f"[Tocsin] Renew {job.common_name} by {written(job.deadline)}"
    return Notification(
        id=hand_off_id(job),
        type=RENEWAL_REQUESTED,
        channel=ChannelName.EVENTBRIDGE,
        recipient="",
        subject=bounded(subject, SUBJECT_LIMIT),
        message=json.dumps(detail_of(job, certificate), ensure_ascii=False, separators=(",", ":")),
        severity=Severity.WARNING,
        certificate_id=certificate.id,
        created_by=job.requested_by,
        created_at=now,
        updated_at=now,
    ).accepted(now, policy)


def detail_of(job: RenewalJob, certificate: Certificate) -> dict[str, object]:
    """Say what is to be renewed, for a program. At most 190 KB: 100 names and 50 tags of the greatest length."""
    return {
        "job_id": job.id,
        "attempt": job.attempts,
        "certificate_id": certificate.id,
        "common_name": certificate.common_name,
        "names": list(certificate.names),
        "key_kind": certificate.key_kind,
        "key_size": certificate.key_size,
        "expires_at": _text(job.expires_at),
        "serial": certificate.serial,
        "source": certificate.source,
        "source_ref": certificate.source_ref,
        "ari_id": certificate.ari_id,
        "environment": certificate.environment,
        "tags": dict(certificate.tags),
        "deadline": _text(job.deadline),
        "requested_by": job.requested_by,
        "reason": job.reason,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def why_not_handed_off(row: Notification, job: RenewalJob | None) -> str | None:
    """Say why a hand-off that waits is not to be sent any more; null: it is."""
    if job is None:
        return "the renewal job is gone"
    if job.state in (RenewalState.SUCCEEDED, RenewalState.CANCELLED):
        return f"the renewal job is {job.state}"
    if row.id != hand_off_id(job):
        return f"the renewal job was handed off again: this is not attempt {job.attempts}"
    return None


def job_of(row: Notification) -> str | None:
    """Name the job that a hand-off is of."""
    try:
        found = json.loads(row.message)["job_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if isinstance(found, str) else None
