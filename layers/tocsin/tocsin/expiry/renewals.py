"""What happens to renewal jobs: asked for, reported, cancelled; and what the expiry check does of them.

Each step is one transaction: the job, its certificate, the notification that hands it off, the lines in the audit
trail. So a crash leaves all of a step, or nothing; and of two at once the later one finds that it read what is no more.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from tocsin.delivery.notification import DeliveryPolicy, Notification
from tocsin.errors import MalformedRowError, NotFoundError, NotRenewableError
from tocsin.expiry.alert import ACTOR
from tocsin.expiry.deployment import awaiting
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.renewal import (
    RenewalJob,
    RenewalState,
    Report,
    deadline_of,
    hand_off,
    job_id,
    renew_at,
    requested,
)
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Resolved
from tocsin.inventory.occurrences import CertificateEvent, Occurrence
from tocsin.inventory.policy import RenewalPolicy, Suggestion
from tocsin.text import written


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does something, when, and why."""

    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """What whoever renews says."""

    report: Report
    detail: str = ""
    issued: str = ""
    """The identity of the certificate that was issued; empty: they don't say."""
    attempt: int | None = None
    """Which hand-off it is about; null: the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is written at once."""

    before: RenewalJob | None
    """Null: the job is new."""
    after: RenewalJob
    hand_off: Notification | None = None
    lines: tuple[AuditEvent, ...]
    certificate: tuple[Certificate, Certificate] | None = None
    """As it was read, and as it shall be; null: nothing of it changes."""


class Jobs(Protocol):
    """Where jobs are kept."""

    def read(self, id_: str) -> RenewalJob:
        """Read one, as it is now; raise NotFoundError, or MalformedRowError for one that can't be trusted."""

    def write(self, step: Step) -> None:
        """Write all of a step; raise PreconditionFailedError where what it begins with was changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """One step of a job, before it is known what it means for its certificate."""

    action: Action
    deed: Deed
    before: RenewalJob | None
    after: RenewalJob
    hand_off: Notification | None = None
    said: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> tuple[AuditEvent, ...]:
        """Write what the audit trail says of it: at the job, and at its certificate."""
        job = self.after
        detail = {"state": str(job.state), "attempt": str(job.attempts), "reason": self.deed.reason, **self.said}
        detail = {name: text for name, text in detail.items() if text} | {"version": str(job.version)}
        where = {
            Kind.RENEWAL_JOB.resource(job.id): {"certificate_id": job.certificate_id, "common_name": job.common_name},
            Kind.CERTIFICATE.resource(job.certificate_id): {"job_id": job.id},
        }
        return tuple(
            event(self.action, resource, self.deed.by, self.deed.at, **other, **detail)
            for resource, other in where.items()
        )


@dataclass(frozen=True, slots=True)
class Renewals:
    """Moves jobs. Also what the expiry check watches beside expiry (`check.Watch`).

    Methods raise PreconditionFailedError where somebody else was first: read again, and decide on what is there now.
    """

    jobs: Jobs
    lifecycle: Lifecycle
    policy: DeliveryPolicy
    created: Callable[[Notification], None] = lambda _row: None
    """Hears of each hand-off."""
    enlist: Callable[[Certificate, datetime], Certificate] = lambda certificate, _now: certificate
    """Has a certificate's authority asked when to renew it."""

    # ── People and programs ──────────────────────────────────────────────────────────────────────────────────────────

    def request(
        self, certificate: Certificate, policy: RenewalPolicy, deed: Deed, until: datetime | None = None
    ) -> tuple[RenewalJob, bool]:
        """Ask for a renewal; give the job, and whether it was handed off by this. One that is under way stays as it is.

        Raises NotRenewableError.
        """
        if why := _why_not(certificate):
            raise NotRenewableError(why)
        certificate = self._settled(certificate, deed.at)
        known = self._known(certificate)
        if known is not None and known.is_under_way:
            return known, False
        job = _asked(certificate, known, deed, until or deadline_of(policy, deed.at))
        self._hand_off(certificate, known, job, deed)
        return job, True

    def report(self, id_: str, news: News, deed: Deed, policy_of: Callable[[Certificate], RenewalPolicy]) -> RenewalJob:
        """Take what whoever renews says. Raises NotFoundError, JobStateError, MalformedRowError."""
        before = self.jobs.read(id_)
        after = before.reported(news.report, news.detail, news.issued, deed.at, attempt=news.attempt)
        said = {"report": after.last_report, "issued": news.issued}
        move = _Move(action=Action.RENEWAL_REPORTED, deed=deed, before=before, after=after, said=said)
        certificate = self._of(before)
        if certificate is None:
            self._write(move)
        else:
            failure = _failed(after, deed.at) if _has_failed(before, after) else None
            draft = replace(certificate, renewal=after.pending)
            if news.issued:
                origin, grace = Kind.RENEWAL_JOB.resource(after.id), policy_of(certificate).deployment_grace
                draft = awaiting(draft, news.issued, origin, deed.at, grace)
            self._carry_out(move, certificate, draft, failure)
        return after

    def cancel(self, id_: str, deed: Deed) -> RenewalJob:
        """Expect it no more; its cycle's policy does not ask again. Raises NotFoundError, JobStateError."""
        before = self.jobs.read(id_)
        after = before.cancelled(deed.by, deed.reason and f"cancelled: {deed.reason}", deed.at)
        move = _Move(action=Action.RENEWAL_CANCELLED, deed=deed, before=before, after=after)
        certificate = self._of(before)
        if certificate is None:
            self._write(move)
        else:
            self._carry_out(move, certificate, replace(certificate, renewal=after.pending))
        return after

    # ── The expiry check ─────────────────────────────────────────────────────────────────────────────────────────────

    def look(self, certificate: Certificate, resolved: Resolved, now: datetime) -> Certificate:
        """Bring the job of a certificate up to what is so; ask for its renewal, if its policy does.

        A job that can't be read keeps nobody from being alerted of the expiry.
        """
        try:
            return self._looked(certificate, resolved.policy, now)
        except (NotFoundError, MalformedRowError):
            logging.getLogger(__name__).exception("the renewal job of certificate %s can't be used", certificate.id)
            return certificate

    def next_look(self, certificate: Certificate, resolved: Resolved, now: datetime) -> datetime | None:
        """Say when its job must be looked at, or its renewal be asked for."""
        if _why_not(certificate):
            return None
        if certificate.renewal is not None:
            return certificate.renewal.look_at
        at = renew_at(certificate, resolved.policy)
        return at if at is not None and at > now else None

    def _looked(self, certificate: Certificate, policy: RenewalPolicy, now: datetime) -> Certificate:
        certificate = self._settled(certificate, now)
        if _why_not(certificate):
            return certificate
        if policy.renew_before is Suggestion.ARI and certificate.ari_id and certificate.suggestion_until is None:
            certificate = self.enlist(certificate, now)
        if certificate.renewal is not None:
            look_at = certificate.renewal.look_at
            return certificate if look_at is None or look_at > now else self._attended(certificate, now)
        at = renew_at(certificate, policy)
        return certificate if at is None or at > now else self._asked_by_policy(certificate, policy, now)

    def _settled(self, certificate: Certificate, now: datetime) -> Certificate:
        """End the job of a cycle that is over: by what a source has seen, or because there is nothing to be renewed."""
        renewal, why = certificate.renewal, _why_not(certificate)
        if renewal is None or (renewal.expires_at == certificate.expires_at and not why):
            return certificate
        before, draft = self.jobs.read(renewal.job_id), replace(certificate, renewal=None)
        if _is_seen(certificate, renewal.expires_at) and before.may_succeed:
            after, action = before.succeeded(_seen(certificate), now), Action.RENEWAL_SUCCEEDED
        elif before.is_open:
            why = why or f"another certificate is there: it expires at {written(certificate.expires_at)}"
            after, action = before.cancelled(ACTOR, why, now), Action.RENEWAL_CANCELLED
        else:
            return self._note(certificate, draft, now)
        deed = Deed(ACTOR, now, after.last_report)
        return self._carry_out(_Move(action=action, deed=deed, before=before, after=after), certificate, draft)

    def _attended(self, certificate: Certificate, now: datetime) -> Certificate:
        """Do what is due of the job of the present cycle."""
        before = self.jobs.read(job_id(certificate.id, certificate.expires_at))
        if before.is_open and now >= before.deadline:
            after = before.overdue(now)
            move = _Move(action=Action.RENEWAL_OVERDUE, deed=Deed(ACTOR, now), before=before, after=after)
            return self._carry_out(move, certificate, replace(certificate, renewal=after.pending), _overdue(after, now))
        if before.next_hand_off_at is not None and before.next_hand_off_at <= now:
            return self._hand_off(certificate, before, before.handed_off(now), Deed(ACTOR, now, "its last try failed"))
        return self._note(certificate, replace(certificate, renewal=before.pending), now)

    def _asked_by_policy(self, certificate: Certificate, policy: RenewalPolicy, now: datetime) -> Certificate:
        """Ask once a cycle: again only where the check itself gave up what it had asked for."""
        known = self._known(certificate)
        if known is not None and not (known.state is RenewalState.CANCELLED and known.finished_by == ACTOR):
            return self._note(certificate, replace(certificate, renewal=known.pending), now)
        deed = Deed(ACTOR, now, _why_now(certificate, policy))
        return self._hand_off(certificate, known, _asked(certificate, known, deed, deadline_of(policy, now)), deed)

    # ── Steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _hand_off(
        self, certificate: Certificate, before: RenewalJob | None, after: RenewalJob, deed: Deed
    ) -> Certificate:
        """Hand an attempt off."""
        row = hand_off(after, certificate, self.policy, deed.at)
        said = {"deadline": after.deadline.isoformat(), "notification_id": row.id}
        move = _Move(action=Action.RENEWAL_REQUESTED, deed=deed, before=before, after=after, hand_off=row, said=said)
        return self._carry_out(move, certificate, replace(certificate, renewal=after.pending))

    def _carry_out(
        self, move: _Move, before: Certificate, draft: Certificate, failure: Occurrence | None = None
    ) -> Certificate:
        """Write a step with its certificate, which the check is to look at soon, unless it does this itself."""
        if draft == before and failure is None:
            self._write(move)
            return before
        after = before.changed(draft, move.deed.at)
        if move.deed.by != ACTOR:
            after = replace(after, due_at=move.deed.at)
        if failure is not None:
            after = after.with_occurrence(failure)
        self.lifecycle.change_by(before, after, lambda: self._write(move, (before, after)))
        return after

    def _write(self, move: _Move, certificate: tuple[Certificate, Certificate] | None = None) -> None:
        self.jobs.write(
            Step(
                before=move.before,
                after=move.after,
                hand_off=move.hand_off,
                lines=move.lines(),
                certificate=certificate,
            )
        )
        if move.hand_off is not None:
            self.created(move.hand_off)

    def _note(self, certificate: Certificate, draft: Certificate, now: datetime) -> Certificate:
        """Write of the certificate alone what is known of its job."""
        if draft == certificate:
            return certificate
        after = certificate.changed(draft, now)
        self.lifecycle.change(certificate, after, ACTOR)
        return after

    def _known(self, certificate: Certificate) -> RenewalJob | None:
        """Give the job of the cycle that a certificate is in, if there is one."""
        try:
            return self.jobs.read(job_id(certificate.id, certificate.expires_at))
        except NotFoundError:
            return None

    def _of(self, job: RenewalJob) -> Certificate | None:
        """Give the certificate that a job is of, as long as it is in that cycle and knows of it."""
        try:
            certificate = self.lifecycle.certificates.get(job.certificate_id)
        except NotFoundError:
            return None
        is_its = certificate.renewal is not None and certificate.renewal.job_id == job.id
        return certificate if is_its and certificate.expires_at == job.expires_at else None


def _why_not(certificate: Certificate) -> str:
    """Say why nobody is to renew a certificate; empty: it may be renewed. A revoked one is in need of it."""
    if certificate.archived_at is not None:
        return "the certificate is archived"
    return f"the certificate is replaced by {certificate.replaced_by}" if certificate.replaced_at is not None else ""


def _why_now(certificate: Certificate, policy: RenewalPolicy) -> str:
    """Say why the check asks for a renewal."""
    if policy.renew_before is not Suggestion.ARI or certificate.suggested_renewal_at is None:
        return "its policy asks for it"
    more = f": {certificate.explanation_url}" if certificate.explanation_url else ""
    return f"its authority suggests it{more}"


def _asked(certificate: Certificate, known: RenewalJob | None, deed: Deed, deadline: datetime) -> RenewalJob:
    if known is None:
        return requested(certificate, deed.by, deed.reason, deadline, deed.at)
    return known.requested_anew(deed.by, deed.reason, deadline, deed.at)


def _is_seen(certificate: Certificate, cycle: datetime) -> bool:
    """Tell whether a source has seen what follows the certificate of a cycle."""
    return certificate.expires_at > cycle or certificate.replaced_at is not None


def _seen(certificate: Certificate) -> str:
    if certificate.replaced_at is not None:
        return f"seen: certificate {certificate.replaced_by} has taken its part"
    return f"seen: it expires at {written(certificate.expires_at)} now"


def _has_failed(before: RenewalJob, after: RenewalJob) -> bool:
    return after.state is RenewalState.FAILED and before.state is not RenewalState.FAILED


def _failed(job: RenewalJob, now: datetime) -> Occurrence:
    """Say that an attempt failed; the first one of a cycle is told."""
    again = f"again at {written(job.next_hand_off_at)}" if job.next_hand_off_at else "not again by itself"
    detail = f"Whoever renews it says: {job.last_report}. It is handed off {again}. Renewal job {job.id}."
    return Occurrence(CertificateEvent.RENEWAL_FAILURE, job.expires_at, now, detail)


def _overdue(job: RenewalJob, now: datetime) -> Occurrence:
    last = f" Last report: {job.last_report}." if job.last_report else ""
    detail = (
        f"It was to be renewed by {written(job.deadline)}, and no source has seen that.{last} Renewal job {job.id}."
    )
    return Occurrence(CertificateEvent.RENEWAL_FAILURE, job.expires_at, now, detail)
