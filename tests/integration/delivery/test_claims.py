"""Contract 2.10 [T]: two workers can't send the same row at the same time, whatever comes between."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.database import Database, a_client
from tests.support.engine import Bench, Clock, FakeSender
from tests.support.faults import Fault, answer_lost, faulty, throttled
from tests.support.rows import ACCEPTED, NOW, POLICY, REFUSED, REJECTED, RETENTION, a_row, due_since, settled
from tests.support.sweeper import Sweeper
from tocsin.delivery.attempt import AttemptClass
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event
from tocsin.delivery.store import Change, Write
from tocsin.errors import ConflictError, TransitionRefusedError
from tocsin.storage.notifications.table import NotificationTable

CLAIM, RECORD = 0, 1
AFTER_THE_CLAIM = {"minutes": 10}


class Interrupted(NotificationTable):
    """Lets something happen just before one of its writes."""

    def __init__(self, database: Database, before_write: int, meanwhile: Callable[[], None]) -> None:
        super().__init__(database.client, database.name, RETENTION)
        self.left = before_write
        self.meanwhile = meanwhile

    def write(self, changes: Sequence[Change]) -> list[Write]:
        if self.left == 0:
            self.meanwhile()
        self.left -= 1
        return super().write(changes)


def interrupted(
    database: Database, before_write: int, rows: list[Notification], other: Bench
) -> tuple[Bench, list[str], list[str]]:
    """Let another worker do all its work before one write of the first; give what each of them sent."""
    mine, theirs = FakeSender(), FakeSender.always(REFUSED)
    table = Interrupted(database, before_write, lambda: _run(other.run(rows, theirs)))
    bench = Bench(table)
    _run(bench.run(rows, mine))
    return bench, mine.got, theirs.got


def _run(work: object) -> None:
    asyncio.run(work)  # type: ignore[arg-type]  # any coroutine


@pytest.fixture
def rows(database: Database) -> list[Notification]:
    made = [due_since(a_row(), NOW) for _ in range(4)]
    database.fill(made)
    return made


def test_whoever_claims_second_never_sends(database: Database, rows: list[Notification]) -> None:
    """Faults: a lost race on the claim."""
    bench, mine, theirs = interrupted(database, CLAIM, rows, Bench(database.table))
    assert (mine, sorted(theirs)) == ([], sorted(row.id for row in rows))
    assert bench.watch.events == {Event.CONTENDED: 4}
    assert {database.table.get(row.id).status for row in rows} == {Status.FAILED}


def test_whoever_comes_between_a_claim_and_its_record_never_sends(database: Database, rows: list[Notification]) -> None:
    other = Bench(database.table)
    bench, mine, theirs = interrupted(database, RECORD, [database.table.get(row.id) for row in rows], other)
    assert (sorted(mine), theirs) == (sorted(row.id for row in rows), [])
    assert other.watch.events == {Event.CONTENDED: 4}
    assert bench.watch.events == {Event.SETTLED: 4}


@pytest.mark.parametrize("skew", [{"minutes": 5}, {"minutes": -5}, {"minutes": 5, "seconds": 100}])
def test_clocks_may_differ_by_five_minutes(
    database: Database, rows: list[Notification], skew: dict[str, float]
) -> None:
    """Faults: no double send: the claim's margin is longer. (The worker itself has 100 s.)"""
    other = Bench(database.table, Clock())
    other.clock.forward(**skew)
    claimed: list[Notification] = []

    def meanwhile() -> None:
        claimed.extend(database.table.get(row.id) for row in rows)
        _run(other.run(claimed, theirs))

    mine, theirs = FakeSender(), FakeSender()
    bench = Bench(Interrupted(database, RECORD, meanwhile))
    _run(bench.run(rows, mine))
    assert all(row.claim_token for row in claimed)
    assert (sorted(mine.got), theirs.got) == (sorted(row.id for row in rows), [])
    assert {database.table.get(row.id).status for row in rows} == {Status.SENT}


async def test_a_clock_that_is_ahead_retries_no_earlier_than_it_is_ahead(database: Database) -> None:
    """Faults: no early retry beyond the skew."""
    database.table.insert(settled(a_row(), REFUSED))  # due in 60 s
    sender = FakeSender()
    ahead = Sweeper(database, sender, Clock(NOW + timedelta(seconds=59)))
    await ahead.sweep()
    assert sender.got == []
    ahead.clock.forward(seconds=1)
    await ahead.sweep()
    assert len(sender.got) == 1


async def test_a_clock_that_jumps_back_waits_and_sends_nothing_twice(
    database: Database, rows: list[Notification]
) -> None:
    sender = FakeSender.always(REFUSED)
    sweeper = Sweeper(database, sender)
    await sweeper.sweep()
    sweeper.clock.forward(minutes=-5)
    await sweeper.sweep()
    assert Counter(sender.got) == Counter(row.id for row in rows)
    sweeper.clock.forward(minutes=6)
    await sweeper.sweep()
    assert set(Counter(sender.got).values()) == {2}


def test_a_late_record_never_overwrites(database: Database, rows: list[Notification]) -> None:
    """Contract 2.10 [T]: its result is recorded only by the claim's holder; a lost claim is counted."""
    other = Bench(database.table)
    other.clock.forward(**AFTER_THE_CLAIM)
    refused = FakeSender.always(REFUSED)
    table = Interrupted(
        database, RECORD, lambda: _run(other.run([database.table.get(row.id) for row in rows], refused))
    )
    bench, mine = Bench(table), FakeSender()
    _run(bench.run(rows, mine))
    assert sorted(refused.got) == sorted(mine.got), "the claim had run out: a second copy, under the same id"
    assert bench.watch.events == {Event.CLAIM_LOST: 4}
    for row in rows:
        now = database.table.get(row.id)
        assert (now.status, now.retry_count) == (Status.FAILED, 2)
        assert [attempt.result for attempt in now.attempts] == [AttemptClass.UNKNOWN, AttemptClass.RETRYABLE]


@pytest.mark.parametrize("step", ["supersede", "die and be requeued"])
def test_an_operators_step_during_a_send_stands(database: Database, step: str) -> None:
    row = due_since(a_row(), NOW)
    database.table.insert(row)

    def meanwhile() -> None:
        now = database.table.get(row.id)
        if step == "supersede":
            return database.table.replace(Change(now, now.superseded("renewed", NOW)))
        dead = replace(settled(now, REJECTED, NOW + timedelta(seconds=1)), claim_token=None, claimed_until=None)
        database.table.replace(Change(now, dead))
        database.table.replace(Change(dead, dead.requeued(NOW + timedelta(seconds=2), POLICY)))
        return None

    bench, sender = Bench(Interrupted(database, RECORD, meanwhile)), FakeSender()
    _run(bench.run([row], sender))
    assert bench.watch.events == {Event.CLAIM_LOST: 1}
    now = database.table.get(row.id)
    assert now.status is (Status.SUPERSEDED if step == "supersede" else Status.PENDING)
    assert now.claim_token is None


def test_workers_that_start_at_the_same_instant_send_each_row_once(database: Database) -> None:
    rows = [due_since(a_row(recipient=f"https://{n % 9}.example.com"), NOW) for n in range(100)]
    database.fill(rows)
    senders = [FakeSender() for _ in range(4)]
    benches = [Bench(database.table) for _ in senders]
    together = Barrier(len(senders))

    def work(bench: Bench, sender: FakeSender) -> None:
        together.wait()
        _run(bench.run(rows, sender))

    threads = [Thread(target=work, args=pair) for pair in zip(benches, senders, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(id_ for sender in senders for id_ in sender.got) == Counter(row.id for row in rows)
    events = sum((bench.watch.events for bench in benches), Counter[Event]())
    assert events == {Event.SETTLED: 100, Event.CONTENDED: 300}


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore and the recorder try again at once."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)


THROTTLING = ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"]


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("code", THROTTLING)
@pytest.mark.parametrize("times", [1, 2, 3, 4])
async def test_a_throttled_claim_is_tried_again_or_left_due(
    database: Database, rows: list[Notification], code: str, times: int
) -> None:
    """Faults: throttling, n in a row: skip, the row stays due."""
    with (
        a_client(database.endpoint, attempts=3) as client,
        faulty(client, "BatchExecuteStatement", throttled(code), times=times),
    ):
        bench, sender = Bench(database.table_with(client)), FakeSender()
        tally = await bench.run(rows, sender)
    if times < 3:
        assert bench.watch.events == {Event.SETTLED: 4}
    else:
        assert (bench.watch.events, sender.got, len(tally.unclaimed)) == ({Event.UNCLAIMED: 4}, [], 4)
        assert database.indexed("due") == {row.id for row in rows}
        assert all(database.table.get(row.id) == row for row in rows)


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("times", [1, 3, 7, 10**9])
async def test_a_throttled_record_is_tried_again_or_the_claim_runs_out(
    database: Database, rows: list[Notification], times: int
) -> None:
    """Faults: throttling, n in a row: retry, else the claim runs out, and counts as an attempt."""
    with (
        a_client(database.endpoint, attempts=3) as client,
        faulty(client, "BatchExecuteStatement", throttled(), first=1, times=times),
    ):
        bench, sender = Bench(database.table_with(client)), FakeSender()
        await bench.run(rows, sender)
    if times < 12:  # 4 times 3
        assert bench.watch.events == {Event.SETTLED: 4}
        return
    assert bench.watch.events == {Event.UNRECORDED: 4}
    sweeper = Sweeper(database, sender)
    await sweeper.sweep()
    assert len(sender.got) == 4, "the claims still hold"
    sweeper.clock.forward(**AFTER_THE_CLAIM)
    await sweeper.sweep()
    assert set(Counter(sender.got).values()) == {2}, "a second copy, under the same id"
    for row in rows:
        now = database.table.get(row.id)
        assert (now.status, now.retry_count, now.attempts[0].result) == (Status.SENT, 1, AttemptClass.UNKNOWN)


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("write", [CLAIM, RECORD])
async def test_an_answer_that_is_lost_after_the_write_costs_at_most_an_attempt(
    database: Database, rows: list[Notification], write: int, attempts: int
) -> None:
    """The write was done; whether botocore tries again or not, nothing is sent twice and nothing is lost."""
    with (
        a_client(database.endpoint, attempts=attempts) as client,
        faulty(client, "BatchExecuteStatement", answer_lost(), first=write, times=1),
    ):
        bench, sender = Bench(database.table_with(client)), FakeSender()
        await bench.run(rows, sender)
    if write == RECORD:
        assert bench.watch.events == {Event.SETTLED: 4}
    sweeper = Sweeper(database, sender)
    for _ in range(3):
        await sweeper.sweep()
        sweeper.clock.forward(**AFTER_THE_CLAIM)
    assert Counter(sender.got) == Counter(row.id for row in rows)
    assert {database.table.get(row.id).status for row in rows} == {Status.SENT}


@pytest.mark.parametrize("fault", [throttled(), answer_lost()], ids=["throttled", "answer lost"])
@pytest.mark.parametrize("operation", ["PutItem", "Query", "BatchGetItem", "BatchExecuteStatement", "DeleteItem"])
async def test_a_fault_on_any_call_of_a_sweep_loses_nothing(
    database: Database, rows: list[Notification], operation: str, fault: Fault
) -> None:
    """Faults: throttling on each call. The next sweeps finish the work."""
    sender = FakeSender()
    with faulty(database.client, operation, fault, times=1), suppress(ClientError, BotoCoreError):
        await Sweeper(database, sender, holder="struck").sweep()  # it may fail, loudly
    for number in range(4):
        later = Sweeper(database, sender, Clock(NOW + timedelta(minutes=10 * (number + 1))), holder=f"later-{number}")
        await later.sweep()
    assert Counter(sender.got) == Counter(row.id for row in rows)
    assert {database.table.get(row.id).status for row in rows} == {Status.SENT}


def test_of_many_requeues_one_wins(database: Database) -> None:
    """Contract 2.7 [S]: one atomic write; the rest are refused by name."""
    dead = settled(a_row(), REJECTED)
    database.table.insert(dead)
    together, outcomes = Barrier(5), Counter[str]()

    def requeue(number: int) -> None:
        row = database.table.get(dead.id)
        together.wait()
        try:
            database.table.replace(Change(row, row.requeued(NOW + timedelta(microseconds=number), POLICY)))
        except (ConflictError, TransitionRefusedError) as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes["won"] += 1

    threads = [Thread(target=requeue, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"won": 1, "ConflictError": 4}
    with pytest.raises(TransitionRefusedError):
        database.table.get(dead.id).requeued(NOW, POLICY)


def test_a_requeue_by_what_was_read_in_an_earlier_life_is_refused(database: Database) -> None:
    """Requeued, claimed, even dead again since: what was read before is no longer there."""
    dead = settled(a_row(), REJECTED)
    database.table.insert(dead)
    requeued = dead.requeued(NOW + timedelta(seconds=1), POLICY)
    database.table.replace(Change(dead, requeued))
    stale = Change(dead, dead.requeued(NOW + timedelta(seconds=9), POLICY))
    claimed = requeued.claimed("mine", NOW + timedelta(minutes=9), NOW + timedelta(seconds=2))
    database.table.replace(Change(requeued, claimed))
    with pytest.raises(ConflictError):
        database.table.replace(stale)
    dead_again = settled(claimed, REJECTED, NOW + timedelta(seconds=3))
    database.table.replace(Change(claimed, dead_again))
    with pytest.raises(ConflictError):
        database.table.replace(stale)
    assert database.table.get(dead.id) == dead_again


@pytest.mark.parametrize("fault", [throttled(), answer_lost()], ids=["throttled", "answer lost"])
def test_a_requeue_whose_answer_is_lost_is_done_or_not_never_half(database: Database, fault: Fault) -> None:
    dead = settled(a_row(), REJECTED)
    database.table.insert(dead)
    requeued = dead.requeued(NOW, POLICY)
    with faulty(database.client, "UpdateItem", fault, times=1), pytest.raises((ClientError, BotoCoreError)):
        database.table.replace(Change(dead, requeued))
    assert database.table.get(dead.id) in (dead, requeued)


@pytest.mark.usefixtures("quick_retries")
def test_a_requeue_that_botocore_had_to_try_again_is_no_conflict(database: Database) -> None:
    """The first try was done, its answer lost: the second finds it done."""
    dead = settled(a_row(), REJECTED)
    database.table.insert(dead)
    requeued = dead.requeued(NOW + timedelta(seconds=1), POLICY)
    with a_client(database.endpoint, attempts=3) as client, faulty(client, "UpdateItem", answer_lost(), times=1):
        database.table_with(client).replace(Change(dead, requeued))
    assert database.table.get(dead.id) == requeued


async def test_a_new_life_is_delivered_like_the_first(database: Database) -> None:
    dead = settled(a_row(), REJECTED)
    database.table.insert(dead)
    database.table.replace(Change(dead, dead.requeued(NOW, POLICY)))
    sweeper = Sweeper(database, FakeSender.always(ACCEPTED))
    sweeper.clock.now = NOW + POLICY.pending_grace
    await sweeper.sweep()
    row = database.table.get(dead.id)
    assert (row.status, row.retry_count, len(row.attempts)) == (Status.SENT, 0, 2)
