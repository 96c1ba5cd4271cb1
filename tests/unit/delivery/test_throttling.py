"""Throttling is not an attempt: a service that takes no more just now costs a notification time, never its budget."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from tests.support.engine import Bench, FakeSender, a_worker
from tests.support.fake_table import FakeTable
from tests.support.rows import ACCEPTED, NOW, POLICY, a_row, due_since, settled
from tests.support.virtual_time import run
from tocsin.delivery.attempt import FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.backlog import Backlog
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event, Tally
from tocsin.delivery.retry import throttle_pause
from tocsin.delivery.send import Delivery, Limits
from tocsin.delivery.store import Fetched
from tocsin.delivery.sweep import sweep

THROTTLED = Throttled("TooManyRequestsException: Maximum sending rate exceeded.")


@dataclass
class Ses:
    """Takes so many mails a second, as SES does, and refuses the others; an answer takes 50 ms."""

    rate: float
    taken: list[str] = field(default_factory=list)
    refusals: int = 0
    _left: float = 0.0
    _at: float = 0.0

    def destination(self, _notification: Notification) -> str:
        return "Email"

    async def send(self, notification: Notification) -> SendResult:
        now = asyncio.get_running_loop().time()
        self._left = min(self.rate, self._left + (now - self._at) * self.rate)
        self._at = now
        await asyncio.sleep(0.05)
        if self._left < 1:
            self.refusals += 1
            return THROTTLED
        self._left -= 1
        self.taken.append(notification.id)
        return ACCEPTED


def present() -> datetime:
    return NOW + timedelta(seconds=asyncio.get_running_loop().time())


class Free:
    def take(self, now: datetime, until: datetime) -> bool:
        return True

    def release(self) -> None:
        pass


async def lived(table: FakeTable, ses: Ses, seconds: float) -> Tally:
    """First deliveries in batches of 25, ten lanes at once, then a sweep every two minutes, for so long."""
    events = Tally()

    async def deliver(found: Fetched, remaining: float, limits: Limits) -> Tally:
        end = asyncio.get_running_loop().time() + remaining
        worker = a_worker(present, lambda: end - asyncio.get_running_loop().time())
        done = await Delivery(table, ses, POLICY, worker, lambda *_: None, limits=limits).run(found.rows)
        events.events += done.events
        return done

    async def lane(batches: list[tuple[Notification, ...]]) -> None:
        for batch in batches:
            await deliver(Fetched(batch), 60, Limits(waits=False))

    rows = [table.get(id_) for id_ in table.items]
    batches = [tuple(rows[start : start + 25]) for start in range(0, len(rows), 25)]
    await asyncio.gather(*(lane(batches[number::10]) for number in range(10)))
    while asyncio.get_running_loop().time() < seconds and not all(
        table.get(id_).status is Status.SENT for id_ in table.items
    ):
        await asyncio.sleep(120 - asyncio.get_running_loop().time() % 120)
        swept = lambda found: deliver(found, 110, Limits())  # noqa: E731 - it is short
        await sweep(Free(), table, swept, shards=range(8), hand_over=None, now=present(), seconds=110)
    return events


@pytest.mark.parametrize(("mails", "rate", "minutes"), [(1000, 14, 4), (200, 1, 12)])
def test_a_burst_beyond_the_rate_of_ses_is_sent_all_of_it(mails: int, rate: float, minutes: float) -> None:
    """No attempt is spent, nothing dies, and the service is not asked again and again meanwhile."""
    table, ses = FakeTable(), Ses(rate)
    for _ in range(mails):
        table.insert(a_row().accepted(NOW, POLICY))
    tally = run(lived(table, ses, minutes * 60))
    rows = [table.get(id_) for id_ in table.items]
    assert {row.status for row in rows} == {Status.SENT}
    assert {len(row.attempts) for row in rows} == {1}
    assert sorted(ses.taken) == sorted(table.items)
    assert tally.events[Event.SETTLED] == mails
    assert tally.events[Event.DEFERRED] < 1.5 * mails, "by the dispatcher, and what a sweep had no more time for"
    assert ses.refusals < 2.7 * mails


def test_a_throttled_row_is_nobodys_until_it_is_due_again() -> None:
    """The stream's filter knows free pending rows by `claimed_until`: this one must not wake a dispatcher at once."""
    table, row = FakeTable(), a_row().accepted(NOW, POLICY)
    table.insert(row)
    bench = Bench(table, limits=Limits(waits=False))
    run(bench.run([row], FakeSender.always(THROTTLED)))
    after = table.get(row.id)
    assert bench.watch.events == {Event.DEFERRED: 1}
    assert (after.status, after.retry_count, after.attempts) == (Status.PENDING, 0, ())
    assert after.due_at == after.claimed_until == NOW + timedelta(seconds=30)
    assert (after.claim_token, after.last_error) == (None, THROTTLED.error)
    assert table.items[row.id]["claimed_until"] != {"N": "0"}
    assert not after.is_free(NOW + timedelta(seconds=29))
    assert after.is_free(NOW + timedelta(seconds=30))


def test_a_failed_row_that_is_throttled_keeps_its_attempts() -> None:
    failed = settled(a_row(), Refused(FailureClass.RETRYABLE, "down"))
    table = FakeTable()
    table.insert(failed)
    bench = Bench(table, limits=Limits(waits=False))
    bench.clock.forward(hours=1)
    run(bench.run([failed], FakeSender.always(THROTTLED)))
    after = table.get(failed.id)
    assert (after.status, after.retry_count, after.attempts) == (Status.FAILED, 1, failed.attempts)
    assert after.next_retry_at == bench.clock.now + timedelta(seconds=900)


@pytest.mark.parametrize(("waited", "pause"), [(0, 30), (60, 30), (120, 60), (600, 300), (86_400, 900)])
def test_the_pause_grows_with_the_wait(waited: float, pause: float) -> None:
    assert throttle_pause(waited) == pause


@pytest.mark.parametrize(("asked", "pause"), [(None, 30), (10, 30), (100, 100)])
def test_what_the_service_asks_for_counts(asked: float | None, pause: float) -> None:
    row = replace(THROTTLED, retry_after=asked)
    after = settled(a_row(), row, now=NOW)
    assert after.due_at == NOW + timedelta(seconds=pause)


def test_a_service_that_takes_nothing_for_a_day_ends_it_visibly() -> None:
    """A budget by age: counted from the last thing that happened to the row, however often it was put off."""
    row = a_row().accepted(NOW, POLICY)
    now = NOW
    while row.is_owed:
        now = row.due_at or now
        row = row.claimed("token", now + timedelta(minutes=6), now).settled(
            THROTTLED, started_at=now, now=now, policy=POLICY
        )
    assert now - NOW >= timedelta(hours=24)
    assert now - NOW < timedelta(hours=24, minutes=15)
    assert (row.status, row.attempts, row.due_at) == (Status.DEAD, (), None)
    assert row.last_error == f"throttled since 2026-01-02 12:00 UTC: {THROTTLED.error}".replace(
        "2026-01-02 12:00", f"{NOW:%Y-%m-%d %H:%M}"
    )
    requeued = row.requeued(now, POLICY)
    again = settled(requeued, THROTTLED, now=now)
    assert again.status is Status.PENDING, "a requeue begins a new day"


def test_a_dispatcher_does_not_wait_for_a_service_that_throttles() -> None:
    """What it did not start is neither failed nor claimed: the sweep takes it over."""
    table, ses = FakeTable(), Ses(rate=1)
    rows = [a_row().accepted(NOW, POLICY) for _ in range(150)]
    for row in rows:
        table.insert(row)
    bench = Bench(table, limits=Limits(waits=False))
    tally = run(bench.run(rows, ses))
    untouched = [row for row in rows if table.get(row.id) == row]
    assert (tally.left, tally.unclaimed) == ([], [])
    assert len(untouched) + bench.watch.events.total() == 150
    assert len(untouched) >= 30


def test_the_others_are_not_held_up_by_one_that_throttles() -> None:
    class Two(Ses):
        def destination(self, notification: Notification) -> str:
            return notification.recipient

        async def send(self, notification: Notification) -> SendResult:
            return await super().send(notification) if notification.recipient == "slow" else ACCEPTED

    table = FakeTable()
    rows = [due_since(a_row(recipient=name), NOW) for _ in range(100) for name in ("slow", "quick")]
    for row in rows:
        table.insert(row)
    bench = Bench(table, limits=Limits(waits=False))
    run(bench.run(rows, Two(rate=1)))
    assert all(table.get(row.id).status is Status.SENT for row in rows if row.recipient == "quick")


def test_one_burst_of_refusals_halves_the_rate_once() -> None:
    """RFC 5681: what was on its way with the first refusal says nothing new; what is taken makes it faster again."""
    at = 0.0
    rows = [a_row() for _ in range(100)]
    backlog = Backlog(rows, lambda _row: "one", lambda: at, total=64, per_destination=16)
    first = backlog.take(100)
    assert len(first) == 16
    for number, row in enumerate(first):
        backlog.finish(row, throttled=number >= 8)
    assert (backlog.take(100), backlog.opens_in()) == ([], 0.25), "it took 8, so it is offered 4 a second"
    at = 1.0
    second = backlog.take(100)
    assert len(second) == 4
    for row in second:
        backlog.finish(row)
    at = 2.0
    third = backlog.take(100)
    assert len(third) == 4, "4.1"
    backlog.finish(third[0], throttled=True)
    at = 3.0
    assert len(backlog.take(100)) == 2
