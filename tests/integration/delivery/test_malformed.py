"""Faults: rows that can't be read, stale index entries, rows near 400 KB: dead with a reason, and the rest goes on."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.database import Database, item_size
from tests.support.engine import FakeSender
from tests.support.faults import faulty, throttled
from tests.support.rows import ACCEPTED, NOW, POLICY, REFUSED, RETENTION, a_row, an_id, due_since, settled
from tests.support.sweeper import Sweeper
from tocsin.delivery.attempt import FailureClass, Refused
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import Change, Due, Write
from tocsin.storage.notifications.item import decode, encode, salvage
from tocsin.storage.notifications.table import NotificationTable

LIMIT = 400 * 1024
"""Bytes of an item (DynamoDB developer guide, "Quotas")."""


def due_item(**changes: Any) -> dict[str, Any]:
    """Make the item of a due row, with attributes changed, or removed where None is given."""
    item = encode(due_since(a_row(), NOW), RETENTION) | changes
    return {name: value for name, value in item.items() if value is not None}


MALFORMED: dict[str, dict[str, Any]] = {
    "no message": {"message": None},
    "no retry_count": {"retry_count": None},
    "no updated_at": {"updated_at": None},
    "no creation": {"created_key": None, "created_shard": None},
    "status of the future": {"status": {"S": "snoozed"}},
    "channel of the future": {"channel": {"S": "Carrier Pigeon"}},
    "mistyped count": {"retry_count": {"S": "two"}},
    "mistyped claim": {"claimed_until": {"S": "soon"}},
    "no claim": {"claimed_until": None},
    "history of another form": {"attempts": {"S": "[[1]]"}},
    "history nested too deep": {"attempts": {"S": "[" * 100_000}},
    "future version": {"version": {"N": "2"}},
    "odd version": {"version": {"S": "one"}},
    "due at no time": {"next_retry_at": {"S": "0"}},
    "due at a short time": {"next_retry_at": {"S": "2026-01-01T00:00:00Z"}},
    "nothing but its place in the index": dict.fromkeys(
        encode(a_row(), RETENTION).keys() - {"id", "due_shard", "next_retry_at"}
    ),
}


@pytest.fixture
def bystanders(database: Database) -> list[Notification]:
    rows = [due_since(a_row(), NOW - timedelta(seconds=n)) for n in range(-1, 3)][1:]
    database.fill(rows)
    return rows


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_row_that_can_not_be_read_is_dead_with_a_reason_and_the_rest_goes_on(
    database: Database, bystanders: list[Notification], case: str
) -> None:
    """I8, I2: it leaves the due rows by the write that makes it dead."""
    broken = due_item(**MALFORMED[case])
    database.put(broken)
    sweeper = Sweeper(database)
    swept = await sweeper.sweep()
    assert swept is not None
    assert (swept.backlog, swept.settled, swept.buried) == (4, 3, 1)
    assert isinstance(sweeper.sender, FakeSender)
    assert sorted(sweeper.sender.got) == sorted(row.id for row in bystanders)
    id_ = broken["id"]["S"]
    item = database.item(id_)
    assert (item["status"], salvage(item).last_error is not None) == ({"S": "dead"}, True)
    assert not {"due_shard", "next_retry_at", "claim_token"} & item.keys()
    assert id_ not in database.indexed("due")
    assert id_ in database.indexed("dead")
    again = await sweeper.sweep()
    assert again is not None
    assert (again.backlog, again.buried) == (0, 0)
    buried = database.table.get(id_)
    database.table.replace(Change(buried, buried.acknowledged(NOW)))
    assert database.indexed("dead") == set(), "it can be acknowledged: else the alarm would stand for ever"


async def test_unknown_attributes_stay_where_they_are(database: Database) -> None:
    """Faults: a later release may have added them."""
    database.put(item := due_item(colour={"S": "red"}, tags={"SS": ["a", "b"]}))
    await Sweeper(database).sweep()
    stored = database.item(item["id"]["S"])
    assert (stored["status"], stored["colour"], stored["tags"]) == ({"S": "sent"}, {"S": "red"}, {"SS": ["a", "b"]})


def test_a_row_is_buried_once(database: Database) -> None:
    """I7: dead is counted once, however often the stream or the index brings it."""
    items = [due_item(message=None), due_item(message=None, due_shard=None, next_retry_at=None)]
    for item in items:
        database.put(item)
        row = salvage(item)
        change = Change(row, row.buried("message is missing", NOW))
        assert [database.table.write_status(change) for _ in range(3)] == [Write.DONE, Write.LOST, Write.LOST]


def test_a_row_that_was_mended_meanwhile_is_not_buried(database: Database) -> None:
    broken = due_item(message=None)
    database.put(broken)
    mended = settled(decode(broken | {"message": {"S": "here it is"}}), REFUSED)
    database.put(encode(mended, RETENTION))
    row = salvage(broken)
    assert database.table.write_status(Change(row, row.buried("message is missing", NOW))) is Write.LOST
    assert database.table.get(mended.id) == mended


async def test_burying_that_fails_stops_no_other_row(database: Database, bystanders: list[Notification]) -> None:
    """I8: throttled while it buries one row, a sweep still sends the others; the next sweep buries it."""
    database.put(broken := due_item(message=None))
    sweeper = Sweeper(database)
    sweeper.table = _ThrottledBurial(database.client, database.name, RETENTION)
    swept = await sweeper.sweep()
    assert swept is not None
    assert (swept.settled, swept.buried) == (3, 0)
    sweeper.table = database.table
    swept = await sweeper.sweep()
    assert swept is not None
    assert (swept.settled, swept.buried) == (0, 1)
    assert database.item(broken["id"]["S"])["status"] == {"S": "dead"}


class _ThrottledBurial(NotificationTable):
    """As if DynamoDB refused the one UpdateItem of a burial."""

    def write_status(self, change: Change) -> Write:
        throttled = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}

        def refuse(**_rest: Any) -> None:
            raise ClientError(throttled, "UpdateItem")  # type: ignore[arg-type]  # what botocore raises

        self._client.meta.events.register("before-call.dynamodb.UpdateItem", refuse)
        try:
            return super().write_status(change)
        finally:
            self._client.meta.events.unregister("before-call.dynamodb.UpdateItem", refuse)


def of_size(size: int, row: Notification) -> dict[str, Any]:
    """Make the item of `row` that many bytes large, by its message."""
    item = encode(row, RETENTION)
    message = item["message"]["S"]
    return item | {"message": {"S": message + "x" * (size - item_size(item))}}


@pytest.mark.parametrize("free", [0, 20, 40, 100, 600])
@pytest.mark.parametrize("answer", [REFUSED, Refused(FailureClass.RETRYABLE, "x" * 600, 503), ACCEPTED])
async def test_a_row_near_400_kb_ends_all_the_same(database: Database, free: int, answer: Any) -> None:
    """Faults: a status-only write: it still dies. Even where there is no room for the claim, or for the reason."""
    row = due_since(a_row(), NOW)
    database.put(of_size(LIMIT - free, row))
    sweeper = Sweeper(database, FakeSender.always(answer))
    for _ in range(6):
        await sweeper.sweep()
        sweeper.clock.forward(hours=1)
    now = database.table.get(row.id)
    assert now.status in (Status.DEAD, Status.SENT)
    assert now.status is Status.SENT or now.last_error
    assert database.indexed("due") == set()


@pytest.mark.parametrize(
    "at", [NOW - timedelta(hours=1), NOW - timedelta(seconds=1), NOW], ids=["first", "amid", "last"]
)
async def test_a_row_without_room_costs_those_in_its_batch_nothing(
    database: Database, bystanders: list[Notification], at: datetime
) -> None:
    """I8: however a batch with such a row fails, the others in it are sent, and recorded, at once."""
    more = due_since(a_row(), NOW)
    database.fill([more])
    full = due_since(a_row(), at)
    database.put(of_size(LIMIT, full))
    sweeper = Sweeper(database)
    await sweeper.sweep()
    assert isinstance(sweeper.sender, FakeSender)
    assert sorted(sweeper.sender.got) == sorted(row.id for row in (*bystanders, more))
    assert {database.table.get(row.id).status for row in (*bystanders, more)} == {Status.SENT}
    assert database.table.get(full.id).status is Status.DEAD


@pytest.mark.parametrize("free", [0, 40, 100])
async def test_a_row_near_400_kb_that_can_not_be_read_ends_all_the_same(database: Database, free: int) -> None:
    broken = of_size(LIMIT - free, due_since(a_row(), NOW)) | {"retry_count": {"S": ""}}
    database.put(broken)
    await Sweeper(database).sweep()
    assert database.item(broken["id"]["S"])["status"] == {"S": "dead"}
    assert database.indexed("due") == set()


async def test_what_fills_a_row_need_not_be_text(database: Database) -> None:
    item = encode(due_since(a_row(), NOW), RETENTION)
    database.put(item | {"blob": {"B": b"x" * (LIMIT - item_size(item) - len("blob"))}})
    sweeper = Sweeper(database)
    await sweeper.sweep()
    row = database.table.get(item["id"]["S"])
    assert (row.status, row.message) == (Status.DEAD, item["message"]["S"])
    assert isinstance(sweeper.sender, FakeSender)
    assert sweeper.sender.got == []


@pytest.mark.parametrize("operation", ["UpdateItem", "GetItem"])
def test_a_step_into_a_full_row_that_is_throttled_is_nobodys_loss(database: Database, operation: str) -> None:
    row = due_since(a_row(), NOW)
    database.put(of_size(LIMIT, row))
    with faulty(database.client, operation, throttled()):
        verdict = database.table.write_status(Change(row, settled(row, REFUSED)))
    assert verdict is Write.UNAVAILABLE
    assert database.table.get(row.id).status is Status.PENDING


class _StaleIndex(NotificationTable):
    """An index that lags: entries missing, of rows that are gone or done, repeated, in disorder."""

    def __init__(self, database: Database, hints: Sequence[Due]) -> None:
        super().__init__(database.client, database.name, RETENTION)
        self.hints = list(hints)

    def due(self, now: datetime, limit: int, shards: Iterable[int] = ()) -> list[Due]:
        return self.hints


async def test_stale_index_entries_change_nothing(database: Database) -> None:
    """Faults: missing, ghost, repeated, reordered. Only the guard on the base row decides."""
    due, missing = due_since(a_row(), NOW), due_since(a_row(), NOW)
    done, dead = settled(a_row(), ACCEPTED), settled(a_row(), Refused(FailureClass.PERMANENT, "no", 400))
    later = settled(a_row(), REFUSED)
    claimed = due_since(a_row(), NOW).claimed("elsewhere", NOW + timedelta(minutes=5), NOW)
    requeued = dead.requeued(NOW, POLICY)
    rows = [due, missing, done, dead, later, claimed, replace(requeued, id=an_id())]
    database.fill(rows)
    hinted = [row.id for row in (done, due, later, dead, claimed, rows[-1], due)]
    sweeper = Sweeper(database)
    sweeper.table = _StaleIndex(database, [Due(NOW, id_) for id_ in ["ghost", *hinted]])
    swept = await sweeper.sweep()
    assert swept is not None
    assert (swept.settled, swept.left, swept.buried) == (1, 0, 0)
    assert isinstance(sweeper.sender, FakeSender)
    assert sweeper.sender.got == [due.id]
    assert [database.table.get(row.id) for row in rows if row is not due] == [row for row in rows if row is not due]
    sweeper.table = database.table
    await sweeper.sweep()
    assert sweeper.sender.got == [due.id, missing.id], "what the index had missed comes with the next sweep"
