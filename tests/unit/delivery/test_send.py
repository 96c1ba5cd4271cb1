"""Contract 2.8 to 2.10, design 2: claim, send, record; by a clock that jumps, over a table in memory."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.support.engine import Bench, FakeSender
from tests.support.fake_table import FakeTable
from tests.support.rows import ACCEPTED, NOW, REFUSED, SILENT, a_row
from tests.support.virtual_time import run
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event, Tally
from tocsin.delivery.send import ATTEMPT_DEADLINE, STOP_BEFORE, Limits, NoLongerTrue, Retold, Verdict
from tocsin.delivery.store import BATCH, Change, Malformed, Write


@dataclass
class SlowSender:
    """Answers after as many seconds as the recipient's name says, and notes who is in flight, and when who was done."""

    in_flight: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    done_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    order: list[str] = field(default_factory=list)

    def destination(self, notification: Notification) -> str:
        return notification.recipient

    async def send(self, notification: Notification) -> SendResult:
        name, _, seconds = notification.recipient.partition(" ")
        self.order.append(notification.id)
        self.in_flight[name] += 1
        self.most[name] = max(self.most[name], self.in_flight[name])
        self.most_at_once = max(self.most_at_once, self.in_flight.total())
        await asyncio.sleep(float(seconds))
        self.in_flight[name] -= 1
        self.done_at[name].append(asyncio.get_running_loop().time())
        return SILENT if float(seconds) >= ATTEMPT_DEADLINE else ACCEPTED


class Scripted(FakeTable):
    """Answers each write as `verdict` says; what it leaves alone happens."""

    def __init__(self, verdict: Callable[[Change, int], Write | None]) -> None:
        super().__init__()
        self.verdict = verdict
        self.written: list[list[Change]] = []
        self.tries: Counter[tuple[str, bool]] = Counter()

    def write(self, changes: Sequence[Change]) -> list[Write]:
        self.written.append(list(changes))
        return [self._one(change) for change in changes]

    def _one(self, change: Change) -> Write:
        is_claim = change.after.claim_token is not None
        self.tries[change.before.id, is_claim] += 1
        scripted = self.verdict(change, self.tries[change.before.id, is_claim])
        return scripted or super().write([change])[0]


def deliver(table: FakeTable, rows: Sequence[Notification], sender: Any, **options: Any) -> tuple[Bench, Tally]:
    for row in rows:
        table.insert(row)
    bench = Bench(table, **{name: value for name, value in options.items() if name != "remaining"})
    given = {name: value for name, value in options.items() if name == "remaining"}
    return bench, run(bench.run(rows, sender, **given))


def rows_to(*recipients: str) -> list[Notification]:
    return [a_row(recipient=recipient) for recipient in recipients]


def test_healthy_rows_are_quick_beside_a_thousand_hung_ones() -> None:
    """Faults: healthy rows' p99 stays under 5 s beside 1,000 hung ones."""
    sender = SlowSender()
    rows = rows_to(*["hung 10"] * 1000, *[f"well-{n % 50} 0.05" for n in range(1000)])
    deliver(FakeTable(), rows, sender)
    healthy = sorted(at for name, times in sender.done_at.items() if name != "hung" for at in times)
    assert len(healthy) == 1000
    assert healthy[989] < 5
    assert len(sender.done_at["hung"]) == 1000


@pytest.mark.parametrize(("total", "cap", "at_once", "each"), [(40, 7, 40, 5), (100, 7, 56, 7), (512, 64, 240, 30)])
def test_no_more_are_in_flight_than_the_limits_say(total: int, cap: int, at_once: int, each: int) -> None:
    sender = SlowSender()
    rows = rows_to(*[f"{name} 1" for name in "abcdefgh" for _ in range(30)])
    deliver(FakeTable(), rows, sender, limits=Limits(total=total, per_destination=cap))
    assert (sender.most_at_once, max(sender.most.values())) == (at_once, each)


def test_the_oldest_of_each_destination_go_first() -> None:
    """Contract 2.5 [S]: oldest due first."""
    sender = SlowSender()
    rows = rows_to(*[f"{name} 0.1" for _ in range(40) for name in "ab"])
    deliver(FakeTable(), rows, sender, limits=Limits(total=10, per_destination=5))
    for name in "ab":
        mine = [row.id for row in rows if row.recipient.startswith(name)]
        assert [id_ for id_ in sender.order if id_ in mine] == mine


def test_a_sweep_takes_few_calls_and_never_more_than_a_batch() -> None:
    table = Scripted(lambda _change, _try: None)
    deliver(table, rows_to(*[f"{n % 20} 0.1" for n in range(500)]), SlowSender())
    sizes = [len(changes) for changes in table.written]
    assert max(sizes) == BATCH
    assert len(sizes) <= 2 * 500 / BATCH * 1.5


def test_when_time_runs_out_it_stops_claiming_and_records_what_is_claimed() -> None:
    """Contract 2.8 [S]: stops starting work, waits for what is in flight, records it; the rest stays due."""
    sender, table = SlowSender(), FakeTable()
    rows = rows_to(*["slow 3"] * 200)

    def remaining() -> float:
        return 40 - asyncio.get_running_loop().time()

    bench, tally = deliver(table, rows, sender, limits=Limits(total=20, per_destination=20), remaining=remaining)
    started = [row for row in rows if table.get(row.id).status is Status.SENT]
    assert len(tally.left) == len(rows) - len(started)
    assert 0 < len(started) < len(rows)
    assert bench.watch.events == {Event.SETTLED: len(started)}
    assert max(sender.done_at["slow"]) <= 40 - STOP_BEFORE + 3 + 0.5
    assert all(table.get(row.id) == row for row in tally.left), "unclaimed, unchanged, due"


def test_without_time_nothing_is_claimed() -> None:
    table = Scripted(lambda _change, _try: None)
    _bench, tally = deliver(table, rows_to("x 0"), SlowSender(), remaining=lambda: STOP_BEFORE)
    assert (len(tally.left), table.written) == (1, [])


def test_a_row_given_twice_is_claimed_by_what_was_read_last_and_sent_once() -> None:
    """Faults: repeated index entries, a stream record brought again. DynamoDB refuses a batch with an item twice."""
    table, sender = Scripted(lambda _change, _try: None), FakeSender()
    first, other = a_row(), a_row(recipient="elsewhere")
    again = replace(first, updated_at=NOW + timedelta(seconds=1))
    deliver(table, [first, other, again], sender)
    assert [[change.before.id for change in changes] for changes in table.written] == [[first.id, other.id]] * 2
    assert sender.got == [first.id, other.id]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PENDING, Status.FAILED}))
def test_what_is_owed_to_nobody_is_not_sent(status: Status) -> None:
    table, sender = Scripted(lambda _change, _try: None), FakeSender()
    deliver(table, [a_row(status=status)], sender)
    assert (sender.got, table.written) == ([], [])


def test_a_defect_of_a_channel_costs_its_own_row_an_attempt_and_no_other() -> None:
    """Contract 2.9 [S]; I8. What the defect said may hold a secret: only its kind is kept."""

    def answer(row: Notification) -> SendResult:
        if row.recipient == "broken":
            raise KeyError("secret")
        return ACCEPTED

    table, rows = FakeTable(), rows_to("broken", "well", "well")
    deliver(table, rows, FakeSender(answer))
    assert [table.get(row.id).status for row in rows] == [Status.FAILED, Status.SENT, Status.SENT]
    assert table.get(rows[0].id).last_error == "internal error: KeyError"


def test_a_channel_that_never_returns_costs_no_other_row_its_result() -> None:
    """I8: whatever is done is recorded while it hangs; Lambda ends the worker, and the claim runs out."""

    class Hanging(FakeSender):
        async def send(self, notification: Notification) -> SendResult:
            if notification.recipient == "hung":
                await asyncio.Event().wait()
            return await super().send(notification)

    table, rows = FakeTable(), rows_to("hung", *["well"] * 100)
    for row in rows:
        table.insert(row)

    async def until_the_end() -> None:
        async with asyncio.timeout(110):
            await Bench(table).run(rows, Hanging())

    with pytest.raises(TimeoutError):
        run(until_the_end())
    assert [table.get(row.id).status for row in rows] == [Status.PENDING] + [Status.SENT] * 100
    assert table.get(rows[0].id).claim_token is not None


@pytest.mark.parametrize("failing", list(product([False, True], repeat=4)), ids=lambda f: "".join("01"[x] for x in f))
@pytest.mark.parametrize("verdict", [Write.UNAVAILABLE, Write.LOST])
def test_every_subset_of_a_batch_of_claims_may_fail(failing: tuple[bool, ...], verdict: Write) -> None:
    """Faults: a batch of which some statements fail. Those are not sent and stay due; the others are not touched."""
    rows = rows_to(*"abcd")
    broken = {row.id for row, fails in zip(rows, failing, strict=True) if fails}
    table = Scripted(lambda change, _try: verdict if change.before.id in broken else None)
    sender = FakeSender()
    bench, tally = deliver(table, rows, sender)
    assert set(sender.got) == {row.id for row in rows} - broken
    assert {row.id for row in tally.unclaimed} == (broken if verdict is Write.UNAVAILABLE else set())
    expected = Event.UNCLAIMED if verdict is Write.UNAVAILABLE else Event.CONTENDED
    assert bench.watch.events == +Counter({expected: len(broken), Event.SETTLED: 4 - len(broken)})
    assert all(table.get(row.id) == row for row in rows if row.id in broken)


@pytest.mark.parametrize("failing", list(product([False, True], repeat=4)), ids=lambda f: "".join("01"[x] for x in f))
@pytest.mark.parametrize("times", [1, 3, 99])
def test_every_subset_of_a_batch_of_results_may_fail(failing: tuple[bool, ...], times: int) -> None:
    """Faults: only those that failed are written again; what never could be is counted, and its claim will run out."""
    rows = rows_to(*"abcd")
    broken = {row.id for row, fails in zip(rows, failing, strict=True) if fails}

    def verdict(change: Change, attempt: int) -> Write | None:
        is_result = change.before.claim_token is not None
        return Write.UNAVAILABLE if is_result and change.before.id in broken and attempt <= times else None

    table = Scripted(verdict)
    bench, _tally = deliver(table, rows, FakeSender())
    lost = len(broken) if times == 99 else 0
    assert bench.watch.events == +Counter({Event.SETTLED: 4 - lost, Event.UNRECORDED: lost})
    for row in rows:
        tries = table.tries[row.id, False]
        assert tries == (min(times + 1, 8) if row.id in broken else 1)
        assert (table.get(row.id).status is Status.SENT) == (row.id not in broken or times < 8)
    assert all(table.get(id_).claim_token for id_ in broken if times == 99)


def test_a_late_result_of_one_row_costs_no_other_row_its_own() -> None:
    """Contract 2.10 [T], I8: counted as lost, never written; the others are recorded."""
    rows = rows_to(*"abcd")
    table = Scripted(
        lambda change, _try: Write.LOST if change.before.claim_token and change.before.id == rows[0].id else None
    )
    bench, _tally = deliver(table, rows, FakeSender())
    assert bench.watch.events == {Event.SETTLED: 3, Event.CLAIM_LOST: 1}
    assert [table.get(row.id).status for row in rows] == [Status.PENDING] + [Status.SENT] * 3


def test_a_result_that_was_written_although_its_answer_never_came_is_no_lost_claim() -> None:
    """Faults: the answer of a write is lost, and it is written again: the guard fails because it succeeded."""

    class Deaf(Scripted):
        def _one(self, change: Change) -> Write:
            verdict = super()._one(change)
            is_first = self.tries[change.before.id, False] == 1 and change.after.claim_token is None
            return Write.UNAVAILABLE if is_first else verdict

    table, row = Deaf(lambda _change, _try: None), a_row()
    bench, _tally = deliver(table, [row], FakeSender.always(REFUSED))
    assert bench.watch.events == {Event.SETTLED: 1}
    assert table.get(row.id).retry_count == 1


def test_a_result_that_the_row_has_no_room_for_is_written_without_history() -> None:
    """Design 2.3: a status-only write still moves it on."""
    table = Scripted(lambda change, _try: Write.REFUSED if change.before.claim_token else None)
    bench, _tally = deliver(table, [row := a_row()], FakeSender.always(REFUSED))
    assert bench.watch.events == {Event.SETTLED: 1}
    assert (table.get(row.id).status, table.get(row.id).attempts) == (Status.FAILED, ())


def test_a_row_without_room_for_a_claim_is_dead_with_a_reason_and_not_sent() -> None:
    table, sender = Scripted(lambda _change, _try: Write.REFUSED), FakeSender()
    bench, _tally = deliver(table, [row := a_row()], sender)
    assert (sender.got, bench.watch.events) == ([], {Event.SETTLED: 1})
    assert (table.get(row.id).status, table.get(row.id).last_error) == (
        Status.DEAD,
        "the stored row is too large to be delivered",
    )


def test_what_is_in_flight_is_recorded_although_a_later_claim_crashes() -> None:
    def verdict(change: Change, _try: int) -> Write | None:
        if change.after.claim_token and change.before.message == "crash":
            raise RuntimeError("a defect of the store")
        return None

    table = Scripted(verdict)
    rows = [*rows_to(*["slow 1"] * 25), a_row(recipient="slow 1", message="crash")]
    with pytest.raises(RuntimeError):
        deliver(table, rows, SlowSender())
    assert [table.get(row.id).status for row in rows[:25]] == [Status.SENT] * 25


def test_a_claim_outlives_its_worker_by_the_margin() -> None:
    """Design 2.1: the worker's remaining time plus a margin that is longer than clocks differ."""
    table = Scripted(lambda _change, _try: None)
    bench, _tally = deliver(table, [a_row()], FakeSender(), remaining=lambda: 42.0)
    until = table.written[0][0].after.claimed_until
    assert until is not None
    assert (until - bench.clock.now).total_seconds() == 42 + 330


def test_a_claim_that_ran_out_is_counted_and_sent_again_in_one_go() -> None:
    """Contract 2.10 [T]."""
    table, sender = Scripted(lambda _change, _try: None), FakeSender()
    bench = Bench(table)
    lost = a_row().claimed("lost", bench.clock.now, bench.clock.now.replace(hour=0))
    table.insert(lost)
    run(bench.run([lost], sender))
    row = table.get(lost.id)
    assert (row.status, row.retry_count, [a.result.value for a in row.attempts]) == (
        Status.SENT,
        1,
        ["unknown", "delivered"],
    )
    assert len(table.written) == 2


def test_a_last_attempt_that_was_lost_is_dead_without_another_send() -> None:
    """Contract 2.2 [S]: no attempt beyond the budget."""
    table, sender = FakeTable(), FakeSender()
    bench = Bench(table)
    lost = replace(a_row(), status=Status.FAILED, retry_count=4).claimed(
        "lost", bench.clock.now, bench.clock.now.replace(hour=0)
    )
    table.insert(lost)
    run(bench.run([lost], sender))
    assert (sender.got, table.get(lost.id).status) == ([], Status.DEAD)
    assert bench.watch.events == {Event.SETTLED: 1}


def test_a_defect_of_the_store_met_while_results_are_written_is_not_swallowed() -> None:
    def verdict(change: Change, _try: int) -> Write | None:
        if change.before.claim_token:
            raise RuntimeError("a defect of the store")
        return None

    with pytest.raises(RuntimeError, match="a defect of the store"):
        deliver(Scripted(verdict), rows_to("slow 1", "slow 2"), SlowSender())


@pytest.mark.parametrize(
    ("verdict", "events"),
    [
        (Write.DONE, {Event.BURIED: 1}),
        (Write.LOST, {}),  # somebody else did it
        (Write.UNAVAILABLE, {Event.UNRECORDED: 1}),
        (Write.REFUSED, {Event.UNRECORDED: 1}),
    ],
)
def test_a_row_that_can_not_be_read_is_buried_once(verdict: Write, events: dict[Event, int]) -> None:
    """I7: dead is counted by whoever made it so."""

    class Answering(FakeTable):
        def write_status(self, change: Change) -> Write:
            assert change.after.status is Status.DEAD
            assert change.after.last_error == "message is missing"
            return verdict

    bench = Bench(Answering())
    run(bench.run([], FakeSender(), malformed=[Malformed(a_row(), "message is missing")]))
    assert bench.watch.events == events


def test_of_a_review_only_what_it_speaks_of_is_changed() -> None:
    """Contract 4.9 [T]: superseded, retold, or sent as it stands; what is about no certificate is not asked about."""
    stale, late, plain = a_row(), a_row(), a_row()
    other = a_row(certificate_id=None)
    asked: list[str] = []

    def review(rows: Sequence[Notification]) -> dict[str, Verdict]:
        asked.extend(row.id for row in rows)
        return {stale.id: NoLongerTrue("renewed"), late.id: Retold(replace(late, message="later"))}

    table, sender = FakeTable(), FakeSender()
    deliver(table, [stale, late, plain, other], sender, review=review)
    assert asked == [stale.id, late.id, plain.id]
    assert sender.got == [late.id, plain.id, other.id]
    assert (table.get(stale.id).status, table.get(stale.id).last_error) == (Status.SUPERSEDED, "renewed")
    assert (table.get(late.id).message, table.get(late.id).status) == ("later", Status.SENT)
