"""Renewal policies: which thresholds alert, how severe each is, and which channels carry each severity. Pure.

A route is one threshold through one channel. A policy remembers since when it has each route: to a certificate that
was already past the threshold then, the route came late (docs/decisions/late-thresholds.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Self

from tocsin.delivery.channel_name import ONE_OF, ChannelName
from tocsin.delivery.notification import Severity
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.certificate import NAME_LIMIT, Source
from tocsin.inventory.occurrences import EVENT_SEVERITIES, CertificateEvent
from tocsin.inventory.thresholds import DEFAULTS, Threshold, Unit, parse_threshold, parse_thresholds, read_threshold
from tocsin.inventory.versioned import Versioned
from tocsin.text import line_problem

DEFAULT_CHANNELS = (ChannelName.EMAIL,)
DEPLOYMENT_GRACE = timedelta(hours=6)
"""How long servers have for a renewed certificate unless a policy says so: a night's job and its retries."""
GRACE_LIMIT = timedelta(days=30)
_WARNING_DAYS = 14
_WARNING_PERCENT = 15
"""14 days of 90, the validity period that the thresholds in days were made for."""
RENEWAL_DEADLINE_HOURS = 24
"""How long a renewal may take, unless a policy says so."""
RENEWAL_DEADLINE_LIMIT = 24 * 90
"""Hours."""


class Suggestion(Enum):
    """Who says when a certificate is to be renewed, where its policy leaves that to others."""

    ARI = "ari"
    """Its authority, by ACME renewal information (RFC 9773)."""

    def __str__(self) -> str:
        return self.value


RenewBefore = Threshold | Suggestion
"""When a policy asks for a renewal: so long before expiry, or when somebody suggests it."""


@dataclass(frozen=True, slots=True)
class Route:
    """One threshold through one channel; a null channel: its severity has none, so nobody is told."""

    threshold: Threshold
    severity: Severity
    channel: ChannelName | None

    @property
    def key(self) -> str:
        """Name it within its policy, e.g. `14 Email`."""
        return f"{self.threshold} {self.channel or '-'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPolicy(Versioned):
    """How the certificates that name it alert."""

    name: str
    thresholds: tuple[Threshold, ...] = DEFAULTS
    severities: Mapping[Threshold, Severity] = field(default_factory=dict)
    """What an operator chose; the others follow `default_severity`."""
    channels: Mapping[Severity, tuple[ChannelName, ...]] = field(default_factory=dict)
    """What an operator chose; the others go by e-mail. An empty tuple: nobody is told."""
    events: Mapping[CertificateEvent, Severity | None] = field(default_factory=dict)
    """How severe an operator finds what happens beside expiry; null: nobody is told. The others: `EVENT_SEVERITIES`."""
    deployment_grace: timedelta = DEPLOYMENT_GRACE
    """How long after a renewal a server may serve the old certificate; whole hours."""
    fallbacks: Mapping[ChannelName, ChannelName] = field(default_factory=dict)
    """By which channel goes what another can't deliver. Nobody comes back to where it began."""
    renew_before: RenewBefore | None = None
    """When a renewal is asked for; null: by people only."""
    renewal_deadline_hours: int = RENEWAL_DEADLINE_HOURS
    """How long it may take until a source sees the renewed certificate."""
    since: Mapping[str, datetime] = field(default_factory=dict)
    """When each route of a threshold or an event (by its key) was added; one that is not in it was always there."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Give each threshold through each of its channels, in the order of the thresholds."""
        return tuple(route for threshold in self.thresholds for route in self._routes_of(threshold))

    def severity_of(self, threshold: Threshold) -> Severity:
        """Say how much crossing it matters."""
        return self.severities.get(threshold, default_severity(threshold))

    def severity_of_event(self, event: CertificateEvent) -> Severity | None:
        """Say how much it matters that this happened; null: nobody is told."""
        return self.events.get(event, EVENT_SEVERITIES[event])

    def channels_of(self, severity: Severity) -> tuple[ChannelName, ...]:
        """Say what carries alerts of this severity."""
        return self.channels.get(severity, DEFAULT_CHANNELS)

    def known_since(self, route: Route, watched_since: datetime) -> datetime:
        """Say since when this route applies to a certificate that is watched since then."""
        return max(watched_since, self.since.get(route.key, watched_since))

    def event_known_since(self, event: CertificateEvent, channel: ChannelName) -> datetime | None:
        """Say since when it tells of such events by this channel; null: it always did."""
        return self.since.get(event_key(event, channel))

    @property
    def keys(self) -> tuple[str, ...]:
        """Name all ways by which it tells: of thresholds, and of what happens beside expiry."""
        return (*(route.key for route in self.routes), *self._event_keys())

    def _event_keys(self) -> Iterator[str]:
        for event in CertificateEvent:
            severity = self.severity_of_event(event)
            yield from (event_key(event, channel) for channel in (self.channels_of(severity) if severity else ()))

    def first_written(self, now: datetime) -> Self:
        """Make it a new policy: all its routes begin now."""
        since = dict.fromkeys(self.keys, now)
        return replace(self, created_at=now, updated_at=now, version=1, since=since)

    def changed(self, draft: Self, now: datetime) -> Self:
        """Take what `draft` says; routes that stay keep their age."""
        own = frozenset(self.keys)
        since = {key: self.since.get(key) if key in own else now for key in draft.keys}
        draft = replace(draft, since={key: at for key, at in since.items() if at is not None})
        return Versioned.changed(self, draft, now)

    def always(self) -> Self:
        """Give it as if it had always been as it is now."""
        return replace(self, since={})

    def _routes_of(self, threshold: Threshold) -> list[Route]:
        severity = self.severity_of(threshold)
        channels: Sequence[ChannelName | None] = self.channels_of(severity) or (None,)
        return [Route(threshold, severity, channel) for channel in channels]


def event_key(event: CertificateEvent, channel: ChannelName) -> str:
    """Name the way by which a policy tells of an event, e.g. `RenewalSuccess Email`."""
    return f"{event} {channel}"


def default_severity(threshold: Threshold) -> Severity:
    """Say how severe a threshold is unless a policy says so: 0 critical, to 14 days or 15% warning, above that not."""
    if threshold.amount == 0:
        return Severity.CRITICAL
    warning = _WARNING_DAYS if threshold.unit is Unit.DAYS else _WARNING_PERCENT
    return Severity.WARNING if threshold.amount <= warning else Severity.INFORMATIONAL


def default_policy(epoch: datetime, source: Source = Source.API) -> RenewalPolicy:
    """Give what applies to a certificate without a policy, or with an unknown one: it has always been there.

    A secret rotates by itself, some every day, within hours of the time that is given for it. So what is told of it is
    that this time is over, and not that it comes, nor that all went well.
    """
    policy = RenewalPolicy(id="", name="default", created_at=epoch, updated_at=epoch)
    if source is Source.SECRETS_MANAGER:
        return replace(policy, thresholds=(Threshold(0),), events={CertificateEvent.RENEWAL_SUCCESS: None})
    return policy


def parse_policy(  # noqa: PLR0913 - one argument for each thing that an operator may say
    id_: str,
    name: str,
    now: datetime,
    *,
    thresholds: Sequence[object] = (),
    severities: Mapping[str, str] | None = None,
    channels: Mapping[str, Sequence[str]] | None = None,
    events: Mapping[str, str | None] | None = None,
    deployment_grace_hours: int | None = None,
    fallbacks: Mapping[str, str] | None = None,
    renew_before: object = None,
    renewal_deadline_hours: int = RENEWAL_DEADLINE_HOURS,
) -> RenewalPolicy:
    """Read a policy as an operator writes it; raise InvalidFieldsError naming every field that is wrong."""
    problems: list[FieldProblem] = []
    if name_problem := line_problem(name, NAME_LIMIT) or (None if name else "is empty"):
        problems.append(FieldProblem("name", name_problem))
    try:
        read = parse_thresholds(thresholds)
    except InvalidFieldsError as error:
        read = DEFAULTS
        problems += error.problems
    by_threshold = _parse_severities(severities or {}, problems)
    by_severity = _parse_channels(channels or {}, problems)
    by_event = _parse_events(events or {}, problems)
    grace = DEPLOYMENT_GRACE if deployment_grace_hours is None else _parse_grace(deployment_grace_hours, problems)
    by_channel = _parse_fallbacks(fallbacks or {}, problems)
    renewed = _parse_renew_before(renew_before, problems)
    if not 1 <= renewal_deadline_hours <= RENEWAL_DEADLINE_LIMIT:
        problems.append(FieldProblem("renewal_deadline_hours", f"must be 1 to {RENEWAL_DEADLINE_LIMIT} hours"))
    if problems:
        raise InvalidFieldsError(problems)
    return RenewalPolicy(
        id=id_,
        name=name,
        created_at=now,
        updated_at=now,
        thresholds=read,
        severities=by_threshold,
        channels=by_severity,
        events=by_event,
        deployment_grace=grace,
        fallbacks=by_channel,
        renew_before=renewed,
        renewal_deadline_hours=renewal_deadline_hours,
    ).first_written(now)


def read_renew_before(text: str) -> RenewBefore:
    """Read what `str` of it gave; raise ValueError for anything else."""
    return Suggestion.ARI if text == str(Suggestion.ARI) else read_threshold(text)


def _parse_renew_before(value: object, problems: list[FieldProblem]) -> RenewBefore | None:
    """Read a number of days, a text like "20%", or "ari"; add to `problems` what can't be read."""
    if value is None:
        return None
    if value == str(Suggestion.ARI):
        return Suggestion.ARI
    read = parse_threshold(value)
    if isinstance(read, Threshold) and read.amount > 0:
        return read
    what = f'{read}, or "ari"' if isinstance(read, str) else "must be before the expiry: 1 day or more"
    problems.append(FieldProblem("renew_before", what))
    return None


def _parse_severities(severities: Mapping[str, str], problems: list[FieldProblem]) -> dict[Threshold, Severity]:
    """Read e.g. {"30": "warning", "33%": "critical"}; add to `problems` what can't be read."""
    read: dict[Threshold, Severity] = {}
    for text, severity in severities.items():
        threshold = _threshold_named(text)
        if threshold is None:
            problems.append(FieldProblem(f"severities.{text[:NAME_LIMIT]}", "is not a threshold"))
        elif severity not in set(Severity):
            problems.append(FieldProblem(f"severities.{text}", _one_of(Severity)))
        else:
            read[threshold] = Severity(severity)
    return read


def _parse_events(
    events: Mapping[str, str | None], problems: list[FieldProblem]
) -> dict[CertificateEvent, Severity | None]:
    """Read e.g. {"RenewalSuccess": null, "Revocation": "critical"}; add to `problems` what can't be read."""
    read: dict[CertificateEvent, Severity | None] = {}
    for name, severity in events.items():
        if name not in set(CertificateEvent):
            problems.append(FieldProblem(f"events.{name[:NAME_LIMIT]}", _one_of(CertificateEvent)))
        elif severity is not None and severity not in set(Severity):
            problems.append(FieldProblem(f"events.{name}", f"{_one_of(Severity)}, or null"))
        else:
            read[CertificateEvent(name)] = None if severity is None else Severity(severity)
    return read


def _parse_grace(hours: int, problems: list[FieldProblem]) -> timedelta:
    most = GRACE_LIMIT // timedelta(hours=1)
    if 1 <= hours <= most:
        return timedelta(hours=hours)
    problems.append(FieldProblem("deployment_grace_hours", f"must be a number of hours from 1 to {most}"))
    return DEPLOYMENT_GRACE


def _threshold_named(text: str) -> Threshold | None:
    try:
        return read_threshold(text)
    except ValueError:
        return None


def _parse_channels(
    channels: Mapping[str, Sequence[str]], problems: list[FieldProblem]
) -> dict[Severity, tuple[ChannelName, ...]]:
    """Read e.g. {"critical": ["Email", "PagerDuty"]}; add to `problems` what can't be read."""
    read: dict[Severity, tuple[ChannelName, ...]] = {}
    for severity, names in channels.items():
        if severity not in set(Severity):
            problems.append(FieldProblem(f"channels.{severity[:NAME_LIMIT]}", _one_of(Severity)))
            continue
        for number, name in enumerate(names):
            place = f"channels.{severity}.{number}"
            if _channel_named(name) is None:
                problems.append(FieldProblem(place, ONE_OF))
            elif name in names[:number]:
                problems.append(FieldProblem(place, "is repeated"))
        known = (_channel_named(name) for name in names)
        read[Severity(severity)] = tuple(name for name in known if name is not None)
    return read


def _parse_fallbacks(fallbacks: Mapping[str, str], problems: list[FieldProblem]) -> dict[ChannelName, ChannelName]:
    """Read e.g. {"Slack:payments": "Email"}; add to `problems` what can't be read, and what leads back to itself."""
    read: dict[ChannelName, ChannelName] = {}
    for name, instead in fallbacks.items():
        channel, other = _channel_named(name), _channel_named(instead)
        if channel is None:
            problems.append(FieldProblem(f"fallbacks.{name[:NAME_LIMIT]}", f"is no channel: it {ONE_OF}"))
        elif other is None:
            problems.append(FieldProblem(f"fallbacks.{name}", ONE_OF))
        else:
            read[channel] = other
    problems += [FieldProblem(f"fallbacks.{name}", "leads back to itself") for name in read if _is_circle(read, name)]
    return read


def _is_circle(fallbacks: Mapping[ChannelName, ChannelName], start: ChannelName) -> bool:
    """Tell whether what begins at `start` comes back there."""
    place: ChannelName | None = start
    for _ in fallbacks:
        place = fallbacks.get(place) if place else None
        if place == start:
            return True
    return False


def _channel_named(text: str) -> ChannelName | None:
    try:
        return ChannelName(text)
    except ValueError:
        return None


def _one_of(choices: type[Severity] | type[CertificateEvent]) -> str:
    return f"must be one of {', '.join(choices)}"
