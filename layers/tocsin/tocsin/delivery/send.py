"""The one way to send: claim, send, record. Whoever has rows to deliver, delivers them here.

    waiting rows --claim (25 a call)--> in flight --channel--> results --record (25 a call)--> done

At least once: a worker that dies between the send and the record leaves a claim that runs out, and the row is sent
again under the same id. Never twice at once: only the claim's holder sends, and only it can record.

Claiming and sending stand here, in the order of the picture; recording in `record`.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.delivery.admission import Admission, answered, is_no_attempt
from tocsin.delivery.attempt import Attempted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.backlog import Backlog
from tocsin.delivery.circuit import Terms
from tocsin.delivery.fallback import with_stand_in
from tocsin.delivery.notification import DeliveryPolicy, Notification, Outcome, Status
from tocsin.delivery.record import Event, Observer, Recording, Tally
from tocsin.delivery.store import BATCH, Change, Malformed, Store, Write

ATTEMPT_DEADLINE = 10.0
"""Seconds that one attempt may take, whatever the receiver does."""
STOP_BEFORE = ATTEMPT_DEADLINE + 8
"""Seconds before the end of a worker's time at which it claims no more: an attempt, its channel's configuration, and
time to record.
"""
LINGER = 0.5
"""Seconds that a claim waits for room for a whole batch: fewer calls are worth a little patience, no more."""


class Sender(Protocol):
    """The channels."""

    def destination(self, notification: Notification) -> str:
        """Name whom a row goes to, for the cap on each destination."""

    async def send(self, notification: Notification) -> SendResult:
        """Try once, within the attempt's deadline."""


@dataclass(frozen=True, slots=True)
class NoLongerTrue:
    """What a row reports is not so any more: it must not be sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retold:
    """The row in words that are true now."""

    row: Notification


@dataclass(frozen=True, slots=True)
class TooEarly:
    """It must not be sent yet: it is put off for a while, as if its service throttled, with no attempt spent."""

    reason: str


Verdict = NoLongerTrue | Retold | TooEarly
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


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be in flight at once."""

    total: int = 512
    per_destination: int = 4 * BATCH  # whole batches: a part of one would wait for room, and claim alone
    waits: bool = True
    """Whether to wait for destinations that throttle, as long as there is time; else their rows stay due."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A row that we have claimed, and that its service would not take just now."""

    row: Notification
    wording: Notification
    answer: Throttled


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
        admission: Admission | None = None,
    ) -> None:
        """Take the collaborators; nothing happens before `run`. Without an admission everything goes."""
        self._store = store
        self._sender = sender
        self._policy = policy
        self._worker = worker
        self._observe = observe
        self._review = review
        self._limits = limits
        self._admission = admission
        self._in_flight: set[asyncio.Task[None]] = set()
        self._held: dict[str, _Held] = {}
        self._progress = asyncio.Event()

    async def run(self, rows: Iterable[Notification], malformed: Collection[Malformed] = ()) -> Tally:
        """Deliver what is due among `rows`, in their order for each destination; return when all is recorded.

        Rows that can't be read become dead letters.
        """
        now = self._worker.clock()
        latest = {row.id: row for row in rows}  # a batch of writes must not have one row twice
        due = [row for row in latest.values() if row.is_free(now)]
        clock, limits, admission = asyncio.get_running_loop().time, self._limits, self._admission
        if admission:
            due = await admission.enter(due)
        starts = admission.starts() if admission else {}
        self._backlog = Backlog(
            due, self._sender.destination, clock, limits.total, limits.per_destination, starts=starts
        )
        self._recording = Recording(self._store, self._observe, self._backlog)
        try:
            if malformed:
                await self._recording.bury(malformed, now)
            for change in admission.deferred if admission else ():
                self._recording.put(self._ended(change))
            await self._start_all()
        finally:
            await asyncio.gather(*self._in_flight)
            for held in self._held.values():
                self._settle(held.row, held.wording, held.answer, self._worker.clock())
            await self._recording.finish()
            if admission:
                await admission.leave()
        if self._worker.remaining() <= STOP_BEFORE:
            self._recording.tally.left = [row for row in self._backlog.waiting() if row.id not in self._held]
        return self._recording.tally

    async def _start_all(self) -> None:
        """Claim and start rows as room appears, until none wait or the time is nearly up."""
        while self._backlog and self._worker.remaining() > STOP_BEFORE:
            await self._wait_for_room()
            rows = self._backlog.take(BATCH)
            held = {row.id: self._held.pop(row.id) for row in rows if row.id in self._held}
            for again in held.values():
                self._start(again.row, again.wording)
            if fresh := [row for row in rows if row.id not in held]:
                await self._send_true(await self._claim(fresh))
            if (
                self._backlog and not rows and not self._backlog.is_busy
            ):  # all that wait go to destinations that are not ready for more
                if not self._limits.waits:
                    return
                await asyncio.sleep(min(self._backlog.opens_in(), max(0.0, self._worker.remaining() - STOP_BEFORE)))
            if not self._backlog and self._limits.waits:
                await asyncio.gather(*self._in_flight)  # one of them may be put back

    async def _wait_for_room(self) -> None:
        """Wait until a whole batch can start, but not long."""
        try:
            async with asyncio.timeout(LINGER):
                while self._backlog.is_busy and self._backlog.startable() < min(BATCH, len(self._backlog)):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return

    # ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _claim(self, rows: list[Notification]) -> list[Notification]:
        """Claim rows, and give those that are ours."""
        claims = [self._claiming(row) for row in rows]
        verdicts = await asyncio.to_thread(self._store.write, claims)
        ours: list[Notification] = []
        for claim, verdict in zip(claims, verdicts, strict=True):
            if verdict is Write.DONE and claim.after.claim_token:
                ours.append(claim.after)
            else:
                self._backlog.finish(claim.before)
                self._pass_over(claim, verdict)
        return ours

    def _claiming(self, row: Notification) -> Change:
        """Decide the claim of `row`. A claim that ran out is counted as an attempt in the same write."""
        now = self._worker.clock()
        counted = row.abandoned(now, self._policy) if row.claim_token else row
        if counted.status is Status.DEAD:
            return self._ended(Change(row, counted))
        until = now + timedelta(seconds=max(0, self._worker.remaining())) + self._policy.claim_margin
        return Change(row, counted.claimed(self._worker.new_token(), until, now))

    def _pass_over(self, claim: Change, verdict: Write) -> None:
        """Count a row that this worker does not send."""
        match verdict:
            case Write.DONE:  # its last attempt was the one that a dead worker took
                self._recording.count(Event.SETTLED, claim)
            case Write.LOST:
                self._recording.count(Event.CONTENDED, claim)
            case Write.REFUSED:  # no room even for a claim: it can't be sent safely
                dead = claim.before.buried("the stored row is too large to be delivered", self._worker.clock())
                self._recording.put(Change(claim.before, dead))
            case Write.UNAVAILABLE:
                self._recording.tally.unclaimed.append(claim.before)
                self._recording.count(Event.UNCLAIMED, claim)

    # ── Send ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _send_true(self, rows: list[Notification]) -> None:
        """Send what is still true, in words that are; what is not is superseded."""
        about = [row for row in rows if row.stands_on_others]
        verdicts = await asyncio.to_thread(self._review, about) if about and self._review else {}
        for row in rows:
            match verdicts.get(row.id):
                case NoLongerTrue(reason):
                    self._backlog.finish(row)
                    self._recording.put(Change(row, row.superseded(reason, self._worker.clock())))
                case TooEarly(reason):
                    self._backlog.finish(row)
                    self._settle(row, row, Throttled(reason), self._worker.clock())
                case Retold(wording):
                    self._start(row, wording)
                case None:
                    self._start(row, row)

    def _start(self, row: Notification, wording: Notification) -> None:
        task = asyncio.create_task(self._attempt(row, wording))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _attempt(self, row: Notification, wording: Notification) -> None:
        """Send one row, as `wording` has it, and hand over the result."""
        started_at, name = self._worker.clock(), self._backlog.name_of(row)
        asks = self._admission is not None and self._admission.asks(name)
        result = await self._result(wording)
        goes_on = self._admission is None or await self._admission.learn(name, result)
        hung = isinstance(result, Refused) and result.hung
        self._backlog.finish(row, throttled=isinstance(result, Throttled), answered=answered(result), hung=hung)
        if self._admission and not goes_on:
            self._withdraw(name, self._admission)
        self._progress.set()
        if isinstance(result, Broken) and self._admission is None:
            result = Throttled(result.error)
        if self._admission and isinstance(result, Broken | Refused) and is_no_attempt(result, asked=asks):
            self._recording.put(self._ended(self._admission.put_off(row, name, result.error)))
        elif isinstance(result, Throttled) and self._limits.waits:  # it is ours, and may have its turn again
            self._held[row.id] = _Held(row, wording, result)
            self._backlog.put_back(row)
        elif not isinstance(result, Broken):
            self._settle(row, wording, result, started_at)

    def _withdraw(self, name: str, admission: Admission) -> None:
        """Put off what this run has not started of a destination that nothing goes to any more."""
        waiting = self._backlog.withdraw(name)
        for row in waiting:
            self._held.pop(row.id, None)
        for change in admission.withdrawn(name, waiting):
            self._recording.put(self._ended(change))

    def _settle(self, row: Notification, wording: Notification, result: Attempted, started_at: datetime) -> None:
        settled = wording.settled(
            result, started_at=started_at, now=self._worker.clock(), policy=self._policy, dice=self._worker.dice()
        )
        otherwise = self._terms(row).fallback
        if settled.outcome is Outcome.ACCEPTED and settled.fallback is None:
            settled = replace(settled, fallback=otherwise)  # a bounce may come, of whom nobody will ask the channel
        self._recording.put(self._ended(Change(row, settled)))

    def _ended(self, change: Change) -> Change:
        """Give a dead letter what stands in for it."""
        otherwise = self._terms(change.before).fallback
        return with_stand_in(change, otherwise, self._worker.clock(), self._policy)

    def _terms(self, row: Notification) -> Terms:
        return self._admission.terms_of(row) if self._admission else Terms()

    async def _result(self, row: Notification) -> SendResult:
        try:
            return await self._sender.send(row)
        except Exception as bug:  # a bug met by one row must not take the others' results with it
            logging.getLogger(__name__).exception("a channel crashed on notification %s", row.id)
            return Refused(FailureClass.RETRYABLE, f"internal error: {type(bug).__name__}")
