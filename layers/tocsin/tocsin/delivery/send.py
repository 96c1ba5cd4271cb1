"""The one way to send: claim, send, record. Whoever has rows to deliver, delivers them here.

    waiting rows --claim (25 a call)--> in flight --channel--> results --record (25 a call)--> done

At least once: a worker that dies between the send and the record leaves a claim that runs out, and the row is sent
again under the same id. Never twice at once: only the claim's holder sends, and only it can record.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tocsin.delivery.attempt import FailureClass, Refused, SendResult
from tocsin.delivery.backlog import Backlog
from tocsin.delivery.notification import DeliveryPolicy, Notification
from tocsin.delivery.store import BATCH, Change, Write

ATTEMPT_DEADLINE = 10.0
"""Seconds that one attempt may take, whatever the receiver does."""
STOP_BEFORE = ATTEMPT_DEADLINE + 8
"""Seconds before the end of a worker's time at which it claims no more: an attempt, its channel's configuration, and
time to record.
"""
_CLAIM_LINGER = 0.5
_RECORD_LINGER = 0.2
"""Seconds that a part-filled batch waits for more while something is in flight: fewer calls, still prompt."""
_RECORD_TRIES = 4


class Event(StrEnum):
    """What can happen to a row in a run; each is counted, and reported as it happens."""

    SETTLED = "settled"
    """A result was recorded; the row after it says which."""
    CONTENDED = "contended"
    """Somebody else claimed it first; nothing was sent."""
    UNCLAIMED = "unclaimed"
    """The claim could not be written; the row stays due."""
    CLAIM_LOST = "claim_lost"
    """The result came after the claim had run out; nothing was overwritten."""
    UNRECORDED = "unrecorded"
    """The result could not be written; the claim will run out and count as an attempt."""


Observer = Callable[[Event, Change], None]


class Store(Protocol):
    """What delivery needs of the table."""

    def write(self, changes: Sequence[Change]) -> list[Write]:
        """Write up to 25 guarded steps; answers in order."""
        ...

    def settle_bare(self, change: Change) -> Write:
        """Write a step that the row is too large for, without its history."""
        ...

    def holds(self, change: Change) -> bool:
        """Tell whether a row is as `change` made it; False where that can't be told."""
        ...


class Sender(Protocol):
    """What delivery needs of the channels."""

    def destination(self, notification: Notification) -> str:
        """Name whom a row goes to, for the cap on each destination."""
        ...

    async def send(self, notification: Notification) -> SendResult:
        """Try once, within the attempt's deadline."""
        ...


@dataclass(frozen=True, slots=True)
class NoLongerTrue:
    """What a row reports is true no more: it must not be sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retold:
    """What a row reports is true, in the words of `row`."""

    row: Notification


Verdict = NoLongerTrue | Retold
Review = Callable[[Sequence[Notification]], Mapping[str, Verdict]]
"""Asked of claimed rows, just before they are sent: a verdict by id; a row without one goes as it stands.

It blocks, and never raises: what can't be reviewed is sent.
"""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker gets from outside: its clock, its time, its dice."""

    clock: Callable[[], datetime]
    remaining: Callable[[], float]
    """Seconds until this worker is stopped."""
    dice: Callable[[], float]
    """A number in [0, 1)."""
    new_token: Callable[[], str]


@dataclass(slots=True)
class Tally:
    """What a run did."""

    events: Counter[Event] = field(default_factory=Counter)
    left: list[Notification] = field(default_factory=list)
    """Rows that were not started because time ran out."""
    unclaimed: list[Notification] = field(default_factory=list)
    """Rows whose claim could not be written; they stay due."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be in flight at once."""

    total: int = 512
    per_destination: int = 64


class Delivery:
    """One run of one worker over some rows."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        policy: DeliveryPolicy,
        worker: Worker,
        observe: Observer,
        *,
        review: Review | None = None,
        limits: Limits = Limits(),
    ) -> None:
        """Take the collaborators; nothing happens before `run`."""
        self._store = store
        self._sender = sender
        self._policy = policy
        self._worker = worker
        self._observe = observe
        self._review = review
        self._limits = limits
        self._tally = Tally()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._results: asyncio.Queue[Change] = asyncio.Queue()
        self._progress = asyncio.Event()

    async def run(self, rows: Iterable[Notification]) -> Tally:
        """Deliver what is due among `rows`, in their order for each destination; return when all is recorded."""
        now = self._worker.clock()
        latest = {row.id: row for row in rows}  # a batch of writes must not have one row twice
        due = [row for row in latest.values() if row.is_owed and not row.is_claimed(now)]
        backlog = Backlog(due, self._sender.destination, self._limits.total, self._limits.per_destination)
        recorder = asyncio.create_task(self._record_all(backlog))
        try:
            await self._start_all(backlog)
        finally:
            await self._drain(recorder)
        self._tally.left = backlog.waiting()
        return self._tally

    async def _drain(self, recorder: "asyncio.Task[None]") -> None:
        """Wait until all that is in flight is recorded; pass on what made the recorder fail."""
        await asyncio.gather(*self._in_flight)
        all_in = asyncio.create_task(self._results.join())
        await asyncio.wait({all_in, recorder}, return_when=asyncio.FIRST_COMPLETED)
        if recorder.done():
            all_in.cancel()
            recorder.result()
        recorder.cancel()

    async def _start_all(self, backlog: Backlog) -> None:
        """Claim and start rows as room appears, until none wait or the time is nearly up."""
        while backlog and self._worker.remaining() > STOP_BEFORE:
            await self._wait_for_room(backlog)
            await self._claim(backlog.take(BATCH), backlog)

    async def _wait_for_room(self, backlog: Backlog) -> None:
        """Wait until a whole batch can start, but not long: fewer calls are worth a little patience, no more."""
        try:
            async with asyncio.timeout(_CLAIM_LINGER):
                while backlog.is_busy and backlog.startable() < min(BATCH, len(backlog)):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return

    async def _claim(self, rows: list[Notification], backlog: Backlog) -> None:
        if not rows:
            return
        changes = [self._claiming(row) for row in rows]
        verdicts = await asyncio.to_thread(self._store.write, changes)
        claimed: list[Notification] = []
        for change, verdict in zip(changes, verdicts, strict=True):
            match verdict:
                case Write.DONE if change.after.is_owed:
                    claimed.append(change.after)
                    continue
                case Write.DONE:
                    self._count(Event.SETTLED, change)  # its last attempt was the one that a dead worker took
                case Write.LOST:
                    self._count(Event.CONTENDED, change)
                case Write.REFUSED:
                    await self._settle_unclaimable(change)
                case Write.UNAVAILABLE:
                    self._tally.unclaimed.append(change.before)
                    self._count(Event.UNCLAIMED, change)
            backlog.finish(change.before)
        await self._start_true(claimed, backlog)

    def _claiming(self, row: Notification) -> Change:
        """Decide the claim of `row`. A claim that ran out is counted as an attempt in the same write."""
        now = self._worker.clock()
        counted = row.abandoned(now, self._policy) if row.claim_token else row
        if not counted.is_owed:
            return Change(row, counted)
        until = now + timedelta(seconds=max(0, self._worker.remaining())) + self._policy.claim_margin
        return Change(row, counted.claimed(self._worker.new_token(), until, now))

    async def _settle_unclaimable(self, change: Change) -> None:
        """Move on a row that has no room even for a claim: it can't be sent safely, so it is a dead letter."""
        now = self._worker.clock()
        full = Refused(FailureClass.PERMANENT, "the stored row is too large to be delivered")
        await self._record_bare(
            Change(change.before, change.before.settled(full, started_at=now, now=now, policy=self._policy))
        )

    async def _start_true(self, rows: list[Notification], backlog: Backlog) -> None:
        """Send what is still true, in words that are; what is not is superseded."""
        verdicts = await asyncio.to_thread(self._review, rows) if rows and self._review else {}
        for row in rows:
            match verdicts.get(row.id):
                case NoLongerTrue(reason):
                    backlog.finish(row)
                    self._results.put_nowait(Change(row, row.superseded(reason, self._worker.clock())))
                case Retold(wording):
                    self._start(row, wording, backlog)
                case None:
                    self._start(row, row, backlog)

    def _start(self, row: Notification, wording: Notification, backlog: Backlog) -> None:
        task = asyncio.create_task(self._attempt(row, wording, backlog))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _attempt(self, row: Notification, wording: Notification, backlog: Backlog) -> None:
        """Send one row, as `wording` has it, and hand over the result."""
        started_at = self._worker.clock()
        result = await self._result(wording)
        backlog.finish(row)
        self._progress.set()
        settled = wording.settled(
            result, started_at=started_at, now=self._worker.clock(), policy=self._policy, dice=self._worker.dice()
        )
        self._results.put_nowait(Change(row, settled))

    async def _result(self, row: Notification) -> SendResult:
        try:
            return await self._sender.send(row)
        except Exception as bug:  # a bug met by one row must not take the others' results with it
            logging.getLogger(__name__).exception("a channel crashed on notification %s", row.id)
            return Refused(FailureClass.RETRYABLE, f"internal error: {type(bug).__name__}")

    async def _record_all(self, backlog: Backlog) -> None:
        """Record results for ever, in batches; `run` cancels it when all are in."""
        while True:
            batch = [await self._results.get()]
            await self._fill(batch, backlog)
            await self._record(batch)
            for _ in batch:
                self._results.task_done()

    async def _fill(self, batch: list[Change], backlog: Backlog) -> None:
        """Add results to `batch` until it is full, or nothing more comes soon."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _RECORD_LINGER
        while len(batch) < BATCH and (backlog.is_busy or not self._results.empty()):
            try:
                batch.append(await asyncio.wait_for(self._results.get(), until - loop.time()))
            except TimeoutError:
                return

    async def _record(self, changes: list[Change]) -> None:
        """Write results, again where the table was unavailable."""
        for pause in range(_RECORD_TRIES):
            verdicts = await asyncio.to_thread(self._store.write, changes)
            waiting = [
                change for change, verdict in zip(changes, verdicts, strict=True) if verdict is Write.UNAVAILABLE
            ]
            for change, verdict in zip(changes, verdicts, strict=True):
                await self._recorded(change, verdict)
            if not waiting:
                return
            changes = waiting
            await asyncio.sleep(0.05 * 2**pause)
        for change in changes:
            self._count(Event.UNRECORDED, change)

    async def _recorded(self, change: Change, verdict: Write) -> None:
        match verdict:
            case Write.DONE:
                self._count(Event.SETTLED, change)
            case Write.LOST:
                await self._count_lost(change)
            case Write.REFUSED:
                await self._record_bare(change)
            case Write.UNAVAILABLE:
                pass  # `_record` tries again

    async def _count_lost(self, change: Change) -> None:
        """Tell a claim that was lost from a write that succeeded although its answer never came."""
        ours = await asyncio.to_thread(self._store.holds, change)
        self._count(Event.SETTLED if ours else Event.CLAIM_LOST, change)

    async def _record_bare(self, change: Change) -> None:
        verdict = await asyncio.to_thread(self._store.settle_bare, change)
        self._count(Event.SETTLED if verdict is Write.DONE else Event.UNRECORDED, change)

    def _count(self, event: Event, change: Change) -> None:
        self._tally.events[event] += 1
        self._observe(event, change)
