"""One try at delivering a notification: what a channel answers, and the line that history keeps of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FailureClass(StrEnum):
    """What a failure says about trying again."""

    RETRYABLE = "retryable"
    """The channel may accept the same message later: timeouts, connection errors, 408, 425, 429, 5xx."""
    PERMANENT = "permanent"
    """The channel will never accept it: the other 4xx."""
    UNKNOWN = "unknown"
    """The request went out and no answer came: it may have arrived."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The channel took the message."""

    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel did not take it, or did not say so."""

    failure: FailureClass
    error: str
    http_status: int | None = None
    retry_after: float | None = None
    """Seconds that the receiver asked us to wait; already parsed, never negative."""


@dataclass(frozen=True, slots=True)
class NotConfigured:
    """No such channel is configured in this stack."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The service takes no more just now, whatever the message: nothing was tried, so no attempt is spent."""

    error: str
    retry_after: float | None = None
    """Seconds that the service asked us to wait; already parsed, never negative."""


SendResult = Accepted | Refused | NotConfigured | Throttled


class AttemptClass(StrEnum):
    """How an attempt ended, as history shows it."""

    DELIVERED = "delivered"
    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"
    SKIPPED_NO_CHANNEL = "skipped_no_channel"
    """Nothing was sent: the channel is not configured."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of a notification's history. Numbers start at 1 in each life; a requeue begins a new life."""

    number: int
    started_at: datetime
    duration_ms: int
    result: AttemptClass
    http_status: int | None = None
    error: str | None = None
    next_retry_at: datetime | None = None
