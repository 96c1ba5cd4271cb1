"""A circuit: what is known of one destination, shared between workers. Pure.

| state  | when                                               | then                                                   |
|--------|----------------------------------------------------|--------------------------------------------------------|
| closed | it answers                                         | everything goes, within its rate                       |
| open   | a few attempts in a row hung: no answer by the end | what goes there waits; one is let through now and then |
| held   | the channel is broken: it refuses all until mended | the same, and an alarm at once                         |

What waits spends no attempt. Prompt failures (a refused connection, a 503) open nothing: they cost no time, and the
backoff is there for them (docs/decisions/hung-is-not-failed.md).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from tocsin.delivery.channel_name import ChannelName, Target

AT = "@"
"""What stands in a circuit's name between its channel and whom it reaches, e.g. `Webhook@hooks.example.com:443`."""
HANGS = 3
"""Attempts in a row without an answer that open a circuit."""
FIRST_LOOK = timedelta(seconds=30)
LONGEST_LOOK = timedelta(minutes=5)
"""How long an open circuit waits before it lets one through: twice as long each time."""
HELD_LOOK = timedelta(minutes=1)
"""How long a held one waits: what is mended shall be seen soon, and asking costs a broken channel nothing."""
LINGER = timedelta(minutes=15)
"""How long a circuit is looked at after it closed: longer than any worker can still believe it to be open."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a destination is sent to: what its channel's document and its provider say."""

    per_minute: int | None = None
    """Messages a minute that it takes; null: as many as come."""
    fallback: Target | None = None
    """Where what can't be delivered goes; null: nowhere."""
    fallback_after: timedelta = timedelta(minutes=15)
    """How long it may be held or out of reach before what waits goes there."""


class State(StrEnum):
    """What a circuit lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What is known of one destination. A record never changes: a step returns a copy."""

    name: str
    version: int = 0
    """Counts its steps; 0: it was never written."""
    state: State = State.CLOSED
    since: datetime | None = None
    """When it left `closed`, or came back to it."""
    reason: str | None = None
    """Why it is open or held."""
    looks: int = 0
    """How often one was let through in vain."""
    look_at: datetime | None = None
    """When somebody must look at it next; null: nothing waits for it."""
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    last_error: str | None = None

    @property
    def waits_for(self) -> str:
        """Say why nothing goes, for people."""
        return f"{self.name} is {self.state}: {self.reason}"

    @property
    def channel(self) -> ChannelName:
        """Name the channel that it belongs to."""
        return ChannelName(self.name.partition(AT)[0])

    @property
    def is_closed(self) -> bool:
        """Tell whether everything goes."""
        return self.state is State.CLOSED

    def opened(self, reason: str, now: datetime) -> Self:
        """Let nothing through for a while: it hangs."""
        since = self.since if self.state is State.OPEN else now
        wait = min(FIRST_LOOK * 2 ** min(self.looks, 16), LONGEST_LOOK)
        looks = self.looks + 1
        return replace(self, state=State.OPEN, since=since, reason=reason, looks=looks, look_at=now + wait).noted(
            reason, now
        )

    def held(self, reason: str, now: datetime) -> Self:
        """Let nothing through until it is mended: the channel is broken."""
        since = self.since if self.state is State.HELD else now
        looks = self.looks + 1 if self.state is State.HELD else 0
        return replace(self, state=State.HELD, since=since, reason=reason, looks=looks, look_at=now + HELD_LOOK).noted(
            reason, now
        )

    def closed(self, now: datetime) -> Self:
        """Let everything through again; what waits is looked after for a while."""
        return replace(self, state=State.CLOSED, since=now, reason=None, looks=0, look_at=now, delivered_at=now)

    def awaited(self, now: datetime) -> Self:
        """Have it looked at: rows wait for it although it is closed, because it takes only so many a minute."""
        return replace(self, look_at=now, since=now)

    def is_awaited(self, now: datetime) -> bool:
        """Tell whether it is sure to be looked at for long enough that a row may begin to wait for it."""
        return self.look_at is not None and (
            not self.is_closed or (self.since is not None and now - self.since < LINGER / 3)
        )

    def forgotten(self) -> Self:
        """Look at it no more: nothing waits."""
        return replace(self, look_at=None)

    def noted(self, error: str, now: datetime) -> Self:
        """Remember the latest failure."""
        return replace(self, failed_at=now, last_error=error)
