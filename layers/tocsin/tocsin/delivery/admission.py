"""Which of a run's rows may go now, and what becomes of the others: put off, in batches, with no attempt spent.

It stands between one run of one worker and the gate, which knows the circuits. Where these can't be read or written,
everything goes: what is known of a destination saves work, and is never a reason to lose some.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from tocsin.delivery.attempt import Broken, Refused, SendResult, Throttled
from tocsin.delivery.backlog import Start
from tocsin.delivery.circuit import HELD_LOOK, Circuit, Terms
from tocsin.delivery.fallback import stand_in
from tocsin.delivery.gate import Drain, Gate, Permit
from tocsin.delivery.notification import DeliveryPolicy, Notification
from tocsin.delivery.store import Change

UNPROVEN, PROVEN = 3, 12
"""Rows in flight at once to a destination at the start of a run: so a hung one costs a few attempts, not a hundred."""

_log = logging.getLogger(__name__)


class Destinations(Protocol):
    """The channels, as far as they say where rows go."""

    def destination(self, notification: Notification) -> str:
        """Name the circuit of a row."""

    async def terms(self, notification: Notification) -> Terms:
        """Say on what terms its destination is sent to."""


@dataclass(slots=True)
class Admission:
    """See the module; one for each run."""

    gate: Gate
    channels: Destinations
    policy: DeliveryPolicy
    clock: Callable[[], datetime]
    waits: bool
    """Whether the run waits for its turn at destinations that take so many a minute."""
    drain: Drain | None = None
    changed: Callable[[Circuit], None] = lambda _circuit: None
    """Hears of each circuit that this run opens, holds or closes."""
    deferred: list[Change] = field(default_factory=list)
    """What is put off, and not yet taken by the run."""
    _terms: dict[str, Terms] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def enter(self, rows: Sequence[Notification]) -> list[Notification]:
        """Give the rows that may go, in their order; the others are put off, but for those that waited anyway."""
        groups: dict[str, list[Notification]] = {}
        for row in rows:
            groups.setdefault(self.channels.destination(row), []).append(row)
        firsts = [group[0] for group in groups.values()]
        self._terms = dict(zip(groups, await asyncio.gather(*map(self._terms_for, firsts)), strict=True))
        permits = await self._permits({name: len(group) for name, group in groups.items()})
        may_go: set[str] = set()
        for name, group in groups.items():
            count = permits[name].count
            may_go.update(row.id for row in group[:count])
            permit = permits[name]
            late = [row for row in group if self._is_too_late(row)] if self._asks(name) else group[count:]
            self.deferred += self._fallen_back(name, [row for row in group if row not in late])
            if self._asks(name) or not self._is_drain_of(name):
                self.deferred += [self._deferral(row, name, permit.reason, permit.until) for row in late]
        may_go -= {change.before.id for change in self.deferred}
        return [row for row in rows if row.id in may_go]

    def terms_of(self, row: Notification) -> Terms:
        """Say on what terms a row of this run is sent."""
        return self._terms.get(self.channels.destination(row), Terms())

    def starts(self) -> dict[str, Start]:
        """Say how each destination begins."""
        return {name: self._start(name) for name in self._terms}

    async def learn(self, name: str, result: SendResult) -> bool:
        """Take the result of an attempt; tell whether the destination is still to be sent to."""
        if not self.gate.has(name):
            return True
        asks = self._asks(name)
        if self.gate.learn(name, result, self.clock(), asks=asks):
            async with self._lock:
                if not await self._kept(lambda: self.gate.save(name)):
                    self.gate.forget(name)
                else:
                    self.changed(self.gate.knows(name))
        return not self.gate.has(name) or self.gate.knows(name).is_closed

    def asks(self, name: str) -> bool:
        """Tell whether an attempt that begins now asks whether a circuit is well again."""
        return self._asks(name)

    def put_off(self, row: Notification, name: str, reason: str) -> Change:
        """Put one row off, until its circuit is looked at again; where nobody would look, for a while."""
        now = self.clock()
        circuit = self.gate.knows(name) if self.gate.has(name) else None
        if circuit is None or not circuit.is_awaited(now):
            return Change(row, row.settled(Throttled(reason), started_at=now, now=now, policy=self.policy))
        return self._deferral(row, name, reason, circuit.look_at)

    def withdrawn(self, name: str, rows: Collection[Notification]) -> list[Change]:
        """Put off rows that a run has not started. Those that it drains wait anyway, but for what it holds."""
        if self._is_drain_of(name):
            rows = [row for row in rows if row.is_claimed(self.clock())]
        circuit = self.gate.knows(name)
        return [self._deferral(row, name, circuit.waits_for, circuit.look_at) for row in rows]

    async def leave(self) -> None:
        """Tell others what was seen."""
        await self._kept(self.gate.leave)

    async def _terms_for(self, row: Notification) -> Terms:
        try:
            return await self.channels.terms(row)
        except Exception:  # noqa: BLE001 - a bug met by one channel must not take the others' rows with it
            _log.exception("a channel crashed on its terms for notification %s", row.id)
            return Terms()

    async def _permits(self, wanted: dict[str, int]) -> dict[str, Permit]:
        try:
            return await asyncio.to_thread(self.gate.enter, wanted, self._terms, self.clock(), drain=self.drain)
        except Exception:  # noqa: BLE001 - the table is in trouble; what can be claimed all the same must not wait for it
            _log.exception("the circuits can't be read; everything goes")
            return {name: Permit(count) for name, count in wanted.items()}

    async def _kept(self, write: Callable[[], None]) -> bool:
        try:
            await asyncio.to_thread(write)
        except Exception:  # noqa: BLE001 - the table is in trouble; deliveries go on without
            _log.exception("a circuit can't be written")
            return False
        return True

    def _is_too_late(self, row: Notification) -> bool:
        """Tell whether a row has waited longer than it may: to put it off is to make a dead letter of it."""
        return self.clock() - row.updated_at >= self.policy.throttle_budget

    def _fallen_back(self, name: str, rows: Sequence[Notification]) -> list[Change]:
        """Give rows that wait too long for a circuit what stands in for them. They go on waiting, behind all others."""
        now, terms = self.clock(), self._terms[name]
        circuit = self.gate.knows(name) if self._asks(name) else None
        if circuit is None or circuit.since is None or now - circuit.since < terms.fallback_after:
            return []
        made = [(row, stand_in(row, terms.fallback, now, self.policy)) for row in rows]
        return [
            Change(row, replace(row, fell_back_to=new.id, due_at=row.updated_at + self.policy.throttle_budget), new)
            for row, new in made
            if new is not None
        ]

    def _start(self, name: str) -> Start:
        per_minute = self._terms[name].per_minute
        per_second = per_minute / 60 if per_minute and self.waits else 0.0
        if self._asks(name):
            return Start(1, per_second)
        return Start(PROVEN if self.gate.has(name) and self.gate.is_proven(name) else UNPROVEN, per_second)

    def _asks(self, name: str) -> bool:
        return self._is_drain_of(name) and self.gate.has(name) and not self.gate.knows(name).is_closed

    def _is_drain_of(self, name: str) -> bool:
        return self.drain is not None and self.drain.name == name

    def _deferral(self, row: Notification, name: str, reason: str, until: datetime | None) -> Change:
        """Put a row off. A claim that ran out is counted as an attempt in the same write."""
        now = self.clock()
        is_lost = row.claim_token is not None and not row.is_claimed(now)
        counted = row.abandoned(now, self.policy) if is_lost else row
        if not counted.is_owed:
            return Change(row, counted)
        return Change(row, counted.deferred(name, reason, until or now + HELD_LOOK, now, self.policy))


def is_no_attempt(result: SendResult, *, asked: bool) -> bool:
    """Tell whether a result is the circuit's affair: the channel is broken, or a circuit was asked in vain."""
    return isinstance(result, Broken) or (asked and isinstance(result, Refused) and result.hung)


def answered(result: SendResult) -> bool:
    """Tell whether a destination answered at all, whatever it said."""
    return not isinstance(result, Throttled | Broken) and not (isinstance(result, Refused) and result.hung)
