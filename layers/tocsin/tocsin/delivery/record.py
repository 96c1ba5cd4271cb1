"""The end of the pipeline: results come in one by one and are written in batches; what became of each is counted.

put --> wait for a batch --> write --> count
|--> unavailable: again, eight times in all
|--> no room in the row: its state alone
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tocsin.delivery.backlog import Backlog
from tocsin.delivery.notification import Notification
from tocsin.delivery.store import BATCH, Change, Malformed, Store, Write

LINGER = 0.2
"""Seconds that a part-filled batch waits for more while something is in flight: fewer calls, still prompt."""
WRITERS = 4
"""Batches that are written at once: results come faster than one call after the other takes them."""
_TRIES = 8
_PAUSE = 0.05
"""Seconds before results are written again; twice as long each time: 6 in all, of the 8 that a worker keeps for it."""


class Event(StrEnum):
    """What can happen to a row in a run; each is counted, and reported as it happens."""

    SETTLED = "settled"
    """A result was recorded; the row after it says which."""
    BURIED = "buried"
    """A row that can't be read was made a dead letter."""
    CONTENDED = "contended"
    """Somebody else claimed it first; nothing was sent."""
    UNCLAIMED = "unclaimed"
    """The claim could not be written; the row stays due."""
    CLAIM_LOST = "claim_lost"
    """The result came after the claim had run out; nothing was overwritten."""
    DEFERRED = "deferred"
    """The service takes no more just now; the row comes back later, with no attempt spent."""
    UNRECORDED = "unrecorded"
    """The result could not be written; the row is due again, when its claim has run out and counted as an attempt."""


Observer = Callable[[Event, Change], None]


@dataclass(slots=True)
class Tally:
    """What a run did."""

    events: Counter[Event] = field(default_factory=Counter)
    left: list[Notification] = field(default_factory=list)
    """Rows that were not started because time ran out."""
    unclaimed: list[Notification] = field(default_factory=list)
    """Rows whose claim could not be written; they stay due."""


class Recording:
    """Writes the results of one run."""

    def __init__(self, store: Store, observe: Observer, backlog: Backlog) -> None:
        """Start to write what is `put`, within a running event loop, until `finish`; linger while more is in flight."""
        self.tally = Tally()
        self._store = store
        self._observe = observe
        self._backlog = backlog
        self._results: asyncio.Queue[Change] = asyncio.Queue()
        self._gathering = asyncio.Lock()
        self._writers = {asyncio.create_task(self._write_all()) for _ in range(WRITERS)}

    def put(self, result: Change) -> None:
        """Hand over a result."""
        self._results.put_nowait(result)

    async def finish(self) -> None:
        """Wait until all results are written; pass on what made a writer fail."""
        all_in = asyncio.create_task(self._results.join())
        done, _ = await asyncio.wait({all_in, *self._writers}, return_when=asyncio.FIRST_COMPLETED)
        for writer in self._writers:
            writer.cancel()
        all_in.cancel()
        for failed in done & self._writers:
            failed.result()

    async def bury(self, found: Collection[Malformed], now: datetime) -> None:
        """Make dead letters of rows that can't be read."""
        for one in found:
            change = Change(one.row, one.row.buried(one.reason, now))
            verdict = await asyncio.to_thread(self._store.write_status, change)
            if verdict is not Write.LOST:
                self.count(Event.BURIED if verdict is Write.DONE else Event.UNRECORDED, change)

    def count(self, event: Event, change: Change) -> None:
        """Count what happened to a row, and report it."""
        self.tally.events[event] += 1
        self._observe(event, change)

    async def _write_all(self) -> None:
        """Write results for ever, in batches; `finish` cancels it when all are in. One gathers while others write."""
        while True:
            async with self._gathering:
                batch = [await self._results.get()]
                await self._fill(batch)
            await self._write(batch)
            for _ in batch:
                self._results.task_done()

    async def _fill(self, batch: list[Change]) -> None:
        """Add results to `batch` until it is full, or nothing more comes soon."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LINGER
        while len(batch) < BATCH and (self._backlog.is_busy or not self._results.empty()):
            try:
                while len(batch) < BATCH:
                    batch.append(self._results.get_nowait())
            except asyncio.QueueEmpty:
                try:
                    batch.append(await asyncio.wait_for(self._results.get(), until - loop.time()))
                except TimeoutError:
                    return

    async def _write(self, changes: list[Change]) -> None:
        """Write results, again where the table was unavailable."""
        for number in range(_TRIES):
            verdicts = await asyncio.to_thread(self._store.write, changes)
            answered = list(zip(changes, verdicts, strict=True))
            for change, verdict in answered:
                await self._written(change, verdict)
            changes = [change for change, verdict in answered if verdict is Write.UNAVAILABLE]
            if not changes:
                return
            await asyncio.sleep(_PAUSE * 2**number)
        for change in changes:
            self.count(Event.UNRECORDED, change)

    async def _written(self, change: Change, verdict: Write) -> None:
        match verdict:
            case Write.DONE:
                self.count(_event_of(change), change)
            case Write.LOST:  # to another worker, or to our own write, which succeeded although its answer never came
                ours = await asyncio.to_thread(self._store.holds, change)
                lost = Event.CLAIM_LOST if change.before.claim_token else Event.CONTENDED
                self.count(_event_of(change) if ours else lost, change)
            case Write.REFUSED:
                bare = await asyncio.to_thread(self._store.write_status, change)
                self.count(Event.SETTLED if bare is Write.DONE else Event.UNRECORDED, change)
            case Write.UNAVAILABLE:
                pass  # `_write` tries again


def _event_of(change: Change) -> Event:
    """Name what a result did to its row: only one that was put off is held by a claim, of nobody."""
    return Event.DEFERRED if change.after.claimed_until else Event.SETTLED
