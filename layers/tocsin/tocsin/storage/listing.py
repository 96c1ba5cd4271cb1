"""Lists of notifications, newest first: a walk down an index that does bounded work and can always go on.

An index is split into shards, so one page is a merge of the newest keys of each. Keys are unique and never change while
a row is in the index, so a place in a list is a key: rows that change underneath neither repeat nor hide others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

from tocsin.filters import Filters
from tocsin.notification import Notification, Status
from tocsin.storage.notifications import NotificationTable
from tocsin.storage.rows import SHARDS, salvage, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ROUNDS = 8
"""Stretches of the index that one request examines; each costs a query a shard and a BatchGetItem."""
_STRETCH = 100
"""Rows of a stretch: one BatchGetItem."""
_LOWEST, _HIGHEST = "0", "~"  # sort before and after every timestamp


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and the key behind which the next ones begin: null at the end.

    A page of a filtered list may be empty and still have a next one.
    """

    rows: tuple[Notification, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class _Index:
    """An index to walk down: its name and its key attributes."""

    name: str
    hash: str
    range: str


_BY_CREATED = _Index("by_created", "created_shard", "created_key")
_DEAD = _Index("dead", "dead_shard", "died_key")


class NotificationLists:
    """Reads pages of one table."""

    def __init__(self, client: "DynamoDBClient", name: str, table: NotificationTable) -> None:
        """Query with `client` the table called `name`; read rows through `table`."""
        self._client = client
        self._name = name
        self._table = table

    def page(self, filters: Filters, limit: int, after: str | None) -> Page:
        """Give up to `limit` rows behind the key `after`: dead letters by time of death, all others by creation."""
        index = _DEAD if filters.status is Status.DEAD else _BY_CREATED
        lowest, place = _bounds(index, filters)
        place = after or place
        rows: list[Notification] = []
        for _ in range(_ROUNDS):
            wanted = _STRETCH if filters.are_selective else limit - len(rows)
            keys = self._newest(index, lowest, place, wanted)
            for key, row in self._rows(keys):
                rows += [row] if filters.match(row) else []
                if len(rows) == limit:
                    return Page(tuple(rows), key)
            if len(keys) < wanted:
                return Page(tuple(rows), None)
            place = keys[-1][0]
        return Page(tuple(rows), place)

    def _newest(self, index: _Index, lowest: str, before: str, count: int) -> Sequence[tuple[str, str]]:
        """Give (key, id) of the `count` newest before a key, over all shards."""
        shards = [self._newest_in(index, str(shard), lowest, before, count) for shard in range(SHARDS)]
        return list(islice(merge(*shards, reverse=True), count))

    def _newest_in(self, index: _Index, shard: str, lowest: str, before: str, count: int) -> list[tuple[str, str]]:
        answer: Any = self._client.query(
            TableName=self._name,
            IndexName=index.name,
            KeyConditionExpression="#hash = :shard AND #range BETWEEN :lowest AND :before",
            ExpressionAttributeNames={"#hash": index.hash, "#range": index.range},
            ExpressionAttributeValues={":shard": {"S": shard}, ":lowest": {"S": lowest}, ":before": {"S": before}},
            ScanIndexForward=False,
            Limit=count + 1,  # BETWEEN includes `before`, which was seen already
        )
        found = [(item[index.range]["S"], item["id"]["S"]) for item in answer["Items"]]
        return [pair for pair in found if pair[0] != before][:count]

    def _rows(self, keys: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Notification]]:
        """Read the rows of `keys`, in order; those that are gone by now are left out."""
        fetched = self._table.fetch([id_ for _, id_ in keys])
        rows = {row.id: row for row in (*fetched.rows, *(salvage(found.item) for found in fetched.malformed))}
        return ((key, rows[id_]) for key, id_ in keys if id_ in rows)


def _bounds(index: _Index, filters: Filters) -> tuple[str, str]:
    """Give the lowest and the highest key that can match."""
    if index is _DEAD:
        return _LOWEST, _HIGHEST
    lowest = timestamp(filters.created_after) if filters.created_after else _LOWEST
    return lowest, timestamp(filters.created_before) if filters.created_before else _HIGHEST
