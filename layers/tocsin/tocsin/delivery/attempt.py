"""One try at delivering a notification: what a channel answers, and the line that history keeps of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

RECEIPT_LIMIT = 128
"""Characters of a receipt."""


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
    """A service took the message, and will bring it to the receiver. Whether it did, evidence may show later."""

    http_status: int | None = None
    receipt: str | None = None
    """What the service calls it, by which evidence names it; at most RECEIPT_LIMIT characters, and no secret."""
    ask_after: float | None = None
    """Seconds after which the service says what became of it, if it is asked; null: it is not to be asked."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver itself said yes."""

    http_status: int | None = None
    receipt: str | None = None
    """As in `Accepted`."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel did not take it, or did not say so."""

    failure: FailureClass
    error: str
    http_status: int | None = None
    retry_after: float | None = None
    """Seconds that the receiver asked us to wait; already parsed, never negative."""
    hung: bool = False
    """Whether it took all of its deadline: what a circuit opens on."""


@dataclass(frozen=True, slots=True)
class NotConfigured:
    """No such channel is configured in this stack."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The service takes no more just now, whatever the message: nothing was tried, so no attempt is spent."""

    error: str
    retry_after: float | None = None
    """Seconds that the service asked us to wait; already parsed, never negative."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The channel itself is broken (a revoked URL, a bad key, a suspended account, a configuration that can't be read).

    It refuses every message until an operator mends it, so that says nothing of this one: no attempt is spent.
    """

    error: str
    http_status: int | None = None


Attempted = Accepted | Delivered | Refused | NotConfigured | Throttled
"""What a row can take as it is: all but a broken channel, which is its circuit's affair."""
SendResult = Accepted | Delivered | Refused | NotConfigured | Throttled | Broken
"""How one try ended. Accepted and delivered are successes; throttled and broken are no attempts."""


class AttemptClass(StrEnum):
    """How an attempt ended, as history shows it."""

    ACCEPTED = "accepted"
    """A service took it; the receiver has not said anything."""
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
