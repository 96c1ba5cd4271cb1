"""Was anybody alerted, about what, when, through which channel, did it arrive; what comes next; if nothing, why not.

Pure: it answers from what was recorded of past checks, and from what a check would decide now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Outcome, Severity, Status
from tocsin.expiry.alert import Mark, MarkKind, about
from tocsin.expiry.plan import (
    CameLate,
    Decision,
    Duplicate,
    EventRoute,
    LeftAlone,
    NoChannel,
    NoRecipient,
    NotDueBefore,
    Raise,
    RouteDecision,
    Superseded,
    about_route,
    decide,
)
from tocsin.expiry.renewal import RenewalJob, renew_at
from tocsin.expiry.still_true import why_event_over
from tocsin.inventory.certificate import Certificate, CertificateStatus
from tocsin.inventory.contacts import People
from tocsin.inventory.occurrences import AwaitedDeployment, CertificateEvent, Occurrence, Violation
from tocsin.inventory.policy import RenewalPolicy
from tocsin.inventory.thresholds import Threshold
from tocsin.text import written


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that was raised, and what became of it."""

    notification_id: str
    expires_at: datetime
    """The cycle that it was about; the certificate's own expiry unless it was renewed since."""
    about: str
    """What it tells: a threshold, or an event."""
    threshold: Threshold | None
    severity: Severity
    channel: ChannelName | None
    recipient: str | None
    raised_at: datetime
    arrived: bool | None
    """Null: not known yet, or not known any more."""
    arrived_at: datetime | None
    fate: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened in this cycle, beside the expiry that comes nearer."""

    event: CertificateEvent
    subject: str
    """What tells it from others of its kind: the id of a rule."""
    at: datetime
    detail: str
    severity: Severity | None
    """Null: the policy tells nobody of such events."""
    told_by: tuple[str, ...]
    """The ids of the notifications that tell it; whether they arrived, `told` says."""
    reason: str
    """Why nobody is told, or not by some channel; empty: all are told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a check alerts nobody (again) by a route."""

    about: str
    """A threshold, or an event; empty: neither."""
    threshold: Threshold | None
    channel: ChannelName | None
    reason: str
    since: datetime | None
    """When that was recorded; null: it is so at present."""


@dataclass(frozen=True, slots=True)
class Next:
    """What is to come."""

    at: datetime
    threshold: Threshold
    severity: Severity
    channel: ChannelName | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer about one certificate at one instant."""

    status: CertificateStatus
    policy: str
    """The name of the policy that applies."""
    problems: tuple[str, ...]
    """What is wrong with its policy, owner or team."""
    summary: str
    told: tuple[Told, ...]
    happened: tuple[Happened, ...]
    awaited: AwaitedDeployment | None
    """The renewed certificate that is to be served there."""
    findings: tuple[Finding, ...]
    next: Next | None
    renewal: RenewalJob | None = None
    """The renewal job of the present cycle."""
    violations: tuple[Violation, ...] = ()
    """The rules that it violates, as the last check saw it."""


def explain(
    certificate: Certificate,
    policy: RenewalPolicy,
    people: People,
    *,
    marks: Sequence[Mark],
    notifications: Mapping[str, Notification],
    now: datetime,
    problems: Sequence[str] = (),
    renewal: RenewalJob | None = None,
) -> Explanation:
    """Answer from what was recorded (`marks`, of any cycles), what was sent (by id), and what is so now."""
    decisions = decide(certificate, policy, people, {mark.id: mark for mark in marks}, now)
    recorded = {mark.id: mark for mark in marks if mark.expires_at == certificate.expires_at}
    told = tuple(
        _told(mark, notifications.get(mark.id))
        for mark in sorted(marks, key=lambda mark: mark.at)
        if mark.kind is MarkKind.RAISED
    )
    findings = (*_recorded_negatives(recorded.values()), *_present_negatives(decisions, recorded.values()))
    following = _next(decisions)
    told_now = [one for one in told if one.expires_at == certificate.expires_at]
    return Explanation(
        status=certificate.status(now, policy.thresholds),
        policy=policy.name,
        problems=tuple(problems),
        summary=_summary(told_now, findings, following)
        + _violated(certificate)
        + _of_renewal(renewal, certificate, policy),
        told=told,
        happened=tuple(_happened(one, certificate, policy, recorded, decisions) for one in certificate.happened),
        awaited=certificate.awaited,
        findings=findings,
        next=following,
        renewal=renewal,
        violations=certificate.violations,
    )


def _happened(
    occurrence: Occurrence,
    certificate: Certificate,
    policy: RenewalPolicy,
    recorded: Mapping[str, Mark],
    decisions: Iterable[Decision],
) -> Happened:
    what = about(None, occurrence.event, occurrence.subject)
    of_policy = policy.severity_of_event(occurrence.event)
    severity = None if of_policy is None else occurrence.severity or of_policy
    raised = [mark.id for mark in recorded.values() if mark.about == what and mark.kind is MarkKind.RAISED]
    return Happened(
        event=occurrence.event,
        subject=occurrence.subject,
        at=occurrence.at,
        detail=occurrence.detail,
        severity=severity,
        told_by=tuple(sorted(raised)),
        reason=_why_untold(occurrence, certificate, severity, decisions),
    )


def _why_untold(
    occurrence: Occurrence, certificate: Certificate, severity: Severity | None, decisions: Iterable[Decision]
) -> str:
    if severity is None:
        return f"the policy tells nobody of {occurrence.event}"
    over = why_event_over(occurrence.event, occurrence.expires_at, occurrence.subject, certificate)
    if over is not None:
        return f"it is so no more: {over}"
    own = (one for one in decisions if not isinstance(one, LeftAlone) and not isinstance(one, Duplicate))
    reasons = [
        f"{one.route.channel}: {_reason(one)}" if one.route.channel else _reason(one)
        for one in own
        if isinstance(one.route, EventRoute) and one.route.occurrence == occurrence
    ]
    return "; ".join(reasons)


def _told(mark: Mark, row: Notification | None) -> Told:
    arrived, fate = _fate(row)
    return Told(
        notification_id=mark.id,
        expires_at=mark.expires_at,
        about=mark.about,
        threshold=mark.threshold,
        severity=mark.severity,
        channel=mark.channel,
        recipient=row.recipient if row else None,
        raised_at=mark.at,
        arrived=arrived,
        arrived_at=row.sent_at if row and arrived else None,
        fate=fate,
    )


def _fate(row: Notification | None) -> tuple[bool | None, str]:
    """Say whether an alert arrived, and in words."""
    if row is None:
        return None, "its record has left by retention"
    if row.is_owed:
        return None, _waiting(row)
    return _end_of(row)


def _end_of(row: Notification) -> tuple[bool | None, str]:
    at = written(row.sent_at) if row.sent_at else "an unknown time"
    match row.outcome:
        case Outcome.SKIPPED_NO_CHANNEL:
            return False, f"nothing was sent: {row.channel} is not configured"
        case Outcome.BOUNCED:
            return False, f"it bounced: {row.last_error}"
        case Outcome.ACCEPTED:
            return None, f"{row.channel} took it at {at}; whether it arrived nobody has said yet"
        case Outcome.DELIVERED:
            return True, f"{row.channel} delivered it at {at}, on attempt {row.retry_count + 1}"
    stopped = "it was stopped" if row.status is Status.SUPERSEDED else "it could not be delivered"
    return False, f"{stopped}: {row.last_error}"


def _waiting(row: Notification) -> str:
    if row.is_deferred and row.due_at is not None:
        return f"it waits, with no attempt spent: {row.last_error}; looked at again at {written(row.due_at)}"
    if row.status is Status.PENDING or row.due_at is None:
        return "its first delivery is under way"
    return f"attempt {row.retry_count} failed: {row.last_error}; again at {written(row.due_at)}"


def _recorded_negatives(marks: Iterable[Mark]) -> list[Finding]:
    negatives = (mark for mark in marks if mark.kind is not MarkKind.RAISED)
    return [Finding(mark.about, mark.threshold, mark.channel, _reason_of(mark), mark.at) for mark in negatives]


def _reason_of(mark: Mark) -> str:
    match mark.kind:
        case MarkKind.SUPERSEDED:
            return _superseded(mark.superseded_by)
        case MarkKind.NO_CHANNEL:
            return _no_channel(mark.severity, mark.event)
    return _NO_RECIPIENT


_NO_RECIPIENT = "no recipient: no known owner or team, and the stack has no fallback address"


def _superseded(by: Threshold | None) -> str:
    return f"superseded by threshold {by}: that was crossed already when this was first seen"


def _no_channel(severity: Severity, event: CertificateEvent | None) -> str:
    if event is not None and event.is_good:
        return f"no channel for severity {severity} that good news goes by: it opens no incident"
    return f"no channel for severity {severity}"


def _present_negatives(decisions: Iterable[Decision], recorded: Iterable[Mark]) -> list[Finding]:
    """Say why each route tells nobody now, where nothing was recorded of that."""
    done = {(mark.about, mark.channel) for mark in recorded if mark.kind is not MarkKind.RAISED}
    found = []
    for decision in decisions:
        if isinstance(decision, LeftAlone):
            found.append(Finding("", None, None, f"it is {decision.why}, and left alone", None))
            continue
        route = decision.route
        if (what := about_route(route), route.channel) not in done:
            found.append(Finding(what, route.threshold, route.channel, _reason(decision), None))
    return found


def _reason(decision: RouteDecision) -> str:  # noqa: PLR0911 - one for each decision
    match decision:
        case NotDueBefore(at=at):
            return f"not due before {written(at)}"
        case Duplicate(of=mark):
            return f"duplicate of {mark.id}, raised at {written(mark.at)}: it is not raised twice"
        case Superseded(by=by):
            return _superseded(by)
        case NoChannel(route=route):
            return _no_channel(route.severity, route.occurrence.event if isinstance(route, EventRoute) else None)
        case CameLate(since=since):
            return f"it was before the policy told of such by this channel, which is since {written(since)}"
        case NoRecipient():
            return _NO_RECIPIENT
        case Raise():
            return "due: the next check raises it"


def _next(decisions: Iterable[Decision]) -> Next | None:
    """Give what happens first: what is due and can be raised, or the next crossing."""
    coming = [
        Next(decision.at, decision.route.threshold, decision.route.severity, decision.route.channel)
        for decision in decisions
        if isinstance(decision, NotDueBefore)
    ]
    return min(coming, key=lambda one: one.at, default=None)


def _violated(certificate: Certificate) -> str:
    names = ", ".join(one.rule for one in certificate.violations)
    return f" Rules that it violates: {names}." if names else ""


def _summary(told: Sequence[Told], findings: Sequence[Finding], following: Next | None) -> str:
    arrived = sum(one.arrived is True for one in told)
    alerts = "1 alert" if len(told) == 1 else f"{len(told)} alerts"
    so_far = f"{alerts} raised in this cycle, {arrived} known to have arrived." if told else "Nobody was alerted."
    reasons = [f"{one.about}: {one.reason}" if one.about else one.reason for one in findings]
    why = f" Why: {'; '.join(reasons)}." if reasons and not told else ""
    after = f" Next: threshold {following.threshold} at {written(following.at)}." if following else " Nothing follows."
    return so_far + why + after


def _of_renewal(job: RenewalJob | None, certificate: Certificate, policy: RenewalPolicy) -> str:
    """Say how far the renewal of the present cycle is, or when it will be asked for."""
    if job is not None:
        until = f", to be seen by {written(job.deadline)}" if job.is_open else ""
        return f" Renewal job {job.id}: {job.state}{until}."
    at = renew_at(certificate, policy) if certificate.is_watched else None
    return f" Its renewal is asked for at {written(at)}." if at else ""
