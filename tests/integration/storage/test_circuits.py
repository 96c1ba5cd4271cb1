"""Circuits and what waits for them, on AWS's own engine."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.circuits import FakeCircuits
from tests.support.database import Database, counted_calls
from tests.support.rows import NOW, POLICY, a_row, in_status
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import Circuit, State
from tocsin.delivery.gate import Circuits
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.delivery.store import Change, Write
from tocsin.storage.notifications.circuits import CircuitTable

NAME = "Slack:payments"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def circuits(database: Database) -> CircuitTable:
    return CircuitTable(database.client, database.name)


def deferred(database: Database, row: Notification, by: str = NAME, until: timedelta = MINUTE) -> Notification:
    """Store a row, and put it off."""
    stored = database.table.insert(row)
    after = stored.deferred(by, "it hangs", NOW + until, NOW, POLICY)
    assert database.table.write([Change(stored, after)]) == [Write.DONE]
    return after


@pytest.fixture(params=["table", "fake"])
def either(request: pytest.FixtureRequest, circuits: CircuitTable) -> Circuits:
    """The fake keeps circuits as the table does."""
    return circuits if request.param == "table" else FakeCircuits()


def test_a_circuit_comes_back_as_it_was_written(either: Circuits) -> None:
    held = Circuit(name=NAME).held("HTTP 404: no_service", NOW)
    assert either.write(held) == replace(held, version=1)
    assert either.read([NAME, "Email"]) == {NAME: replace(held, version=1)}


def test_of_two_that_write_the_second_learns_what_the_first_wrote(either: Circuits) -> None:
    first = either.write(Circuit(name=NAME).held("revoked", NOW))
    assert either.write(Circuit(name=NAME).opened("it hangs", NOW)) == first
    assert either.write(first.closed(NOW)).version == 2


def test_news_change_nothing_of_the_state(either: Circuits) -> None:
    held = either.write(Circuit(name=NAME).held("revoked", NOW))
    for known in (Circuit(name=NAME), held):
        either.note(replace(known, delivered_at=NOW, failed_at=NOW, last_error="HTTP 500"))
        assert either.read([NAME])[NAME] == replace(held, delivered_at=NOW, failed_at=NOW, last_error="HTTP 500")


def test_news_of_a_channel_that_never_failed_are_kept(either: Circuits) -> None:
    either.note(Circuit(name=NAME, delivered_at=NOW))
    known = either.read([NAME])[NAME]
    assert (known.state, known.version, known.delivered_at) == (State.CLOSED, 0, NOW)
    assert either.write(known.held("revoked", NOW)).version == 1


def test_a_minute_s_messages_are_counted_by_all(either: Circuits) -> None:
    minute = NOW.replace(second=0)
    assert [either.reserve(NAME, minute, 15) for _ in range(3)] == [0, 15, 30]
    assert either.reserve(NAME, minute + MINUTE, 1) == 0


def test_what_waits_is_found_by_its_circuit_and_by_no_sweep(database: Database, circuits: CircuitTable) -> None:
    """What hangs takes nobody else's place: the sweep's query does not see it, however much it is."""
    waiting = [deferred(database, a_row(), until=MINUTE * number) for number in range(5)]
    deferred(database, a_row(), by="Slack")
    free = database.table.insert(a_row())
    assert [hint.id for hint in circuits.waiting(NAME, 10)] == [row.id for row in waiting]
    assert [hint.id for hint in circuits.waiting(NAME, 2)] == [row.id for row in waiting[:2]]
    assert [hint.id for hint in database.table.due(NOW + timedelta(days=1), 10)] == [free.id]


def test_a_critical_row_goes_before_all_others(database: Database, circuits: CircuitTable) -> None:
    later = [deferred(database, a_row()) for _ in range(20)]
    critical = deferred(database, a_row(severity=Severity.CRITICAL), until=10 * MINUTE)
    assert next(hint.id for hint in circuits.waiting(NAME, 3)) == critical.id
    assert len(circuits.waiting(NAME, 100)) == len(later) + 1


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
def test_a_row_that_waits_is_nobodys_and_was_not_tried(database: Database, status: Status) -> None:
    """No attempt is spent, and the stream's filter does not match it: it must not wake a dispatcher."""
    row = in_status(status)
    after = deferred(database, row)
    stored = database.table.get(row.id)
    assert stored == after
    assert (stored.status, stored.retry_count, stored.attempts) == (status, row.retry_count, row.attempts)
    assert (stored.is_deferred, stored.is_free(NOW), stored.next_retry_at) == (True, True, NOW + MINUTE)
    assert database.item(row.id)["claimed_until"] != {"N": "0"}


def test_a_row_that_was_delivered_waits_no_more(database: Database, circuits: CircuitTable) -> None:
    row = deferred(database, a_row())
    claimed = row.claimed("token", NOW + MINUTE, NOW)
    sent = claimed.superseded("renewed", NOW)
    assert database.table.write([Change(row, claimed)]) == database.table.write([Change(claimed, sent)]) == [Write.DONE]
    assert circuits.waiting(NAME, 10) == []
    assert database.indexed("due") == set()


def test_the_sweep_finds_the_circuits_that_are_to_be_looked_at(database: Database, circuits: CircuitTable) -> None:
    due = circuits.write(Circuit(name=NAME).held("revoked", NOW - 2 * MINUTE))
    later = circuits.write(Circuit(name="Email").held("suspended", NOW))
    circuits.write(Circuit(name="Webhook").closed(NOW).forgotten())
    listed = circuits.write(Circuit(name="Teams").awaited(NOW))
    with counted_calls(database.client) as calls:
        found = circuits.to_look_at(NOW, 100)
    assert sorted(circuit.name for circuit in found) == sorted([due.name, later.name, listed.name])
    assert calls == {"Query": 1, "BatchGetItem": 1}
    assert database.table.count_due(NOW + timedelta(days=1)) == 0, "a circuit is no row"


def test_names_are_as_long_as_hosts_and_topics_are(database: Database, circuits: CircuitTable) -> None:
    """The name is a key of the index (2,048 bytes at most), and a recipient may have as many characters."""
    row = deferred(database, a_row(channel=ChannelName.SNS), by=f"SNS@arn:aws:sns:us-east-1:123456789012:{'a' * 256}")
    assert row.deferred_by is not None
    assert [hint.id for hint in circuits.waiting(row.deferred_by, 1)] == [row.id]
