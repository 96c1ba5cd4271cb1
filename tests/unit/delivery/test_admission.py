"""What a run does with rows that may not go: they are put off in batches, and no attempt is spent on them."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.circuits import FakeChannels, FakeCircuits
from tests.support.engine import Clock, Watch, a_worker
from tests.support.fake_table import FakeTable
from tests.support.rows import NOW, POLICY, REFUSED, REJECTED, a_row, settled
from tests.support.virtual_time import run
from tocsin.delivery.admission import UNPROVEN, Admission
from tocsin.delivery.attempt import Broken, Delivered, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import HANGS, Circuit, State, Terms
from tocsin.delivery.gate import Drain, Gate
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event
from tocsin.delivery.send import Delivery, Limits

HUNG = Refused(FailureClass.UNKNOWN, "no answer within 10 s", hung=True)
BROKEN = Broken("HTTP 404: no_service", 404)


class World:
    """A table, circuits, channels, and one worker after the other."""

    def __init__(self, **answers: SendResult) -> None:
        self.table, self.circuits, self.watch, self.clock = FakeTable(), FakeCircuits(), Watch(), Clock()
        self.channels = FakeChannels(dict(answers))
        self.gate = Gate(self.circuits)

    def rows(self, count: int, channel: str = "Slack", **fields: Any) -> list[Notification]:
        return [self.table.insert(a_row(channel=ChannelName(channel), **fields)) for _ in range(count)]

    def deliver(self, rows: list[Notification], *, drain: str | None = None, waits: bool = False) -> None:
        errand = Drain(drain, 60) if drain else None
        admission = Admission(self.gate, self.channels, POLICY, self.clock, waits, errand)
        delivery = Delivery(
            self.table,
            self.channels,
            POLICY,
            a_worker(self.clock),
            self.watch,
            limits=Limits(waits=waits),
            admission=admission,
        )
        run(delivery.run(rows))

    def now(self, row: Notification) -> Notification:
        return self.table.get(row.id)


def test_a_broken_channel_costs_nobody_an_attempt() -> None:
    """ "This row is bad, try again, or the channel is broken": then it is held, and its rows wait."""
    world = World(Slack=BROKEN)
    rows = world.rows(25)
    world.deliver(rows)
    after = [world.now(row) for row in rows]
    assert {(row.status, row.retry_count, row.attempts, row.deferred_by) for row in after} == {
        (Status.PENDING, 0, (), "Slack")
    }
    assert {row.last_error for row in after} == {BROKEN.error, f"Slack is held: {BROKEN.error}"}
    assert len(world.channels.sent) <= UNPROVEN
    assert world.watch.events == {Event.DEFERRED: 25}
    assert world.circuits.kept["Slack"].state is State.HELD


def test_a_hung_one_costs_a_few_attempts_and_the_others_wait() -> None:
    world = World(Slack=HUNG)
    rows = world.rows(25)
    world.deliver(rows)
    after = [world.now(row) for row in rows]
    assert sum(row.retry_count for row in after) == len(world.channels.sent) == HANGS
    assert sum(row.deferred_by == "Slack" for row in after) == 25 - HANGS


def test_others_are_delivered_beside_it() -> None:
    """Invariant I8."""
    world = World(Slack=BROKEN, Teams=HUNG)
    sick, healthy = world.rows(20) + world.rows(20, "Teams"), world.rows(20, "Email", recipient="ops@example.com")
    world.deliver(sick + healthy)
    assert {world.now(row).status for row in healthy} == {Status.SENT}


def test_what_comes_later_is_put_off_without_a_request_or_a_claim() -> None:
    world = World(Slack=BROKEN)
    world.deliver(world.rows(1))
    world.channels.sent.clear()
    later = world.rows(50)
    world.deliver(later)
    assert world.channels.sent == []
    assert {world.now(row).deferred_by for row in later} == {"Slack"}
    assert all(change.before.claim_token is None for _, change in world.watch.changes[-50:])


def test_one_is_let_through_and_if_it_is_answered_the_others_follow() -> None:
    """Half-open lets one through."""
    world = World(Slack=BROKEN)
    rows = world.rows(10)
    world.deliver(rows)
    world.clock.forward(minutes=2)
    for _ in range(2):
        world.channels.sent.clear()
        world.deliver([world.now(row) for row in rows], drain="Slack", waits=True)
        assert len(world.channels.sent) == 1, "asked in vain"
        assert {world.now(row).retry_count for row in rows} == {0}
    world.channels.answers["Slack"] = Delivered(200)
    world.deliver([world.now(row) for row in rows], drain="Slack", waits=True)
    assert {world.now(row).status for row in rows} == {Status.SENT}
    assert world.circuits.kept["Slack"].is_closed


def test_asking_a_hung_one_in_vain_spends_no_attempt() -> None:
    """ "None of its rows loses an attempt to it beyond those that opened the breaker." """
    world = World(Slack=HUNG)
    rows = world.rows(10)
    world.deliver(rows)
    spent = sum(world.now(row).retry_count for row in rows)
    for _ in range(20):
        world.clock.forward(minutes=5)
        world.deliver([world.now(row) for row in rows if world.now(row).deferred_by], drain="Slack", waits=True)
    assert sum(world.now(row).retry_count for row in rows) == spent == HANGS


def test_asking_takes_another_row_each_time() -> None:
    """One row that makes its receiver hang must not keep all others."""
    world = World(Slack=HUNG)
    rows = world.rows(6)
    world.deliver(rows)
    world.channels.sent.clear()
    for _ in range(3):
        world.clock.forward(minutes=5)
        waiting = [world.now(row) for row in rows if world.now(row).deferred_by]
        world.deliver(sorted(waiting, key=lambda row: (row.due_at, row.id)), drain="Slack", waits=True)
    assert len(set(world.channels.sent)) == 3


def test_a_prompt_failure_closes_it_and_is_an_attempt() -> None:
    """The receiver is there again; what it says of this row is between the two of them."""
    world = World(Slack=HUNG)
    rows = world.rows(4)
    world.deliver(rows)
    world.channels.answers["Slack"] = REFUSED
    world.clock.forward(minutes=1)
    (waiting,) = [world.now(row) for row in rows if world.now(row).deferred_by]
    world.deliver([waiting], drain="Slack", waits=True)
    after = world.now(waiting)
    assert (after.status, after.retry_count, after.deferred_by) == (Status.FAILED, 1, None)
    assert world.circuits.kept["Slack"].is_closed


def test_what_waits_too_long_is_a_dead_letter() -> None:
    """Invariant I2: every accepted row ends within a bound that the settings give."""
    world = World(Slack=BROKEN)
    rows = world.rows(3)
    world.deliver(rows)
    world.clock.forward(hours=24)
    world.deliver([world.now(row) for row in rows], drain="Slack", waits=True)
    after = [world.now(row) for row in rows]
    assert {row.status for row in after} == {Status.DEAD}
    assert all(row.last_error and row.last_error.startswith("put off since 2026-11-22 12:00 UTC: ") for row in after)


def test_a_limit_puts_off_what_is_over_it() -> None:
    world = World()
    world.channels.per_minute = 10
    rows = world.rows(25)
    world.deliver(rows)
    assert len(world.channels.sent) == 10
    waiting = [world.now(row) for row in rows if world.now(row).deferred_by]
    assert len(waiting) == 15
    assert {row.last_error for row in waiting} == {"Slack takes 10 messages a minute"}
    assert world.circuits.kept["Slack"].look_at is not None


def test_what_waits_goes_out_at_the_rate() -> None:
    world = World()
    world.channels.per_minute = 60
    times: list[float] = []
    original = world.channels.send

    async def send(row: Notification) -> SendResult:
        times.append(asyncio.get_running_loop().time())
        return await original(row)

    world.channels.send = send  # type: ignore[method-assign, assignment]
    rows = [replace(row, deferred_by="Slack") for row in world.rows(40)]
    for row in rows:
        world.table.insert(row)
    world.deliver(rows, drain="Slack", waits=True)
    assert len(times) == 40
    assert times[-1] - times[0] == pytest.approx(39, abs=2)


def test_a_channel_that_crashes_takes_no_others_rows_with_it() -> None:
    """Invariant I8: a bug in one channel's terms is a bug of its own."""
    world = World()
    original = world.channels.terms

    async def terms(row: Notification) -> Terms:
        if row.channel == "Slack":
            raise KeyError("Parameter")
        return await original(row)

    world.channels.terms = terms  # type: ignore[method-assign, assignment]
    rows = world.rows(3, "Slack") + world.rows(3, "Teams")
    world.deliver(rows)
    assert {world.now(row).status for row in rows} == {Status.SENT}


def test_where_circuits_cannot_be_read_everything_goes() -> None:
    """They save work; they are never a reason not to send."""
    world = World()
    world.circuits.fails = True
    rows = world.rows(10)
    world.deliver(rows)
    assert {world.now(row).status for row in rows} == {Status.SENT}


def test_where_a_circuit_cannot_be_written_its_rows_wait_where_they_are_found() -> None:
    """A row that waits for a circuit which is in no list would be lost: it is put off by itself."""
    world = World(Slack=BROKEN)
    row, *_ = world.rows(1)
    world.deliver(world.rows(1, "Email"))
    world.gate.enter({"Slack": 1}, {"Slack": asyncio.run(world.channels.terms(row))}, NOW)
    world.circuits.fails = True
    world.deliver([row])
    after = world.now(row)
    assert (after.status, after.deferred_by, after.attempts) == (Status.PENDING, None, ())
    assert after.due_at is not None
    assert after.due_at > NOW


def test_a_lost_attempt_is_counted_before_a_row_is_put_off() -> None:
    """A worker died with it: nobody knows whether it arrived, so it counts, whatever its channel is now."""
    world = World(Slack=BROKEN)
    world.deliver(world.rows(1))
    row = world.table.insert(a_row(channel=ChannelName.SLACK).claimed("lost", NOW, NOW - timedelta(hours=1)))
    world.deliver([row])
    after = world.now(row)
    assert (after.retry_count, len(after.attempts), after.deferred_by) == (1, 1, "Slack")


def test_a_throttled_row_that_waits_stays_with_its_circuit() -> None:
    world = World(Slack=Throttled("slow down", 30))
    row = world.table.insert(replace(a_row(channel=ChannelName.SLACK), deferred_by="Slack"))
    world.circuits.write(Circuit(name="Slack").awaited(NOW))
    world.deliver([row], drain="Slack")
    after = world.now(row)
    assert (after.deferred_by, after.due_at) == ("Slack", NOW + timedelta(seconds=30))


@pytest.mark.parametrize("last", [REFUSED, REJECTED])
def test_a_row_that_ends_waits_for_nothing(last: SendResult) -> None:
    waiting = replace(a_row(), deferred_by="Slack")
    assert settled(waiting, last).deferred_by is None  # type: ignore[arg-type] # both are attempts
