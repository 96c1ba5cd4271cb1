"""The retry sweep: one bounded pass over what is due. It returns counts; the caller logs and measures."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.reading import Due, Fetched, Malformed
from tocsin.delivery.send import Event, Tally

LIMIT = 5_000
"""Rows that one sweep takes on. Where more are due, a sweep of the whole table hands over to sweeps of a part each."""


class Lease(Protocol):
    """The right to sweep."""

    def take(self, now: datetime, until: datetime) -> bool:
        """Take it; tell whether that worked."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class DueRows(Protocol):
    """What the sweep reads."""

    def due(self, now: datetime, limit: int, shards: Sequence[int]) -> list[Due]:
        """Give hints of due rows in these shards, oldest first."""
        ...

    def fetch(self, ids: Sequence[str]) -> Fetched:
        """Read many rows."""
        ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep saw and did."""

    backlog: int
    """Rows that were due; counted up to LIMIT."""
    oldest_due_age: float
    """Seconds."""
    oldest_pending_age: float
    """Seconds since the creation of the oldest row whose first delivery never happened; 0 if there is none."""
    settled: int
    left: int
    """Due rows that there was no time for."""
    buried: int
    """Rows that could not be read."""
    handed_over: bool = False
    """Whether the backlog was too large for one, and sweeps of a part each were started instead."""


async def sweep(
    lease: Lease,
    table: DueRows,
    deliver: Callable[[Sequence[Notification]], Awaitable[Tally]],
    bury: Callable[[Malformed], bool],
    *,
    shards: Sequence[int],
    hand_over: Callable[[], None] | None,
    now: datetime,
    seconds: float,
) -> Swept | None:
    """Deliver what is due in `shards`, or do nothing (and return None) while another sweep is at it.

    All due rows are read before the first is sent: an error in reading (ClientError) sends nothing. `hand_over` starts
    sweeps of a part each; a sweep that is one has none, takes what it can, and leaves the rest to the next tick.
    """
    if not lease.take(now, now + timedelta(seconds=seconds)):
        return None
    try:
        hints = table.due(now, LIMIT + 1, shards)
        if hand_over and len(hints) > LIMIT:
            hand_over()
            return Swept(len(hints), _age(hints[0].at, now), 0.0, settled=0, left=0, buried=0, handed_over=True)
        hints = hints[:LIMIT]
        fetched = table.fetch([hint.id for hint in hints])
        buried = sum(bury(found) for found in fetched.malformed)
        tally = await deliver([row for row in fetched.rows if _is_due(row, now)])
    finally:
        lease.release()
    return Swept(
        backlog=len(hints),
        oldest_due_age=_age(hints[0].at, now) if hints else 0.0,
        oldest_pending_age=max(
            (_age(row.created_at, now) for row in fetched.rows if _is_rescue(row, now)), default=0.0
        ),
        settled=tally.events[Event.SETTLED],
        left=len(tally.left),
        buried=buried,
    )


def _is_due(row: Notification, now: datetime) -> bool:
    """Tell what is due from what the index only remembers as due."""
    return row.due_at is not None and row.due_at <= now


def _is_rescue(row: Notification, now: datetime) -> bool:
    return row.status is Status.PENDING and _is_due(row, now)


def _age(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
