"""The invariants I1 to I8 and conservation (faults.md), after every step of histories that Hypothesis makes up.

Workers sweep, crash, overtake each other, meet throttling, lost answers, stale reads and stale index entries; their
clocks differ; operators requeue, acknowledge and supersede in between. In the end all faults stop: every row must end.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Thread
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.engine import Watch, a_worker
from tests.support.fake_table import FakeTable
from tests.support.rows import ACCEPTED, NO_CHANNEL, NOW, POLICY, REFUSED, REJECTED, SILENT, a_row, an_id
from tests.support.virtual_time import run
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification, Outcome, Status
from tocsin.delivery.record import Event, Tally
from tocsin.delivery.send import Delivery
from tocsin.delivery.store import Change, Due, Fetched, Write
from tocsin.delivery.sweep import sweep
from tocsin.errors import ConflictError, TransitionRefusedError
from tocsin.storage.notifications.item import SHARDS, salvage

S = Status
ALLOWED = {
    *((before, after) for before in (S.PENDING, S.FAILED) for after in (S.SENT, S.FAILED, S.DEAD, S.SUPERSEDED)),
    *((status, status) for status in (S.PENDING, S.FAILED)),  # a claim
    (S.DEAD, S.PENDING),
    (S.DEAD, S.READ),
    (S.DEAD, S.SUPERSEDED),
    (S.SENT, S.READ),
}
SCRIPTS = [
    [],
    ["overtaken"],  # between reading and claiming
    ["fine", "overtaken"],  # between sending and recording
    ["crash after"],  # between claiming and sending
    ["fine", "crash before"],  # between sending and recording
    ["fine", *["throttled"] * 4],  # recorded by nobody
]
ANSWERS: dict[str, SendResult] = {
    "down": REFUSED,
    "gone": REJECTED,
    "not configured": NO_CHANNEL,
    "silent": SILENT,
    "silent, but has it": SILENT,
}
MISHAPS = ["fine", "throttled", "half throttled", "answer lost", "crash before", "crash after", "overtaken"]


def is_death(change: Change) -> bool:
    """Tell whether it makes its row a dead letter."""
    return change.after.status is Status.DEAD and change.before.status is not Status.DEAD


class CrashError(BaseException):
    """The worker's process ends: nothing that it has in hand happens any more."""


class Ledger(FakeTable):
    """The table; it lets no transition pass that the contract does not know, and counts deaths and lives."""

    def __init__(self) -> None:
        super().__init__()
        self.deaths = 0
        self.lives: Counter[str] = Counter()

    def _write(self, change: Change, after: dict[str, Any]) -> Write:
        verdict = super()._write(change, after)
        if verdict is Write.DONE:
            assert (change.before.status, change.after.status) in ALLOWED
            self.deaths += is_death(change)
            self.lives[change.before.id] += (change.before.status, change.after.status) == (S.DEAD, S.PENDING)
        return verdict


class OneWorkersView:
    """The table as one worker meets it: each write has the next mishap, and reads may be old."""

    def __init__(
        self, table: Ledger, mishaps: Sequence[str], meanwhile: Callable[[], None], old: dict[str, Any] | None
    ) -> None:
        self.table = table
        self.mishaps = list(mishaps)
        self.meanwhile = meanwhile
        self.old = old
        self.is_dead = False
        self.deaths_unheard_of = 0

    def write(self, changes: Sequence[Change]) -> list[Write]:
        if self.is_dead:
            raise CrashError
        match self.mishaps.pop(0) if self.mishaps else "fine":
            case "throttled":
                return [Write.UNAVAILABLE] * len(changes)
            case "half throttled":
                return [
                    Write.UNAVAILABLE if number % 2 else self.table.write([change])[0]
                    for number, change in enumerate(changes)
                ]
            case "answer lost":
                self._write_unheard_of(changes)
                return [Write.UNAVAILABLE] * len(changes)
            case "crash before":
                self.is_dead = True
                raise CrashError
            case "crash after":
                self.is_dead = True
                self._write_unheard_of(changes)
                raise CrashError
            case "overtaken":
                other = Thread(target=self.meanwhile)
                other.start()
                other.join()
        return self.table.write(changes)

    def _write_unheard_of(self, changes: Sequence[Change]) -> None:
        before = self.table.deaths
        self.table.write(changes)
        self.deaths_unheard_of += self.table.deaths - before

    def write_status(self, change: Change) -> Write:
        return self.table.write_status(change)

    def holds(self, change: Change) -> bool:
        return self.table.holds(change)

    def due(self, now: datetime, limit: int, shards: Sequence[int]) -> list[Due]:
        if self.old is None:
            return self.table.due(now, limit, shards)
        stale = FakeTable()  # what the index still remembers, twice and in disorder, and a ghost
        stale.items = self.old
        hints = stale.due(now, limit, shards)
        return [*self.table.due(now, limit, shards), *reversed(hints), Due(NOW, "ghost")]

    def fetch(self, ids: Sequence[str]) -> Fetched:
        read = FakeTable()
        read.items = self.table.items if self.old is None else self.table.items | self.old
        return read.fetch(ids)


class World:
    """The receivers: what they answer, and what they have."""

    def __init__(self, table: Ledger) -> None:
        self.table = table
        self.has: set[str] = set()
        self.taken: Counter[str] = Counter()
        self.violations: list[str] = []
        self.attempted: dict[tuple[str, int], list[int]] = defaultdict(list)

    def answer(self, row: Notification) -> SendResult:
        life = self.attempted[row.id, self.table.lives[row.id]]
        if row.retry_count in life:  # not asserted here: delivery takes what a channel raises for the channel's defect
            self.violations.append(f"{row.id}: two sends of attempt {row.retry_count}")
        life.append(row.retry_count)
        if row.recipient == "broken":
            raise KeyError
        result = ANSWERS.get(row.recipient, ACCEPTED)
        if row.recipient == "recovering" and row.retry_count < 2:
            result = REFUSED
        if result is ACCEPTED or row.recipient == "silent, but has it":
            self.has.add(row.id)
        self.taken[row.id] += result is ACCEPTED
        return result


WELL = ("well", "recovering")
RECIPIENTS = [*WELL, *WELL, *ANSWERS, "broken"]


class Free:
    def take(self, now: datetime, until: datetime) -> bool:
        return True

    def release(self) -> None:
        pass


class Engine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.table = Ledger()
        self.world = World(self.table)
        self.accepted: list[str] = []
        self.old: dict[str, Any] = {}
        self.deaths_counted = 0
        self.deaths_unheard_of = 0
        self.unrecorded: Counter[str] = Counter()

    @rule(recipients=st.lists(st.sampled_from(RECIPIENTS), min_size=1, max_size=6))
    def accept(self, recipients: list[str]) -> None:
        for recipient in recipients:
            id_ = an_id(len(self.accepted) + 1)  # the same in each replay
            row = a_row(id=id_, created_at=self.now - POLICY.pending_grace, recipient=recipient)
            self.table.insert(row)
            self.accepted.append(row.id)

    @precondition(lambda self: self.accepted)
    @rule(
        seconds=st.sampled_from([0, 0, 61, 121, 450, 3600]),
        mishaps=st.sampled_from(SCRIPTS) | st.lists(st.sampled_from(MISHAPS), max_size=5),
        skew=st.sampled_from([-300, 0, 0, 0, 300]),
        of_the_other=st.sampled_from([-300, 0, 300, 600]),
        is_stale=st.booleans(),
        meanwhile=st.sampled_from(["sweep", "sweep", "requeue", "acknowledge", "supersede"]),
    )
    def worker(
        self, seconds: int, mishaps: list[str], skew: int, of_the_other: int, is_stale: bool, meanwhile: str
    ) -> None:
        def other() -> None:
            if meanwhile == "sweep":
                self._sweep([], of_the_other, None, lambda: None)
            else:
                self._operate(meanwhile)

        self.now += timedelta(seconds=seconds)
        before = {id_: dict(item) for id_, item in self.table.items.items()}
        self._sweep(mishaps, skew, self.old if is_stale else None, other)
        self.old = before

    @precondition(lambda self: self.accepted)
    @rule(action=st.sampled_from(["requeue", "acknowledge", "supersede"]))
    def operator(self, action: str) -> None:
        self._operate(action)

    def _operate(self, action: str) -> None:
        for id_ in self.accepted[::2]:
            row = self.table.get(id_)
            try:
                match action:
                    case "requeue":
                        after = row.requeued(self.now, POLICY)
                    case "acknowledge":
                        after = row.acknowledged(self.now)
                    case _:
                        after = row.superseded("renewed", self.now)
                self.table.replace(Change(row, after))
            except (TransitionRefusedError, ConflictError):
                continue

    def _sweep(
        self, mishaps: Sequence[str], skew: float, old: dict[str, Any] | None, meanwhile: Callable[[], None]
    ) -> None:
        self.now += timedelta(milliseconds=1)
        clock = self.now + timedelta(seconds=skew)
        view = OneWorkersView(self.table, mishaps, meanwhile, old)
        watch = Watch()
        sent: list[str] = []

        class Sender:
            def destination(self, notification: Notification) -> str:
                return notification.recipient

            async def send(sender, notification: Notification) -> SendResult:  # noqa: N805 - self is the machine
                if view.is_dead:
                    raise CrashError
                result = self.world.answer(notification)
                if result is ACCEPTED:
                    sent.append(notification.id)
                return result

        async def deliver(found: Fetched) -> Tally:
            delivery = Delivery(view, Sender(), POLICY, a_worker(lambda: clock), watch)
            return await delivery.run(found.rows, found.malformed)

        work = sweep(Free(), view, deliver, shards=range(SHARDS), hand_over=None, now=clock, seconds=100)
        try:
            run(work)
        except CrashError:
            assert view.is_dead
        self._account(watch, sent, view)

    def _account(self, watch: Watch, sent: list[str], view: OneWorkersView) -> None:
        settled = [change for event, change in watch.changes if event is Event.SETTLED]
        self.deaths_counted += sum(map(is_death, settled))
        self.deaths_unheard_of += view.deaths_unheard_of
        recorded = {change.after.id for change in settled if change.after.status is Status.SENT}
        self.unrecorded.update(set(sent) - recorded)

    @invariant()
    def all_that_must_always_hold(self) -> None:
        assert self.world.violations == []
        assert set(self.accepted) == self.table.items.keys(), "I1: no row disappears; conservation"
        assert all(len(sends) <= 5 for sends in self.world.attempted.values()), "I3: never more than the budget"
        for copies, id_ in ((copies, id_) for id_, copies in self.world.taken.items()):
            assert copies - 1 <= self.unrecorded[id_], "I5: at most a copy for each crash between send and record"
        for id_, item in self.table.items.items():
            self._check_row(salvage(item), item, id_ in self.world.has)
        unheard = self.deaths_unheard_of
        assert self.table.deaths - unheard <= self.deaths_counted <= self.table.deaths, "I7: the dead are counted"

    def _check_row(self, row: Notification, item: dict[str, Any], arrived: bool) -> None:
        numbers = [attempt.number for attempt in row.attempts]
        in_order = all(after in (1, before + 1) for before, after in pairwise(numbers))
        assert in_order, "I3: counted in order, from 1 in each life"
        assert max(numbers, default=0) <= 5, "I3: never more than the budget"
        assert row.outcome is not Outcome.DELIVERED or arrived, "I4: delivered means that the receiver had it"
        assert ("due_shard" in item, "next_retry_at" in item) == (row.is_owed,) * 2, "I6: due while it is owed"
        assert ("dead_shard" in item) == (row.status is Status.DEAD), "I6: dead while it is dead"

    def teardown(self) -> None:
        """I2: without further faults every row ends, within the time that the settings give. I8: well ones arrive."""
        troubled = {id_ for id_ in self.accepted if self.table.get(id_).status in (S.DEAD, S.SUPERSEDED, S.READ)}
        for _ in range(7):  # five attempts, a claim that has to run out, and one to see that nothing is left
            self.now += timedelta(hours=1)
            self._sweep([], 0, None, lambda: None)
        for id_ in self.accepted:
            row = self.table.get(id_)
            assert row.status not in (Status.PENDING, Status.FAILED)
            if row.recipient in WELL and id_ not in troubled and row.status is not S.SENT:
                assert len(row.attempts) >= 5, "only attempts that were lost to faults can have cost it its life"
        self.all_that_must_always_hold()


TestEngine = Engine.TestCase
TestEngine.settings = settings(
    max_examples=50, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
