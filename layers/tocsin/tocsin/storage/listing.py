"""Lists of notifications, newest first: a walk down an index that does bounded work and can always go on.

An index is split into shards, and `by_created` into months besides, so one page is a merge of the newest keys of each
shard. Keys are unique and never change while a row is in the index, so a page boundary is a key: rows that change
underneath neither repeat nor hide others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

from tocsin.filters import Filters
from tocsin.notification import Notification, Status
from tocsin.storage.cursor import Position
from tocsin.storage.notifications import NotificationTable
from tocsin.storage.rows import SHARDS, month_shard, salvage, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FIRST_MONTH = "2026-01"
"""No row is older than the first release; where a walk without `created_after` ends."""
_ROUNDS = 8
"""Partition families (or stretches of one) that one request visits; each costs a query a shard."""
_STRETCH = 100
"""Rows that a filtered list examines in a round: one BatchGetItem."""
_HIGHEST = "~"  # sorts after every timestamp


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and where the next ones begin: null at the end. A page may be empty and still have a next one."""

    rows: tuple[Notification, ...]
    after: Position | None


@dataclass(frozen=True, slots=True)
class _Index:
    """An index to walk down."""

    name: str
    hash: str
    range: str
    is_monthly: bool

    def partition(self, month: str, shard: int) -> str:
        return month_shard(month, str(shard)) if self.is_monthly else str(shard)


_BY_CREATED = _Index("by_created", "created_shard", "created_key", is_monthly=True)
_DEAD = _Index("dead", "dead_shard", "died_key", is_monthly=False)


class NotificationLists:
    """Reads pages of one table."""

    def __init__(self, client: "DynamoDBClient", name: str, table: NotificationTable) -> None:
        """Query with `client` the table called `name`; read rows through `table`."""
        self._client = client
        self._name = name
        self._table = table

    def page(self, filters: Filters, limit: int, position: Position | None, now: datetime) -> Page:
        """Give up to `limit` rows behind `position`: dead letters by time of death, all others by creation."""
        index = _DEAD if filters.status is Status.DEAD else _BY_CREATED
        rows: list[Notification] = []
        place = position or _start(index, filters, now)
        for _ in range(_ROUNDS):
            wanted = _STRETCH if filters.are_selective else limit - len(rows)
            keys = self._newest(index, place, wanted, filters)
            for key, row in self._rows(keys):
                place = Position(place.partition, key)
                rows += [row] if filters.match(row) else []
                if len(rows) == limit:
                    return Page(tuple(rows), place)
            if len(keys) < wanted:
                older = _older(index, place.partition, filters)
                if older is None:
                    return Page(tuple(rows), None)
                place = Position(older, _HIGHEST)
            elif keys:
                place = Position(place.partition, keys[-1][0])
        return Page(tuple(rows), place)

    def _newest(self, index: _Index, place: Position, count: int, filters: Filters) -> Sequence[tuple[str, str]]:
        """Give (key, id) of the `count` newest behind `place`, over all shards of its partition family."""
        shards = [
            self._newest_in(index, index.partition(place.partition, shard), place.key, count, filters)
            for shard in range(SHARDS)
        ]
        return list(islice(merge(*shards, reverse=True), count))

    def _newest_in(
        self, index: _Index, partition: str, before: str, count: int, filters: Filters
    ) -> list[tuple[str, str]]:
        floor = timestamp(filters.created_after) if filters.created_after and index.is_monthly else "0"
        answer: Any = self._client.query(
            TableName=self._name,
            IndexName=index.name,
            KeyConditionExpression="#hash = :partition AND #range BETWEEN :floor AND :before",
            ExpressionAttributeNames={"#hash": index.hash, "#range": index.range},
            ExpressionAttributeValues={
                ":partition": {"S": partition},
                ":floor": {"S": floor},
                ":before": {"S": before},
            },
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


def _start(index: _Index, filters: Filters, now: datetime) -> Position:
    if not index.is_monthly:
        return Position("", _HIGHEST)
    if filters.created_before:
        return Position(timestamp(filters.created_before)[:7], timestamp(filters.created_before))
    return Position(timestamp(now + timedelta(days=1))[:7], _HIGHEST)  # a day: a writer's clock may be ahead


def _older(index: _Index, month: str, filters: Filters) -> str | None:
    """Give the month before, or nothing where the walk ends."""
    floor = max(FIRST_MONTH, timestamp(filters.created_after)[:7]) if filters.created_after else FIRST_MONTH
    if not index.is_monthly or month <= floor:
        return None
    year, number = int(month[:4]), int(month[5:7])
    return f"{year - 1}-12" if number == 1 else f"{year}-{number - 1:02}"
