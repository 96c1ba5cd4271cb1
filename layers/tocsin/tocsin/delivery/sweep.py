"""The retry sweep: one bounded pass over what is due. It returns counts; the caller logs and measures."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.delivery.circuit import Circuit, State
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event, Tally
from tocsin.delivery.store import Fetched, Lease, Store

LIMIT = 5_000
"""Rows that one sweep takes on. Where more are due, a sweep of the whole table hands over to sweeps of a part each."""
PART = 2
"""Shards of the index that a sweep of a part takes."""


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
    deferred: int
    """Rows that a service would not take just now."""
    left: int
    """Due rows that there was no time for."""
    buried: int
    """Rows that could not be read."""
    handed_over: bool = False
    """Whether the backlog was too large for one, and sweeps of a part each were started instead."""
    held: int = 0
    """Circuits that are held: their channels are broken."""
    open: int = 0
    """Circuits that are open: their destinations hang."""


async def sweep(
    lease: Lease,
    store: Store,
    deliver: Callable[[Fetched], Awaitable[Tally]],
    *,
    shards: Sequence[int],
    hand_over: Callable[[Sequence[int]], None] | None,
    look_after: Callable[[datetime], Sequence[Circuit]] = lambda _now: (),
    now: datetime,
    seconds: float,
) -> Swept | None:
    """Deliver what is due in `shards`, or do nothing (and return None) while another sweep is at it.

    All due rows are read before the first is sent: an error in reading (ClientError) sends nothing. `hand_over` starts
    a sweep of some shards; a sweep of a part has none, takes what it can, and leaves the rest to the next tick.
    `look_after` starts a drain of each circuit that is to be looked at, and gives those that are known.
    """
    if not lease.take(now, now + timedelta(seconds=seconds)):
        return None
    try:
        states = Counter(circuit.state for circuit in look_after(now))
        hints = store.due(now, LIMIT + 1, shards)
        oldest_due_age = _age(hints[0].at, now) if hints else 0.0
        if hand_over and len(hints) > LIMIT:
            for first in range(0, len(shards), PART):
                hand_over(shards[first : first + PART])
            return Swept(
                backlog=len(hints),
                oldest_due_age=oldest_due_age,
                oldest_pending_age=0.0,
                settled=0,
                deferred=0,
                left=0,
                buried=0,
                handed_over=True,
                held=states[State.HELD],
                open=states[State.OPEN],
            )
        hints = hints[:LIMIT]
        fetched = store.fetch([hint.id for hint in hints])
        due = tuple(row for row in fetched.rows if _is_due(row, now))
        tally = await deliver(Fetched(due, fetched.malformed))
    finally:
        lease.release()
    return Swept(
        backlog=len(hints),
        oldest_due_age=oldest_due_age,
        oldest_pending_age=max((_age(row.created_at, now) for row in due if row.status is Status.PENDING), default=0.0),
        settled=tally.events[Event.SETTLED],
        deferred=tally.events[Event.DEFERRED],
        left=len(tally.left),
        buried=tally.events[Event.BURIED],
        held=states[State.HELD],
        open=states[State.OPEN],
    )


def _is_due(row: Notification, now: datetime) -> bool:
    """Tell what is due from what the index only remembers as due."""
    return row.due_at is not None and row.due_at <= now


def _age(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
