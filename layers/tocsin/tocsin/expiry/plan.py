"""Which alerts a certificate owes: decided from what is recorded, never from when the check happened to run. Pure.

`timeline` says when each route (a threshold through a channel) is to be decided. It doesn't know the time, so a check
that runs every hour, twice, or after a lost week comes to the same alerts (docs/decisions/late-thresholds.md).
`decide` compares it with the time and with the marks of what was decided before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.delivery.channel_name import ChannelName, Target
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity
from tocsin.expiry.alert import (
    ACTOR,
    ALERT_TYPE,
    Mark,
    MarkKind,
    about,
    alert_id,
    event_message,
    event_subject,
    message_text,
    occurrence_id,
    subject_text,
)
from tocsin.expiry.still_true import why_event_over
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.contacts import People
from tocsin.inventory.occurrences import CertificateEvent, Occurrence
from tocsin.inventory.policy import RenewalPolicy, Route
from tocsin.inventory.thresholds import Threshold, by_urgency


@dataclass(frozen=True, slots=True)
class Planned:
    """When a route is to be decided in this cycle, and whether its threshold was crossed before anybody watched."""

    route: Route
    at: datetime
    superseded_by: Threshold | None = None


@dataclass(frozen=True, slots=True)
class EventRoute:
    """Something that happened, through one channel; a null channel: its severity has none."""

    occurrence: Occurrence
    severity: Severity
    channel: ChannelName | None

    @property
    def threshold(self) -> None:
        """Give nothing: no threshold was crossed."""


AnyRoute = Route | EventRoute


def about_route(route: AnyRoute) -> str:
    """Name what it is about, e.g. `14` or `RenewalSuccess`."""
    if isinstance(route, EventRoute):
        return about(None, route.occurrence.event, route.occurrence.subject)
    return str(route.threshold)


@dataclass(frozen=True, slots=True)
class Raise:
    """Alert now."""

    route: AnyRoute
    id: str
    recipient: str
    fallback: Target | None = None
    """Where it goes if its channel can't deliver it."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """Don't alert: it was first seen late, and a more urgent threshold stands for it."""

    route: Route
    id: str
    by: Threshold


@dataclass(frozen=True, slots=True)
class NoChannel:
    """Crossed, but the policy gives its severity no channel."""

    route: AnyRoute
    id: str


@dataclass(frozen=True, slots=True)
class NoRecipient:
    """Crossed, but there is nobody to write to; it is raised as soon as there is."""

    route: AnyRoute
    id: str


@dataclass(frozen=True, slots=True)
class NotDueBefore:
    """Not crossed yet."""

    route: Route
    at: datetime


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Decided before, in this cycle."""

    route: AnyRoute
    of: Mark


@dataclass(frozen=True, slots=True)
class CameLate:
    """Good news from before the policy told of such by this channel: nobody is to hear of all that went well before."""

    route: EventRoute
    since: datetime


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Never alert of its expiry: it is archived, revoked or replaced."""

    why: str


Recorded = Raise | Superseded | NoChannel | NoRecipient
"""What leaves a mark; `id` is the mark's, and the alert's where one is raised."""
RouteDecision = Recorded | NotDueBefore | Duplicate | CameLate
Decision = RouteDecision | LeftAlone
_KINDS: dict[type[Recorded], MarkKind] = {
    Raise: MarkKind.RAISED,
    Superseded: MarkKind.SUPERSEDED,
    NoChannel: MarkKind.NO_CHANNEL,
    NoRecipient: MarkKind.NO_RECIPIENT,
}


def timeline(certificate: Certificate, policy: RenewalPolicy) -> tuple[Planned, ...]:
    """Plan every route of this cycle, the most urgent threshold first."""
    order = by_urgency(policy.thresholds, certificate)
    routes = sorted(policy.routes, key=lambda route: order.index(route.threshold))
    return tuple(_planned(route, certificate, policy, order) for route in routes)


def _planned(route: Route, certificate: Certificate, policy: RenewalPolicy, order: list[Threshold]) -> Planned:
    """Plan one route: at its crossing; or, crossed before it was known, at once and only if nothing is more urgent."""
    crosses_at = route.threshold.crosses_at(certificate)
    known = policy.known_since(route, certificate.watched_since)
    if crosses_at > known or route.channel is None:
        return Planned(route, max(crosses_at, known))
    with_channel = {other.threshold for other in policy.routes if other.channel is not None}
    most_urgent = next(
        threshold for threshold in order if threshold in with_channel and threshold.crossed(certificate, known)
    )
    return Planned(route, known, None if most_urgent == route.threshold else most_urgent)


def decide(
    certificate: Certificate,
    policy: RenewalPolicy,
    people: People,
    marks: Mapping[str, Mark],
    now: datetime,
) -> tuple[Decision, ...]:
    """Decide every route of `certificate` at `now`, the most urgent first; then what happened to it.

    `marks` are by id, of any cycle.
    """
    expiry: tuple[Decision, ...] = (LeftAlone(_left_alone(certificate)),)
    if certificate.is_watched:
        expiry = tuple(
            _decide(planned, certificate, marks, now, policy=policy, people=people)
            for planned in timeline(certificate, policy)
        )
    told = (
        _decide_event(route, certificate, marks, policy=policy, people=people)
        for route in event_routes(certificate, policy)
    )
    return (*expiry, *told)


def _left_alone(certificate: Certificate) -> str:
    if certificate.revoked_at is not None:
        return "revoked"
    return "archived" if certificate.archived_at is not None else "replaced"


def event_routes(certificate: Certificate, policy: RenewalPolicy) -> Iterator[EventRoute]:
    """Give what happened in this cycle and is still true, through each of its channels, in the order of time."""
    for occurrence in certificate.happened:
        severity = occurrence.severity or policy.severity_of_event(occurrence.event)
        if policy.severity_of_event(occurrence.event) is None or severity is None:
            continue
        if why_event_over(occurrence.event, occurrence.expires_at, occurrence.subject, certificate) is not None:
            continue
        channels: Sequence[ChannelName | None] = channels_for(occurrence.event, severity, policy) or (None,)
        yield from (EventRoute(occurrence, severity, channel) for channel in channels)


def channels_for(event: CertificateEvent, severity: Severity, policy: RenewalPolicy) -> tuple[ChannelName, ...]:
    """Say what carries an event: good news opens no incident, which somebody would have to close."""
    channels = policy.channels_of(severity)
    return tuple(one for one in channels if not one.keeps_incidents) if event.is_good else channels


def _decide_event(
    route: EventRoute, certificate: Certificate, marks: Mapping[str, Mark], *, policy: RenewalPolicy, people: People
) -> Decision:
    id_ = occurrence_id(certificate.id, route.occurrence, route.channel)
    mark = marks.get(id_)
    if mark is not None and mark.kind.is_final:
        return Duplicate(route, mark)
    if route.channel is not None and route.occurrence.event.is_good:
        known = policy.event_known_since(route.occurrence.event, route.channel)
        if known is not None and route.occurrence.at < known:
            return CameLate(route, known)
    return _told(route, id_, policy, people)


def _told(route: AnyRoute, id_: str, policy: RenewalPolicy, people: People) -> Raise | NoChannel | NoRecipient:
    """Say whom it goes to, or why to nobody."""
    if route.channel is None:
        return NoChannel(route, id_)
    recipient = people.recipient(route.channel)
    if recipient is None:
        return NoRecipient(route, id_)
    fallback = _fallback(route.channel, policy, people)
    if (
        isinstance(route, EventRoute)
        and route.occurrence.event.is_good
        and fallback
        and fallback.channel.keeps_incidents
    ):
        fallback = None
    return Raise(route, id_, recipient, fallback)


def _decide(
    planned: Planned,
    certificate: Certificate,
    marks: Mapping[str, Mark],
    now: datetime,
    *,
    policy: RenewalPolicy,
    people: People,
) -> Decision:
    route = planned.route
    id_ = alert_id(certificate.id, certificate.expires_at, route.threshold, route.channel)
    mark = marks.get(id_)
    if mark is not None and mark.kind.is_final:
        return Duplicate(route, mark)
    if planned.at > now:
        return NotDueBefore(route, planned.at)
    if planned.superseded_by is not None:
        return Superseded(route, id_, planned.superseded_by)
    return _told(route, id_, policy, people)


def _fallback(channel: ChannelName, policy: RenewalPolicy, people: People) -> Target | None:
    """Say where an alert goes that `channel` can't deliver; null: the policy names nothing, or nobody is there."""
    instead = policy.fallbacks.get(channel)
    recipient = None if instead is None else people.recipient(instead)
    return None if instead is None or recipient is None else Target(instead, recipient)


def next_due(certificate: Certificate, decisions: tuple[Decision, ...], now: datetime) -> datetime | None:
    """Say when the check must look again, once `decisions` are carried out; null: not before something changes."""
    for_nobody = [decision.route for decision in decisions if isinstance(decision, NoRecipient)]
    if any(not _is_violation(route) for route in for_nobody):
        return certificate.due_at or now  # it stays due, so it is tried and reported at each check
    again = [now + _TRIED_AGAIN] if for_nobody else []  # many certificates may violate a rule, and belong to nobody
    return min((*again, *(one.at for one in decisions if isinstance(one, NotDueBefore))), default=None)


def _is_violation(route: AnyRoute) -> bool:
    return isinstance(route, EventRoute) and route.occurrence.event is CertificateEvent.POLICY_VIOLATION


_TRIED_AGAIN = timedelta(days=1)
"""How long a violation that there is nobody to tell of waits: a new owner makes its certificate due before."""


def notification_of(decision: Raise, certificate: Certificate, policy: DeliveryPolicy, now: datetime) -> Notification:
    """Write the alert, true at `now`."""
    route = decision.route
    if route.channel is None:
        raise ValueError("nothing can be raised without a channel")
    if isinstance(route, EventRoute):
        type_: str = route.occurrence.event
        subject = event_subject(certificate, route.occurrence, now)
        message = event_message(certificate, route.occurrence, now)
    else:
        type_ = ALERT_TYPE
        subject, message = subject_text(certificate, now), message_text(certificate, route.threshold, now)
    return Notification(
        id=decision.id,
        type=type_,
        channel=route.channel,
        recipient=decision.recipient,
        fallback=decision.fallback,
        subject=subject,
        message=message,
        severity=route.severity,
        certificate_id=certificate.id,
        created_by=ACTOR,
        created_at=now,
        updated_at=now,
    ).accepted(now, policy)


def mark_of(decision: Recorded, certificate: Certificate, now: datetime) -> Mark:
    """Write what shall be recorded of a decision."""
    route = decision.route
    occurrence = route.occurrence if isinstance(route, EventRoute) else None
    return Mark(
        id=decision.id,
        kind=_KINDS[type(decision)],
        certificate_id=certificate.id,
        expires_at=certificate.expires_at,
        threshold=route.threshold,
        event=occurrence.event if occurrence else None,
        subject=occurrence.subject if occurrence else "",
        severity=route.severity,
        channel=route.channel,
        at=now,
        superseded_by=decision.by if isinstance(decision, Superseded) else None,
    )
