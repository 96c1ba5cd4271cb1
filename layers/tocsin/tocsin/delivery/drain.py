"""The drain: one look at one circuit, and at the rows that wait for it. The caller logs and measures.

Each circuit is drained by a worker of its own, one at a time: so what waits for a hung or slow destination, however
much it is, takes nobody else's time. A circuit that is not closed lets one row through; if that is answered, the others
follow at its rate. Rows that have waited longer than the stack's budget are dead letters.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.delivery.circuit import LINGER, LONGEST_LOOK, Circuit
from tocsin.delivery.gate import Circuits, Drain
from tocsin.delivery.record import Event, Tally
from tocsin.delivery.store import Due, Fetched, Lease, Store

LIMIT = 5_000
"""Rows that one drain takes on; the next one is a minute or two away."""
ASKED = 1_000
"""Rows that are looked at of a circuit that is not closed: one to ask with, and those that wait no longer."""


class Waiting(Circuits, Protocol):
    """Where circuits are kept, and what waits for them."""

    def waiting(self, name: str, limit: int) -> list[Due]:
        """Give hints of up to `limit` rows that wait for a circuit, in the order in which they shall go."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain saw and did."""

    circuit: str
    state: str
    waiting: int
    """Rows that waited; counted up to LIMIT."""
    settled: int
    deferred: int


async def drain(
    lease: Lease,
    store: Store,
    circuits: Waiting,
    deliver: Callable[[Fetched, Drain], Awaitable[Tally]],
    name: str,
    *,
    now: datetime,
    seconds: float,
) -> Drained | None:
    """Look at a circuit once, or do nothing (and return None) while another worker does, or where it is too early."""
    if not lease.take(now, now + timedelta(seconds=seconds)):
        return None
    try:
        circuit = circuits.read([name]).get(name, Circuit(name=name))
        if not circuit.is_closed and circuit.look_at is not None and circuit.look_at > now:
            return None
        hints = circuits.waiting(name, LIMIT if circuit.is_closed else ASKED)
        if not hints:
            _rest(circuits, circuit, now)
            return Drained(name, circuit.state, 0, 0, 0)
        fetched = store.fetch([hint.id for hint in hints])
        waiting = Fetched(tuple(row for row in fetched.rows if row.deferred_by == name), fetched.malformed)
        tally = await deliver(waiting, Drain(name, seconds))
    finally:
        lease.release()
    return Drained(name, circuit.state, len(hints), tally.events[Event.SETTLED], tally.events[Event.DEFERRED])


def _rest(circuits: Circuits, circuit: Circuit, now: datetime) -> None:
    """Look at a circuit less often, or no more: nothing waits for it.

    One that closed is looked at for a while: a worker may still believe it to be open, and put a row off.
    """
    if circuit.is_closed and circuit.since is not None and now - circuit.since < LINGER:
        return
    if circuit.is_closed:
        circuits.write(circuit.forgotten())
    elif circuit.look_at is None or circuit.look_at <= now:
        circuits.write(replace(circuit, look_at=now + LONGEST_LOOK))


def due_first(circuits: Sequence[Circuit], now: datetime) -> list[Circuit]:
    """Give the circuits that somebody must look at by `now`, those that wait longest first."""
    due = [circuit for circuit in circuits if circuit.look_at is not None and circuit.look_at <= now]
    return sorted(due, key=lambda circuit: (circuit.look_at, circuit.name))
