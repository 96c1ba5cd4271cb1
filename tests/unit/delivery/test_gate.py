"""The gate: what goes, by what a worker knows of a circuit; and how little it asks and tells others."""

from datetime import timedelta

import pytest

from tests.support.circuits import FakeCircuits
from tests.support.rows import NOW, REFUSED
from tocsin.delivery.attempt import Broken, Delivered, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.circuit import FIRST_LOOK, HANGS, HELD_LOOK, LINGER, LONGEST_LOOK, Circuit, State, Terms
from tocsin.delivery.gate import SHARE, Drain, Gate, Permit

HUNG = Refused(FailureClass.UNKNOWN, "no answer within 10 s", hung=True)
BROKEN = Broken("HTTP 404: no_service", 404)
NAME = "Slack:payments"
SECOND = timedelta(seconds=1)


def entered(gate: Gate, count: int = 10, now: object = NOW, per_minute: int | None = None, **how: object) -> Permit:
    return gate.enter({NAME: count}, {NAME: Terms(per_minute)}, now, **how)[NAME]  # type: ignore[arg-type]


def after(*results: SendResult) -> Circuit:
    gate = Gate(FakeCircuits())
    entered(gate)
    for result in results:
        gate.learn(NAME, result, NOW)
    return gate.knows(NAME)


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ([HUNG] * (HANGS - 1), State.CLOSED),
        ([HUNG] * HANGS, State.OPEN),
        ([HUNG, HUNG, Delivered(200), HUNG, HUNG], State.CLOSED),  # in a row
        ([HUNG, HUNG, REFUSED, HUNG], State.CLOSED),  # a prompt 503 is an answer
        ([REFUSED] * 100, State.CLOSED),  # the backoff is there for it
        ([Throttled("slow down")] * 100, State.CLOSED),
        ([BROKEN], State.HELD),  # by its first answer
        ([BROKEN, Delivered(200)], State.CLOSED),
        ([HUNG] * HANGS + [Delivered(200)], State.CLOSED),  # one that was in flight was answered
        ([HUNG] * HANGS + [BROKEN], State.HELD),
        ([BROKEN] + [HUNG] * HANGS, State.HELD),  # it does not become a lesser evil
    ],
)
def test_a_circuit_opens_on_what_hangs_and_is_held_where_the_channel_is_broken(
    results: list[SendResult], state: State
) -> None:
    """Decision "hung is not failed"."""
    assert after(*results).state is state


def test_what_was_in_flight_when_it_opened_does_not_put_off_the_next_look() -> None:
    assert after(*[HUNG] * 50).look_at == NOW + FIRST_LOOK


def test_an_open_circuit_is_asked_less_and_less_often() -> None:
    gate, now, waits = Gate(FakeCircuits()), NOW, []
    entered(gate)
    for _ in range(HANGS):
        gate.learn(NAME, HUNG, now)
    for _ in range(6):
        look_at = gate.knows(NAME).look_at
        assert look_at is not None
        waits.append(look_at - now)
        now = look_at
        gate.learn(NAME, HUNG, now, asks=True)
    assert waits == [FIRST_LOOK * 2**number for number in range(4)] + [LONGEST_LOOK] * 2
    assert gate.knows(NAME).since == NOW


def test_a_held_one_is_asked_every_minute_and_says_since_when() -> None:
    gate = Gate(FakeCircuits())
    entered(gate)
    gate.learn(NAME, BROKEN, NOW)
    gate.learn(NAME, BROKEN, NOW + HELD_LOOK, asks=True)
    held = gate.knows(NAME)
    assert (held.since, held.look_at, held.reason) == (NOW, NOW + 2 * HELD_LOOK, BROKEN.error)


@pytest.mark.parametrize("result", [HUNG, BROKEN])
def test_nothing_goes_to_a_circuit_that_is_not_closed_but_for_who_drains_it(result: SendResult) -> None:
    circuits = FakeCircuits()
    gate = Gate(circuits)
    entered(gate)
    for _ in range(HANGS):
        gate.learn(NAME, result, NOW)
    gate.save(NAME)
    for worker in (gate, Gate(circuits)):
        permit = entered(worker)
        assert (permit.count, permit.until) == (0, circuits.kept[NAME].look_at)
        assert NAME in permit.reason
    assert entered(Gate(circuits), drain=Drain(NAME, 60)).count == 10


def test_a_circuit_is_read_once_a_minute_and_never_written_while_it_is_well() -> None:
    """ "No more than one read and one write a channel and minute." """
    circuits = FakeCircuits()
    gate = Gate(circuits)
    for second in range(0, 120, 5):
        entered(gate, now=NOW + second * SECOND)
        gate.learn(NAME, Delivered(200), NOW + second * SECOND)
        gate.leave()
    assert circuits.asked == {"read": 2, "note": 1}


def test_a_limit_is_one_write_a_minute_and_worker() -> None:
    circuits = FakeCircuits()
    gate = Gate(circuits)
    for second in range(0, 120, 5):
        entered(gate, 1, now=NOW + second * SECOND, per_minute=60)
    assert circuits.asked["reserve"] == 2


def test_all_workers_together_keep_to_a_limit() -> None:
    """Whatever each asks for: no more than a minute's messages go out in it."""
    circuits = FakeCircuits()
    counts = [entered(Gate(circuits), wanted, per_minute=60).count for wanted in (3, 25, 25, 25, 25)]
    assert sum(counts) <= 60
    assert counts[:3] == [3, 25, 20], "a share of what is left stays with who asked for it"


def test_what_a_limit_leaves_over_is_looked_after() -> None:
    """A row that waits for a closed circuit must be found: the circuit is listed before the row waits."""
    circuits = FakeCircuits()
    permit = entered(Gate(circuits), 100, per_minute=60)
    assert permit == Permit(60, f"{NAME} takes 60 messages a minute", NOW + timedelta(minutes=1))
    assert circuits.kept[NAME].look_at == NOW


def test_a_circuit_that_is_about_to_be_forgotten_is_listed_anew() -> None:
    """Its rows would wait for ever: who drains it may have seen nothing just before."""
    circuits = FakeCircuits()
    worker = Gate(circuits)
    entered(worker, 100, per_minute=60)
    later = NOW + LINGER / 2
    entered(worker, 100, now=later, per_minute=60)
    assert circuits.kept[NAME].since == later


@pytest.mark.parametrize("other", [Circuit(name=NAME), Circuit(name=NAME, state=State.OPEN, look_at=NOW, since=NOW)])
def test_two_workers_that_hold_it_at_once_agree(other: Circuit) -> None:
    """Losing is never silence: a circuit that the other forgot is written again; one that he opened is as he has it."""
    circuits = FakeCircuits()
    mine = Gate(circuits)
    entered(mine)
    mine.learn(NAME, BROKEN, NOW)
    circuits.write(other)
    mine.save(NAME)
    assert mine.knows(NAME) == circuits.kept[NAME]
    assert not circuits.kept[NAME].is_closed
    assert circuits.kept[NAME].look_at is not None


def test_a_drain_leaves_some_of_the_limit_to_what_is_new() -> None:
    circuits = FakeCircuits()
    drained = entered(Gate(circuits), 1000, per_minute=60, drain=Drain(NAME, 120)).count
    assert drained == 90, "three quarters of two minutes"
    assert entered(Gate(circuits), 1000, per_minute=60).count == 15


def test_a_share_is_what_one_worker_asks_for_at_once() -> None:
    circuits = FakeCircuits()
    entered(Gate(circuits), 1, per_minute=100)
    assert circuits.used.total() == 100 // SHARE


def test_a_gate_forgets_what_it_used_longest_ago() -> None:
    """Whoever may create a notification names hosts: they must not fill a worker's memory."""
    gate = Gate(FakeCircuits())
    for number in range(3_000):
        name = f"Webhook@{number}.example.com:443"
        gate.enter({name: 1}, {name: Terms()}, NOW)
    assert not gate.has("Webhook@0.example.com:443")
    assert gate.has("Webhook@2999.example.com:443")
