"""A source's own state: whether it can be read. Pure. It never touches a certificate.

Each TLS endpoint is a source (`tls:host:port`), each service of the account is one (`acm:eu-central-1`, `iam`). A
source that fails for a day alerts itself, once each time it begins to fail; success ends that.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity
from tocsin.expiry.alert import SUBJECT_LIMIT, cycle_of, derived_id
from tocsin.sources.failure import SourceFailure
from tocsin.text import bounded, written

PATIENCE = timedelta(days=1)
"""How long a source may fail before somebody is told."""
ALARM_TYPE = "Custom:SourceFailing"
_TEXT_LIMIT = 512
"""Bytes of each piece of foreign text in an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is known of one source. It changes only by copy."""

    source: str
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    last_failure: SourceFailure | None = None
    """The latest, also after a success: it says what was wrong."""
    failing_since: datetime | None = None
    """The first failure since the last success; null: it works, or was never tried."""
    alarmed_at: datetime | None = None
    """When this failing was told to somebody."""

    def succeeded(self, now: datetime) -> Self:
        """Note that it was read."""
        return replace(self, last_attempt_at=now, last_success_at=now, failing_since=None, alarmed_at=None)

    def failed(self, failure: SourceFailure, now: datetime) -> Self:
        """Note that it could not be read, or not all of it."""
        since = self.failing_since or now
        return replace(self, last_attempt_at=now, last_failure=failure, failing_since=since)

    def alarmed(self, now: datetime) -> Self:
        """Note that somebody was told."""
        return replace(self, alarmed_at=now)


@dataclass(frozen=True, slots=True)
class AlarmRoute:
    """Whom a failing source is told to, and how that is delivered."""

    channel: ChannelName
    recipient: str
    policy: DeliveryPolicy

    def alarm(self, id_: str, type_: str, subject: str, message: str, now: datetime) -> Notification:
        """Make what tells somebody, once for each id."""
        return Notification(
            id=id_,
            type=type_,
            channel=self.channel,
            recipient=self.recipient,
            subject=bounded(subject, SUBJECT_LIMIT),
            message=message,
            severity=Severity.WARNING,
            created_by="source_sync",
            created_at=now,
            updated_at=now,
        ).accepted(now, self.policy)


def alarm_due(state: SourceState, route: AlarmRoute, now: datetime) -> Notification | None:
    """Give the alarm that `state` owes at `now`, if any. The id is the same however often it is made."""
    since = state.failing_since
    if since is None or state.alarmed_at is not None or now - since < PATIENCE:
        return None
    source = bounded(state.source, _TEXT_LIMIT)
    subject = f"[Tocsin] {source} can't be read"
    return route.alarm(alarm_id(state.source, since), ALARM_TYPE, subject, _message(state, source, since), now)


def alarm_id(source: str, failing_since: datetime) -> str:
    """Derive the id of an alarm from its source and from when the failing began, to the millisecond."""
    return derived_id(failing_since, f"{source}\n{cycle_of(failing_since)}")


ARI = "ari:"
"""What the names of ACME servers begin with that are asked when to renew."""
_MEANWHILE = "What it has stays in the inventory as it was read last; a renewal there would not be seen."
_MEANWHILE_ARI = "Renewals are asked for as it suggested last, or when a third of a certificate's life is left."


def _message(state: SourceState, source: str, since: datetime) -> str:
    why = bounded(str(state.last_failure or "unknown"), _TEXT_LIMIT)
    success = "never" if state.last_success_at is None else written(state.last_success_at)
    return (
        f"The source {source} can't be read since {written(since)}.\n"
        f"Why: {why}\n"
        f"Read last: {success}\n"
        f"{_MEANWHILE_ARI if state.source.startswith(ARI) else _MEANWHILE}"
    )
