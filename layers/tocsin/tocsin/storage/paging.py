"""A walk along an index: bounded work a page, and a place to go on from.

An index may be split over partitions, so a page is a merge of the next keys of each. A place is a key; it is behind the
last row that was looked at, whether that row was wanted or not.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tocsin.storage.codec import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOWEST, HIGHEST = "!", "~~"  # sort before and after every key
_ROUNDS = 8
"""Stretches that one page examines; each costs a query a partition and a BatchGetItem."""
_STRETCH = 100
"""Rows of a stretch, the first one excepted: one BatchGetItem."""

_SPREAD = 4
"""Keys that a partition is asked for beyond its share: rows are not spread evenly."""

_SMALL = 4096
"""Characters of a row that need no closer look: at seven bytes each, a hundred such rows are still no large answer."""
ANSWER_LIMIT = 4_500_000
"""Bytes at which a page ends: with the last row's, it stays below the 6 MB that Lambda answers with (Lambda quotas)."""

Row = TypeVar("Row")
Bounds = tuple[str, str]
"""The lowest key that can match, and one that is above every key that can."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and the key behind which the next ones begin: null at the end.

    A page of a filtered list may be empty and still have a next one.
    """

    rows: tuple[Row, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Index:
    """An index and its key attributes; without a name it is the table itself, whose keys are the last ones."""

    name: str | None
    hash: str
    range: str
    table_keys: tuple[str, ...] = ("pk", "sk")


class Reader:
    """Reads keys of some partitions of an index, and the items behind them."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        index: Index,
        partitions: Sequence[str],
        *,
        bounds: Bounds = (LOWEST, HIGHEST),
        is_forward: bool,
        leads_to: Callable[[Item], dict[str, Any]] | None = None,
    ) -> None:
        """Walk `partitions` together, upwards if `is_forward`.

        `leads_to` gives the key of the row that an item found stands for; null: the item is the row, or of its index.
        """
        self._client = client
        self._table = table
        self._index = index
        self._partitions = partitions
        self._bounds = bounds
        self._is_forward = is_forward
        self._leads_to = leads_to

    def keys(self, place: str | None, count: int) -> list[tuple[str, Item]]:
        """Give the next `count` (key, item of the index) behind `place`.

        Each partition is asked for its share of them, and again only if it has more than that.
        """
        share = count if len(self._partitions) == 1 else -(-count // len(self._partitions)) + _SPREAD
        found = [self._keys_in(partition, place, min(share, count)) for partition in self._partitions]
        merged = merge(*found, key=lambda pair: pair[0], reverse=not self._is_forward)
        return list(islice(merged, count))

    def _keys_in(self, partition: str, place: str | None, share: int) -> Iterator[tuple[str, Item]]:
        """Give all keys of one partition behind `place`, `share` at a time."""
        while True:
            found = self._some_keys_in(partition, place, share)
            yield from found
            if len(found) < share:
                return
            place = found[-1][0]

    def _some_keys_in(self, partition: str, place: str | None, count: int) -> list[tuple[str, Item]]:
        lowest, highest = self._bounds
        if place is not None:
            lowest, highest = (place, highest) if self._is_forward else (lowest, place)
        if lowest > highest:
            return []  # DynamoDB refuses a BETWEEN that is upside down
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#hash = :partition AND #range BETWEEN :lowest AND :highest",
            "ExpressionAttributeNames": {"#hash": self._index.hash, "#range": self._index.range},
            "ExpressionAttributeValues": {
                ":partition": {"S": partition},
                ":lowest": {"S": lowest},
                ":highest": {"S": highest},
            },
            "ScanIndexForward": self._is_forward,
            "Limit": count + 1,  # BETWEEN includes `place`, which was seen already
        }
        request |= {"IndexName": self._index.name} if self._index.name else {"ConsistentRead": True}
        items: list[Any] = self._client.query(**request)["Items"]
        return [(item[self._index.range]["S"], item) for item in items if item[self._index.range]["S"] != place][:count]

    def items(self, found: Iterable[tuple[str, Item]]) -> list[tuple[str, Item]]:
        """Read the whole items of what `keys` gave, in order, without those that are gone."""
        pairs = list(found)
        if self._index.name is None and self._leads_to is None:
            return pairs
        keys = [(place, self._key_behind(item)) for place, item in pairs]
        rows = batch_get(self._client, self._table, [key for _, key in keys])
        whole = {self._identity(row): row for row in rows}
        return [(place, whole[self._identity(key)]) for place, key in keys if self._identity(key) in whole]

    def _key_behind(self, item: Item) -> dict[str, Any]:
        if self._leads_to is not None:
            return self._leads_to(item)
        return {name: item[name] for name in self._index.table_keys}

    def _identity(self, item: Item) -> tuple[str, ...]:
        return tuple(item[name]["S"] for name in self._index.table_keys)


def weight(item: Item) -> int:
    """Give the bytes that a row takes in an answer, which Lambda hands on as JSON in JSON: quotes are escaped twice."""
    texts = "".join(value["S"] for value in item.values() if "S" in value)
    if len(texts) <= _SMALL:
        return len(texts)
    return len(json.dumps(json.dumps(texts, ensure_ascii=False), ensure_ascii=False).encode(errors="replace"))


def page(
    reader: Reader,
    read: Callable[[Item], Row],
    match: Callable[[Row], bool],
    limit: int,
    after: str | None,
    *,
    weigh: Callable[[Item], int] = lambda _item: 0,
) -> Page[Row]:
    """Give up to `limit` rows that `match`, behind the key `after`; fewer where they `weigh` ANSWER_LIMIT."""
    rows: list[Row] = []
    place, stretch, weight = after, limit, 0
    for _ in range(_ROUNDS):
        keys = reader.keys(place, stretch)
        for key, item in reader.items(keys):
            row = read(item)
            if match(row):
                rows.append(row)
                weight += weigh(item)
            if len(rows) == limit or weight >= ANSWER_LIMIT:
                return Page(tuple(rows), key)
        if len(keys) < stretch:
            return Page(tuple(rows), None)
        place, stretch = keys[-1][0], _STRETCH
    return Page(tuple(rows), place)


def every(turn: Callable[[str | None], Page[Row]]) -> Iterator[Row]:
    """Give all rows of a list, page after page; `turn` gives the one behind a key."""
    place: str | None = None
    while True:
        found = turn(place)
        yield from found.rows
        if (place := found.after) is None:
            return


def batch_get(client: "DynamoDBClient", table: str, keys: Sequence[Item], *, is_consistent: bool = False) -> list[Item]:
    """Read many items, 100 a call, in no order, without those that are not there."""
    waiting: list[Any] = list(keys)
    found: list[Item] = []
    while waiting:
        wanted: Any = {"Keys": waiting[:100], "ConsistentRead": is_consistent}
        answer = client.batch_get_item(RequestItems={table: wanted})
        found += answer["Responses"].get(table, [])
        waiting = [*answer.get("UnprocessedKeys", {}).get(table, {"Keys": []})["Keys"], *waiting[100:]]
    return found
