"""The gate: how many rows may go to each destination now, by what this worker knows of its circuit. No clock, no wires.

One gate lives as long as its process. What it knows is shared through the circuits' store, sparingly: of a destination
it reads at most once a minute and writes at most once a minute, but for the moment in which it opens or closes one.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.delivery.attempt import Accepted, Broken, Delivered, Refused, SendResult
from tocsin.delivery.circuit import AT, HANGS, HELD_LOOK, Circuit, State, Terms

READ_EVERY = timedelta(seconds=60)
"""How long what was read of a circuit is believed."""
DELIVERED_EVERY, FAILED_EVERY = timedelta(minutes=5), timedelta(minutes=1)
"""How long a channel's latest delivery and failure are kept to oneself."""
SHARE = 4
"""A worker asks for this part of a minute's messages at once: others want some too."""
DRAIN_SHARE = 0.75
"""The part of a limit that what waits may take: new rows want some too."""
KNOWN = 1_000
"""Destinations that a gate remembers: those used longest ago go first."""
MINUTE = timedelta(minutes=1)
_TRIES = 3


class Circuits(Protocol):
    """Where circuits are kept. Methods block; they raise ClientError for what is not listed."""

    def read(self, names: Collection[str]) -> Mapping[str, Circuit]:
        """Read those that there are."""

    def write(self, after: Circuit) -> Circuit:
        """Write a step of the version that it was made of; give what is stored now, which another may have written."""

    def reserve(self, name: str, minute: datetime, count: int) -> int:
        """Add to the messages of a minute, and say how many there were before."""

    def note(self, circuit: Circuit) -> None:
        """Write the latest delivery and failure of a circuit, and nothing else of it."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What may go to one destination now."""

    count: int
    """Rows."""
    reason: str = ""
    """Why no more."""
    until: datetime | None = None
    """When the others are looked at again; null: all may go."""


@dataclass(frozen=True, slots=True)
class Drain:
    """A worker's errand: send what waits for one circuit, which it may ask although it is not closed."""

    name: str
    seconds: float
    """How long it has."""


@dataclass(slots=True)
class _View:
    """What this worker knows of one destination."""

    circuit: Circuit
    terms: Terms
    read_at: datetime
    hangs: int = 0
    """Attempts in a row that hung."""
    is_proven: bool = False
    """Whether it ever answered."""
    minute: datetime | None = None
    """The minute that `left` is of."""
    left: int = 0
    """Messages that this worker may still send in it."""
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""


@dataclass(slots=True)
class Gate:
    """See the module. Not for use from two threads at once."""

    circuits: Circuits
    _views: "OrderedDict[str, _View]" = field(default_factory=OrderedDict)
    _told: dict[str, Circuit] = field(default_factory=dict)
    """What others know of each channel's latest delivery and failure."""

    def enter(
        self, wanted: Mapping[str, int], terms: Mapping[str, Terms], now: datetime, *, drain: "Drain | None" = None
    ) -> dict[str, Permit]:
        """Say how many of the `wanted` rows may go to each destination; read and reserve what that takes."""
        draining = drain.name if drain else None
        self._read([name for name in wanted if self._is_stale(name, now) or name == draining], now)
        permits = {}
        for name, count in wanted.items():
            view = self._views[name]
            view.terms = terms[name]
            self._views.move_to_end(name)
            permits[name] = self._permit(view, count, now, drain if name == draining else None)
        while len(self._views) > KNOWN:
            self._views.popitem(last=False)
        return permits

    def knows(self, name: str) -> Circuit:
        """Give the circuit of a destination that was entered, as this worker knows it."""
        return self._views[name].circuit

    def has(self, name: str) -> bool:
        """Tell whether a destination was entered."""
        return name in self._views

    def is_proven(self, name: str) -> bool:
        """Tell whether the destination answered this worker, and did not hang since."""
        view = self._views[name]
        return view.is_proven and not view.hangs

    def learn(self, name: str, result: SendResult, now: datetime, *, asks: bool = False) -> bool:
        """Take the result of an attempt; tell whether the circuit changes by it, which `save` then writes.

        Of a circuit that is not closed only an attempt that `asks` whether it is well again says that it is not.
        """
        view = self._views[name]
        was = view.circuit
        match result:
            case Broken():
                view.failed_at, view.error = now, result.error
                if asks or was.state is not State.HELD:
                    view.circuit = was.held(result.error, now)
            case Refused(hung=True):
                view.hangs += 1
                view.failed_at, view.error = now, result.error
                if asks or (was.is_closed and view.hangs >= HANGS):
                    view.circuit = was.opened(result.error, now)
            case _:
                view.hangs, view.is_proven = 0, True
                self._answered(view, result, now)
        return view.circuit is not was

    def save(self, name: str) -> None:
        """Write the circuit of `name`, or learn what another worker wrote of it meanwhile."""
        view = self._views[name]
        mine = view.circuit
        stored = self._written(mine)
        if view.circuit is mine:
            view.circuit = stored

    def forget(self, name: str) -> None:
        """Take a circuit for closed: what was learned of it could not be written, so nobody would look at it."""
        self._views.pop(name, None)

    def leave(self) -> None:
        """Tell others, now and then, when each channel last delivered and failed."""
        news: dict[str, Circuit] = {}
        for name, view in self._views.items():
            channel = name.partition(AT)[0]
            told = news.get(channel) or self._told.get(channel) or self._known_of(channel)
            fresh = told
            if _is_news(view.delivered_at, told.delivered_at, DELIVERED_EVERY):
                fresh = replace(fresh, delivered_at=view.delivered_at)
            if _is_news(view.failed_at, told.failed_at, FAILED_EVERY):
                fresh = replace(fresh, failed_at=view.failed_at, last_error=view.error)
            if fresh is not told:
                news[channel] = fresh
        for channel, circuit in news.items():
            self.circuits.note(circuit)
            self._told[channel] = circuit

    def _written(self, mine: Circuit) -> Circuit:
        """Write a step that rows may wait for; where another was faster, take his unless nobody looks at it."""
        stored = self.circuits.write(mine)
        for _ in range(_TRIES):
            if stored == replace(mine, version=mine.version + 1) or stored.look_at is not None or mine.look_at is None:
                break
            mine = replace(mine, version=stored.version)
            stored = self.circuits.write(mine)
        return stored

    def _known_of(self, channel: str) -> Circuit:
        return self._views[channel].circuit if channel in self._views else Circuit(name=channel)

    def _answered(self, view: _View, result: SendResult, now: datetime) -> None:
        """Close a circuit whose destination answered, whatever it said."""
        if isinstance(result, Accepted | Delivered):
            view.delivered_at = now
        elif isinstance(result, Refused):
            view.failed_at, view.error = now, result.error
        if not view.circuit.is_closed:
            view.circuit = view.circuit.closed(now)

    def _is_stale(self, name: str, now: datetime) -> bool:
        return name not in self._views or now - self._views[name].read_at >= READ_EVERY

    def _read(self, names: Collection[str], now: datetime) -> None:
        found = self.circuits.read(names) if names else {}
        for name in names:
            circuit = found.get(name, Circuit(name=name))
            if name in self._views:
                self._views[name].circuit, self._views[name].read_at = circuit, now
            else:
                self._views[name] = _View(circuit, Terms(), now)

    def _permit(self, view: _View, wanted: int, now: datetime, drain: "Drain | None") -> Permit:
        circuit = view.circuit
        if not circuit.is_closed and drain is None:
            return Permit(0, circuit.waits_for, circuit.look_at or now + HELD_LOOK)
        if view.terms.per_minute is None:
            return Permit(wanted, "" if circuit.is_closed else circuit.waits_for, circuit.look_at)
        if drain:
            return Permit(min(wanted, self._drained(view, view.terms.per_minute, now, drain.seconds)))
        count = self._reserved(view, view.terms.per_minute, wanted, now)
        if count < wanted and not circuit.is_awaited(now):
            view.circuit = self._written(circuit.awaited(now))
        reason = f"{circuit.name} takes {view.terms.per_minute} messages a minute"
        return Permit(count, reason, now + MINUTE) if count < wanted else Permit(count)

    def _drained(self, view: _View, per_minute: int, now: datetime, seconds: float) -> int:
        """Take from the messages of the minutes that a drain lasts, but leave some of each to what is new."""
        end, count = now + timedelta(seconds=seconds), 0
        minute = now.replace(second=0, microsecond=0)
        while minute < end:
            within = (min(end, minute + MINUTE) - max(now, minute)) / MINUTE
            asked = max(1, int(per_minute * within * DRAIN_SHARE))
            before = self.circuits.reserve(view.circuit.name, minute, asked)
            count += max(0, min(asked, per_minute - before))
            minute += MINUTE
        return count

    def _reserved(self, view: _View, per_minute: int, wanted: int, now: datetime) -> int:
        """Take from this minute's messages: what is left of those that were reserved, or else a share of them, once."""
        minute = now.replace(second=0, microsecond=0)
        if view.minute != minute:
            asked = min(max(wanted, -(-per_minute // SHARE)), per_minute)
            before = self.circuits.reserve(view.circuit.name, minute, asked)
            view.minute, view.left = minute, max(0, min(asked, per_minute - before))
        taken = min(wanted, view.left)
        view.left -= taken
        return taken


def _is_news(at: datetime | None, known: datetime | None, every: timedelta) -> bool:
    return at is not None and (known is None or at - known >= every)
