"""Contract 2.5, 2.8, 2.9: the sweep, on AWS's own engine."""

from collections import Counter
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from tests.support.database import Database, a_client, counted_calls
from tests.support.engine import FakeSender
from tests.support.faults import answer_lost, faulty, throttled
from tests.support.rows import ACCEPTED, NO_CHANNEL, NOW, POLICY, REFUSED, REJECTED, a_row, due_since
from tests.support.sweeper import Sweeper
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.send import STOP_BEFORE
from tocsin.delivery.sweep import Swept
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import SHARDS


async def test_a_thousand_due_rows_take_few_calls_and_are_each_sent_once(database: Database) -> None:
    """Design 2: batches are what makes a sweep fast. At most 150 calls for 1,000 rows."""
    rows = [due_since(a_row(recipient=f"https://{n % 40}.example.com"), NOW) for n in range(1000)]
    database.fill(rows)
    sender = FakeSender()
    with counted_calls(database.client) as calls:
        swept = await Sweeper(database, sender).sweep()
    assert swept == Swept(1000, 0.0, 0.0, settled=1000, deferred=0, left=0, buried=0)
    assert Counter(sender.got) == Counter(row.id for row in rows)
    assert calls.total() <= 150, calls


async def test_a_life_by_sweeps_to_the_second(database: Database) -> None:
    """Contract 2.2 [S]: due after 60, 120, 240 and 480 seconds, and not a second before; dead at the fifth."""
    database.table.insert(row := due_since(a_row(), NOW))
    sender = FakeSender.always(REFUSED)
    sweeper = Sweeper(database, sender)
    await sweeper.sweep()
    for attempts, wait in enumerate((60, 120, 240, 480), start=1):
        sweeper.clock.forward(seconds=wait - 1)
        await sweeper.sweep()
        assert len(sender.got) == attempts
        sweeper.clock.forward(seconds=1)
        await sweeper.sweep()
        assert len(sender.got) == attempts + 1
    dead = database.table.get(row.id)
    assert (dead.status, dead.retry_count, dead.last_error) == (Status.DEAD, 4, REFUSED.error)
    sweeper.clock.forward(days=30)
    await sweeper.sweep()
    assert len(sender.got) == 5


async def test_the_oldest_due_go_first_whatever_their_shard(database: Database) -> None:
    """Contract 2.5 [S]."""
    rows = [due_since(a_row(), NOW - timedelta(seconds=(n * 37) % 60)) for n in range(60)]
    database.fill(rows)
    sender = FakeSender()
    swept = await Sweeper(database, sender).sweep()
    assert sender.got == [row.id for row in sorted(rows, key=lambda row: (row.due_at, row.id))]
    assert swept is not None
    assert swept.oldest_due_age == 59


async def test_a_first_delivery_that_never_happened_is_taken_over(database: Database) -> None:
    """Contract 2.5 [T]: the message that should have started it was lost; within minutes."""
    lost, fresh = a_row(created_at=NOW - POLICY.pending_grace), a_row(created_at=NOW)
    database.fill([lost, fresh])
    sender = FakeSender()
    swept = await Sweeper(database, sender).sweep()
    assert sender.got == [lost.id]
    assert swept == Swept(1, 0.0, POLICY.pending_grace.total_seconds(), settled=1, deferred=0, left=0, buried=0)
    assert database.table.get(fresh.id) == fresh


async def test_one_rows_failure_stops_no_other(database: Database) -> None:
    """Contract 2.9 [S]."""
    answers: dict[str, SendResult] = {"well": ACCEPTED, "down": REFUSED, "gone": REJECTED, "none": NO_CHANNEL}
    rows = [due_since(a_row(recipient=name), NOW) for name in [*answers, "broken"] for _ in range(3)]
    database.fill(rows)
    await Sweeper(database, FakeSender(lambda row: answers[row.recipient])).sweep()
    found = [database.table.get(row.id).status for row in rows]
    expected = [Status.SENT, Status.FAILED, Status.DEAD, Status.SENT, Status.FAILED]
    assert found == [status for status in expected for _ in range(3)]


async def test_a_sweep_that_starts_while_another_runs_does_nothing_and_says_so(database: Database) -> None:
    """Contract 2.8 [S]."""
    database.table.insert(due_since(a_row(), NOW))
    second = Sweeper(database, FakeSender(), holder="sweep-2")
    seen: list[Swept | None] = []

    class Meanwhile(FakeSender):
        async def send(self, notification: Notification) -> SendResult:
            with counted_calls(database.client) as calls:
                seen.append(await second.sweep())
            assert calls == {"PutItem": 1}
            return await super().send(notification)

    first = Sweeper(database, Meanwhile())
    assert await first.sweep() is not None
    assert seen == [None]
    assert await second.sweep() is not None, "the first one gave its lease back"


async def test_the_lease_of_a_sweep_that_died_runs_out(database: Database) -> None:
    dead, next_one = Sweeper(database, holder="dead"), Sweeper(database, holder="next")
    assert dead.lease.take(NOW, NOW + timedelta(seconds=100))
    next_one.clock.now = NOW + timedelta(seconds=100)
    assert await next_one.sweep() is None
    next_one.clock.forward(seconds=1)
    assert await next_one.sweep() is not None


def test_a_lease_whose_answer_was_lost_is_not_somebody_elses(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore tries again, and finds its own lease: taking that for another sweep would lose a tick."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)
    with a_client(database.endpoint, attempts=3) as client, faulty(client, "PutItem", answer_lost(), times=1):
        lease = Lease(client, database.name, "retry_sweep", "me")
        assert lease.take(NOW, NOW + timedelta(seconds=100))
    assert not Lease(database.client, database.name, "retry_sweep", "you").take(NOW, NOW + timedelta(seconds=100))


def test_a_late_release_leaves_the_next_holder_its_lease(database: Database) -> None:
    late, holder, other = (Sweeper(database, holder=name).lease for name in ("late", "holder", "other"))
    assert late.take(NOW, NOW + timedelta(seconds=1))
    assert holder.take(NOW + timedelta(seconds=2), NOW + timedelta(seconds=100))
    late.release()
    assert not other.take(NOW + timedelta(seconds=3), NOW + timedelta(seconds=100))


@pytest.mark.parametrize(("operation", "first"), [("Query", 0), ("Query", 7), ("BatchGetItem", 0), ("BatchGetItem", 1)])
async def test_a_failure_to_read_sends_nothing_fails_the_sweep_and_frees_the_lease(
    database: Database, operation: str, first: int
) -> None:
    """Contract 2.9 [S]."""
    database.fill([due_since(a_row(), NOW) for _ in range(120)])
    sender = FakeSender()
    sweeper = Sweeper(database, sender)
    with faulty(database.client, operation, throttled(), first=first), pytest.raises(ClientError):
        await sweeper.sweep()
    assert sender.got == []
    assert await sweeper.sweep() is not None
    assert len(sender.got) == 120


async def test_when_time_runs_out_the_rest_stays_due_for_the_next_sweep(database: Database) -> None:
    """Contract 2.8 [S]: it stops starting work, waits for what is in flight, records it."""
    rows = [due_since(a_row(), NOW) for _ in range(100)]
    database.fill(rows)
    sender = FakeSender()
    sweeper = Sweeper(database, sender, remaining=lambda: 20.0 if len(sender.got) < 40 else STOP_BEFORE)
    swept = await sweeper.sweep()
    assert swept is not None
    assert 40 <= swept.settled == len(sender.got) < 100
    assert swept.left == 100 - swept.settled
    assert len(database.indexed("due")) == swept.left
    sweeper.remaining = lambda: 100.0
    await sweeper.sweep()
    assert Counter(sender.got) == Counter(row.id for row in rows)


async def test_parts_of_the_table_are_swept_beside_each_other(database: Database) -> None:
    """Design 3: one sweep a group of shards, each with its own lease; together they miss nothing."""
    rows = [due_since(a_row(), NOW) for _ in range(80)]
    database.fill(rows)
    sender = FakeSender()
    for first in range(0, SHARDS, 2):
        await Sweeper(database, sender, shards=[first, first + 1]).sweep()
    assert Counter(sender.got) == Counter(row.id for row in rows)


async def test_unread_keys_of_a_batch_are_asked_for_again(database: Database) -> None:
    """BatchGetItem may leave keys unread (16 MB, throttling): then they come with the next call."""
    rows = [due_since(a_row(message="x" * 380_000), NOW) for _ in range(46)]
    for row in rows:
        database.table.insert(row)
    with counted_calls(database.client) as calls:
        fetched = database.table.fetch([row.id for row in rows])
    assert [row.id for row in fetched.rows] == [row.id for row in rows]
    assert calls["BatchGetItem"] > 1
