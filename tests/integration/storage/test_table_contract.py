"""What delivery and the sweep rely on in a table: held by AWS's own engine, and by the fake of the unit tests."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.fake_table import FakeTable
from tests.support.faults import Fault, answer_lost, faulty, throttled
from tests.support.rows import ACCEPTED, NOW, POLICY, REFUSED, REJECTED, RETENTION, a_row, due_since, in_status, settled
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import Change, Due, Write
from tocsin.errors import ConflictError, NotFoundError, StorageUnavailableError
from tocsin.storage.codec import shard_of
from tocsin.storage.notifications.item import SHARDS, encode
from tocsin.storage.notifications.table import NotificationTable

Table = FakeTable | NotificationTable


@pytest.fixture(params=["fake", "DynamoDB"])
def table(request: pytest.FixtureRequest) -> Table:
    if request.param == "fake":
        return FakeTable()
    database: Database = request.getfixturevalue("database")
    return database.table


def put(table: Table, item: dict[str, Any]) -> None:
    if isinstance(table, FakeTable):
        table.items[item["id"]["S"]] = item
    else:
        table._client.put_item(TableName=table._name, Item=item)


LATER = NOW + timedelta(minutes=8)


@pytest.mark.parametrize("status", Status)
def test_a_row_is_read_as_it_was_written(table: Table, status: Status) -> None:
    row = in_status(status)
    table.insert(row)
    assert table.get(row.id) == row
    assert table.fetch([row.id]).rows == (row,)


def test_what_is_not_there_is_not_found(table: Table) -> None:
    with pytest.raises(NotFoundError):
        table.get("nothing")
    assert table.fetch(["nothing"]).rows == ()


def test_a_step_from_what_was_read_is_done_and_changes_just_that_row(table: Table) -> None:
    row, other = a_row(), a_row()
    table.insert(row)
    table.insert(other)
    failed = settled(row, REFUSED)
    assert table.write([Change(row, failed)]) == [Write.DONE]
    assert (table.get(row.id), table.get(other.id)) == (failed, other)


CLAIM = a_row().claimed("mine", LATER, NOW)


@pytest.mark.parametrize(
    "since",
    [
        replace(CLAIM, status=Status.FAILED),
        replace(CLAIM, updated_at=NOW + timedelta(microseconds=1)),
        replace(CLAIM, retry_count=1),
        replace(CLAIM, claimed_until=LATER + timedelta(milliseconds=1)),
        replace(CLAIM, claim_token="yours"),
        replace(CLAIM, claim_token=None, claimed_until=None),
        replace(CLAIM, claim_token=None),
    ],
    ids=["status", "updated_at", "retry_count", "claimed_until", "claim_token", "freed", "no token"],
)
def test_each_guard_alone_stops_a_late_write(table: Table, since: Notification) -> None:
    """Contract 2.10 [T]: its result is recorded only by the claim's holder."""
    put(table, encode(since, RETENTION))
    assert table.write([Change(CLAIM, settled(CLAIM, ACCEPTED))]) == [Write.LOST]
    with pytest.raises(ConflictError):
        table.replace(Change(CLAIM, settled(CLAIM, ACCEPTED)))
    assert table.get(CLAIM.id) == since


def test_a_step_of_a_row_that_is_gone_is_lost_and_makes_none(table: Table) -> None:
    row = a_row()
    assert table.write([Change(row, settled(row, REFUSED))]) == [Write.LOST]
    assert table.fetch([row.id]).rows == ()


def test_a_batch_answers_in_order_and_each_step_alone(table: Table) -> None:
    """Faults: a batch of which some statements fail."""
    rows = [a_row() for _ in range(25)]
    for row in rows[::2]:
        table.insert(row)
    verdicts = table.write([Change(row, settled(row, REFUSED)) for row in rows])
    assert verdicts == [Write.DONE if n % 2 == 0 else Write.LOST for n in range(25)]


def test_of_two_claims_of_a_row_one_wins(table: Table) -> None:
    row = a_row()
    table.insert(row)
    assert table.write([Change(row, row.claimed("one", LATER, NOW))]) == [Write.DONE]
    assert table.write([Change(row, row.claimed("two", LATER, NOW))]) == [Write.LOST]
    assert table.get(row.id).claim_token == "one"


def test_of_two_steps_of_a_row_in_one_batch_at_most_one_is_done(table: Table) -> None:
    row = a_row()
    table.insert(row)
    verdicts = table.write([Change(row, row.claimed(name, LATER, NOW)) for name in ("one", "two")])
    assert verdicts.count(Write.DONE) <= 1


def test_a_bare_step_is_the_same_without_the_history(table: Table) -> None:
    row = settled(a_row(), REFUSED)
    table.insert(row)
    dead = settled(row, REJECTED)
    assert table.write_status(Change(row, dead)) is Write.DONE
    assert table.get(row.id) == replace(dead, attempts=())
    assert table.write_status(Change(row, dead)) is Write.LOST


def test_it_knows_whether_a_step_is_what_is_there(table: Table) -> None:
    row = a_row()
    table.insert(row)
    step = Change(row, settled(row, REFUSED, NOW + timedelta(seconds=1)))
    assert not table.holds(step)
    table.write([step])
    assert table.holds(step)
    assert not table.holds(Change(a_row(), a_row()))


def test_due_rows_come_oldest_first_up_to_now_and_the_limit(table: Table) -> None:
    """Contract 2.5 [S]."""
    rows = [due_since(a_row(), NOW + timedelta(seconds=5 - n)) for n in range(20)]
    for row in rows:
        table.insert(row)
    expected = [Due(row.due_at, row.id) for row in reversed(rows[5:]) if row.due_at]
    assert table.due(NOW, 100, range(SHARDS)) == expected
    assert table.due(NOW, 7, range(SHARDS)) == expected[:7]
    parts = [hint for shard in range(SHARDS) for hint in table.due(NOW, 100, [shard])]
    assert sorted(parts, key=lambda hint: hint.at) == expected
    assert table.due(NOW, 100, [3]) == [hint for hint in expected if shard_of(hint.id, SHARDS) == "3"]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PENDING, Status.FAILED}))
def test_what_is_owed_to_nobody_is_not_due(table: Table, status: Status) -> None:
    """Contract 2.5 [S]: by the same write that changes it."""
    row = a_row()
    table.insert(row)
    dead = settled(row, REJECTED)
    after = {
        Status.SENT: settled(row, ACCEPTED),
        Status.DEAD: dead,
        Status.READ: dead.acknowledged(NOW),
        Status.SUPERSEDED: row.superseded("renewed", NOW),
    }[status]
    table.replace(Change(row, after))
    assert table.due(LATER, 100, range(SHARDS)) == []


def test_a_requeued_row_is_due_only_as_one_whose_first_delivery_may_get_lost(table: Table) -> None:
    """Contract 2.5 [S] and [T]."""
    dead = settled(a_row(), REJECTED)
    table.insert(dead)
    table.replace(Change(dead, dead.requeued(NOW, POLICY)))
    assert table.due(NOW + POLICY.pending_grace, 9, range(SHARDS)) == [Due(NOW + POLICY.pending_grace, dead.id)]
    assert table.due(NOW + POLICY.pending_grace - timedelta(microseconds=1), 9, range(SHARDS)) == []


def test_rows_are_fetched_in_the_order_asked_for_each_once_and_what_is_no_row_apart(table: Table) -> None:
    rows = [a_row() for _ in range(130)]  # more than one BatchGetItem takes
    for row in rows:
        put(table, encode(row, RETENTION))
    put(table, {"id": {"S": "broken"}, "status": {"S": "pending"}})
    wanted = [row.id for row in reversed(rows)]
    fetched = table.fetch([*wanted, "broken", "gone", *wanted[:10]])
    assert [row.id for row in fetched.rows] == wanted
    assert [found.row.id for found in fetched.malformed] == ["broken"]
    assert "message is missing" in fetched.malformed[0].reason


@pytest.mark.parametrize("fault", [throttled(), answer_lost()], ids=["throttled", "unreachable"])
def test_a_count_that_the_table_does_not_answer_says_so(database: Database, fault: Fault) -> None:
    """Contract 3.2 [S]: the snapshot knows by this error what it could not count."""
    with faulty(database.client, "Query", fault):
        for count in (database.table.count_dead, lambda: database.table.count_due(NOW)):
            with pytest.raises(StorageUnavailableError):
                count()
