"""Counting costs the same however much there is to count."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.database import Database, counted_calls
from tests.support.rows import NOW
from tocsin.delivery.snapshot import COUNTED
from tocsin.storage.codec import shard_of, sort_key
from tocsin.storage.notifications.item import SHARDS

pytestmark = pytest.mark.dynamodb_local

DEAD = 100_000
READ_UNITS = COUNTED * 130 / 4096 / 2
"""What counting to the bound may read: keys of at most 130 bytes, two 4 KB to a unit (DynamoDB, "Read consumption")."""


def dead_keys(number: int) -> dict[str, Any]:
    """The attributes of a dead row that its index has, and no others: a hundred thousand whole rows take minutes."""
    id_ = f"01J{number:023}"
    return {
        "id": {"S": id_},
        "dead_shard": {"S": shard_of(id_, SHARDS)},
        "died_key": {"S": sort_key(NOW, id_)},
    }


def fill(database: Database, count: int) -> None:
    """Write many dead keys, 25 a call, on threads."""

    def write(start: int) -> None:
        puts: Any = [{"PutRequest": {"Item": dead_keys(start + n)}} for n in range(25)]
        answer = database.client.batch_write_item(RequestItems={database.name: puts})
        assert not answer["UnprocessedItems"]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(0, count, 25)))


def test_a_hundred_thousand_dead_letters_are_counted_for_the_price_of_ten_thousand(database: Database) -> None:
    """Contract 3.2 [S]: the count, of which a sweep every two minutes and every summary make one."""
    fill(database, DEAD)
    units: list[float] = []

    def with_capacity(params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def seen(parsed: dict[str, Any], **_: Any) -> None:
        units.append(parsed["ConsumedCapacity"]["CapacityUnits"])

    events = database.client.meta.events
    events.register("provide-client-params.dynamodb.Query", with_capacity)
    events.register("after-call.dynamodb.Query", seen)
    with counted_calls(database.client) as calls:
        assert database.table.count_dead() == COUNTED
    assert calls["Query"] <= SHARDS
    assert sum(units) <= READ_UNITS, units


def test_what_is_less_is_counted_exactly(database: Database) -> None:
    fill(database, 1_000)
    assert database.table.count_dead() == 1_000
