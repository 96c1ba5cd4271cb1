"""Lists of notifications, newest first: dead letters by the time of their death, all others by creation.

Keys are unique and never change while a row is in the index, so a place in a list is a key: rows that change underneath
neither repeat nor hide others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Notification, Status
from tocsin.storage.codec import time_of, timestamp
from tocsin.storage.notifications.item import SHARDS, salvage
from tocsin.storage.paging import HIGHEST, LOWEST, Bounds, Index, Page, Reader, page, weight

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BY_CREATED = Index("by_created", "created_shard", "created_key", ("id",))
_DEAD = Index("dead", "dead_shard", "died_key", ("id",))
_STRETCH = 100
"""Rows that are read in one call."""
_SHARDS = tuple(map(str, range(SHARDS)))


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one look at a list gave: the rows, how many keys were looked at, and the last of these: null at the end."""

    rows: tuple[Notification, ...]
    examined: int
    after: str | None


class NotificationLists:
    """Reads pages of one table."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        """Query with `client` (low-level) the table called `name`."""
        self._client = client
        self._name = name

    def page(self, filters: Filters, limit: int, after: str | None) -> Page[Notification]:
        """Give up to `limit` rows behind the key `after`."""
        index, bounds = (_DEAD, (LOWEST, HIGHEST)) if filters.status is Status.DEAD else (_BY_CREATED, _bounds(filters))
        reader = Reader(self._client, self._name, index, _SHARDS, bounds=bounds, is_forward=False)
        return page(reader, salvage, filters.match, limit, after, weigh=weight)

    def oldest_death(self) -> datetime | None:
        """Say since when the oldest dead letter has been dead; null: there is none."""
        reader = Reader(self._client, self._name, _DEAD, _SHARDS, is_forward=True)
        return next((time_of(key) for key, _item in reader.keys(None, 1)), None)

    def stretch_of_dead(self, after: str | None, count: int) -> Stretch:
        """Give the next of all dead letters behind the key `after`, those that died last first: `count`, 100 at most.

        One that is no longer dead, which the index does not know yet, is none of the rows.
        """
        asked = min(count, _STRETCH)
        reader = Reader(self._client, self._name, _DEAD, _SHARDS, is_forward=False)
        keys = reader.keys(after, asked)
        rows = (salvage(item) for _key, item in reader.items(keys))
        dead = tuple(row for row in rows if row.status is Status.DEAD)
        return Stretch(dead, len(keys), keys[-1][0] if len(keys) == asked else None)

    def keys_of_dead(self, until: datetime, after: str | None, count: int) -> list[tuple[str, str]]:
        """Give the next `count` keys behind `after` of what died by `until`, those that died first first, with the ids.

        Whether a row is still dead, only the row itself says.
        """
        bounds = (LOWEST, _behind(until))
        reader = Reader(self._client, self._name, _DEAD, _SHARDS, bounds=bounds, is_forward=True)
        return [(key, item["id"]["S"]) for key, item in reader.keys(after, count)]

    def count_dead(self, until: datetime, may_go_on: Callable[[], bool]) -> tuple[int, bool]:
        """Count what died by `until`, without reading it; tell whether that is all, or as far as it `may_go_on`."""
        count = 0
        for shard in _SHARDS:
            pages = self._client.get_paginator("query").paginate(
                TableName=self._name,
                IndexName=_DEAD.name or "",
                Select="COUNT",
                KeyConditionExpression="dead_shard = :shard AND died_key < :behind",
                ExpressionAttributeValues={":shard": {"S": shard}, ":behind": {"S": _behind(until)}},
            )
            for page_ in pages:
                count += page_["Count"]
                if not may_go_on():
                    return count, False
        return count, True


def _behind(at: datetime) -> str:
    """Give a key behind all of this instant."""
    return f"{timestamp(at)}~"


def _bounds(filters: Filters) -> Bounds:
    """Give the keys between which a row can have been created."""
    lowest = timestamp(filters.created_after) if filters.created_after else LOWEST
    return lowest, timestamp(filters.created_before) if filters.created_before else HIGHEST
