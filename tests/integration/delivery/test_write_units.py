"""Design 3: what a life costs, in write units, on AWS's own engine.

DynamoDB Local reports the capacity of UpdateItem, not of PartiQL. `Update` writes the same step both ways: so the lives
are measured through UpdateItem, and the last tests show that both do the same to an item.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import Database, item_size
from tests.support.engine import Bench, FakeSender
from tests.support.rows import ACCEPTED, NOW, POLICY, REFUSED, REJECTED, RETENTION, a_row, due_since, settled
from tocsin.delivery.attempt import Accepted, Refused, Throttled
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event
from tocsin.delivery.send import Limits
from tocsin.delivery.store import Change, Write
from tocsin.errors import ConflictError
from tocsin.storage.notifications.item import encode
from tocsin.storage.notifications.table import NotificationTable
from tocsin.storage.update import Update


class OneByOne(NotificationTable):
    """The table, with each step of a batch written by UpdateItem."""

    def write(self, changes: Sequence[Change]) -> list[Write]:
        return [self._one(change) for change in changes]

    def _one(self, change: Change) -> Write:
        try:
            self.replace(change)
        except ConflictError:
            return Write.LOST
        return Write.DONE


@pytest.fixture
def units(database: Database) -> Counter[str]:
    """Count the write units that the table and its indexes take."""
    used: Counter[str] = Counter()

    def ask(params: dict[str, Any], model: Any, **_rest: Any) -> None:
        if model.name in ("PutItem", "UpdateItem"):
            params["ReturnConsumedCapacity"] = "INDEXES"

    def note(parsed: dict[str, Any], **_rest: Any) -> None:
        capacity = parsed.get("ConsumedCapacity", {})
        used["table"] += capacity.get("Table", {}).get("CapacityUnits", 0)
        for name, index in capacity.get("GlobalSecondaryIndexes", {}).items():
            used[name] += index["CapacityUnits"]

    database.client.meta.events.register("provide-client-params.dynamodb.*", ask)
    database.client.meta.events.register("after-call.dynamodb.*", note)
    return used


async def live(database: Database, *answers: Any) -> Notification:
    """Give a row these answers, one each time that it is due; return it as it is then."""
    bench = Bench(OneByOne(database.client, database.name, RETENTION))
    row = database.table.insert(a_row())
    for answer in answers:
        await bench.run([database.table.get(row.id)], FakeSender.always(answer))
        bench.clock.now = database.table.get(row.id).due_at or bench.clock.now
    return database.table.get(row.id)


@pytest.mark.parametrize(
    ("answers", "status", "expected", "where"),
    [
        ([ACCEPTED], Status.SENT, 6, {"table": 3, "due": 2, "by_created": 1}),
        ([REFUSED, ACCEPTED], Status.SENT, 10, {"table": 5, "due": 4, "by_created": 1}),
        ([REFUSED] * 5, Status.DEAD, 23, {"table": 11, "due": 10, "by_created": 1, "dead": 1}),
    ],
    ids=["sent first time", "sent after one retry", "dead after five"],
)
async def test_a_life_costs_exactly(
    database: Database, units: Counter[str], answers: list[Any], status: Status, expected: int, where: dict[str, int]
) -> None:
    """Design 3: 6, 10 and 23 write units at <= 1 KB."""
    row = await live(database, *answers)
    assert row.status is status
    assert +units == where
    assert units.total() == expected


async def test_putting_a_row_off_costs_three(database: Database, units: Counter[str]) -> None:
    """A service that throttles: the claim, which costs one, and the write that gives it up until later."""
    bench = Bench(OneByOne(database.client, database.name, RETENTION), limits=Limits(waits=False))
    row = database.table.insert(due_since(a_row(), NOW))
    units.clear()
    await bench.run([row], FakeSender.always(Throttled("TooManyRequestsException")))
    assert bench.watch.events == {Event.DEFERRED: 1}
    assert +units == {"table": 1 + 1, "due": 2}


async def test_asking_a_service_costs_what_is_said(database: Database, units: Counter[str]) -> None:
    """One more unit than a life that nobody asks about when it is accepted, then three for each question, then two."""
    row = await live(database, Accepted(202, "request:1", ask_after=60.0))
    assert (row.status, units.total()) == (Status.SENT, 6 + 1)
    units.clear()
    again = row.unanswered(NOW + timedelta(minutes=9))
    database.table.replace(Change(row, again))
    assert +units == {"table": 1, "due": 2}
    units.clear()
    database.table.replace(Change(again, again.lifted(NOW)))
    assert +units == {"table": 1, "due": 1}


async def test_a_requeue_is_one_write(database: Database, units: Counter[str]) -> None:
    """Contract 2.7 [S]: one atomic write; the row leaves the dead letters and is due by the same one."""
    row = await live(database, REJECTED)
    units.clear()
    database.table.replace(Change(row, row.requeued(NOW, POLICY)))
    assert +units == {"table": 1, "dead": 1, "due": 1}


@pytest.mark.parametrize(
    "error", ["HTTP 503: down for maintenance", "no answer within 10 s", "HTTP 502: <html><head><title>" + "x" * 50]
)
async def test_the_hot_row_stays_within_one_unit(database: Database, error: str) -> None:
    """Design 3: the hot row is <= 1 KB, with five attempts, and the errors that receivers give most."""
    row = await live(database, *[Refused(REFUSED.failure, error, 503)] * 5)
    assert len(row.attempts) == 5
    assert item_size(database.item(row.id)) <= 1024


STEPS: dict[str, Callable[[Notification], Notification]] = {
    "claimed": lambda row: row.claimed("mine", NOW + timedelta(minutes=8), NOW),
    "sent": lambda row: settled(row, ACCEPTED),
    "failed": lambda row: settled(row, REFUSED),
    "dead": lambda row: settled(row, REJECTED),
    "superseded": lambda row: row.superseded("renewed", NOW),
}


@pytest.mark.parametrize("guarded_by", ["what is there", "something else"])
@pytest.mark.parametrize("step", STEPS)
def test_a_statement_and_a_request_do_the_same(database: Database, step: str, guarded_by: str) -> None:
    """What the lives above are measured by is what a batch of PartiQL does."""
    twins = [a_row(), a_row()]
    for row in twins:
        database.table.insert(row)
    as_read = [row if guarded_by == "what is there" else settled(row, REFUSED) for row in twins]
    by_statement, by_request = (
        Update.between(encode(row, RETENTION), encode(STEPS[step](row), RETENTION)) for row in as_read
    )
    answer = database.client.batch_execute_statement(Statements=[by_statement.as_statement(database.name)])
    refused = "Error" in answer["Responses"][0]
    if refused:
        with pytest.raises(database.client.exceptions.ConditionalCheckFailedException):
            database.client.update_item(**by_request.as_request(database.name))
    else:
        database.client.update_item(**by_request.as_request(database.name))
    assert refused == (guarded_by == "something else")
    own = ("id", "created_shard", "created_key", "due_shard", "dead_shard", "died_key")
    left, right = ({k: v for k, v in database.item(row.id).items() if k not in own} for row in twins)
    assert left == right
    assert database.item(twins[0].id).keys() == database.item(twins[1].id).keys()


@pytest.mark.parametrize("before", [[], [REFUSED]], ids=["pending", "failed"])
async def test_putting_a_row_off_costs_three_units_once(
    database: Database, units: Counter[str], before: list[Any]
) -> None:
    """A deferral by a circuit: no claim, no attempt; the row moves to another place of the index, and stays there."""
    await live(database, *before)
    row = next(iter(database.table.fetch([item["id"]["S"] for item in database.items()]).rows))
    spent = Counter(units)
    deferred = row.deferred("Slack:payments", "HTTP 404: no_service", row.created_at, row.created_at, POLICY)
    OneByOne(database.client, database.name, RETENTION).write([Change(row, deferred)])
    assert units - spent == {"table": 1, "due": 2}
