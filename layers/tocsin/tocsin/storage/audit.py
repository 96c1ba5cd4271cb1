"""The Audit table: append-only. Newest first by resource, by action, or all together."""

from typing import TYPE_CHECKING, Any

from tocsin.inventory.audit import AuditEvent, AuditFilters
from tocsin.storage.codec import EPOCH, INSTANT, TEXT, Codec, Item, json_form, required, shard_of, sort_key, timestamp
from tocsin.storage.paging import HIGHEST, LOWEST, Index, Page, Reader, page

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_EVENT = Codec(
    AuditEvent,
    (
        required("id", TEXT, ""),
        required("at", INSTANT, EPOCH),
        required("action", TEXT, ""),
        required("resource", TEXT, ""),
        required("actor", TEXT, ""),
        required("detail", json_form(dict, dict), {}),
    ),
)
SHARDS = 4
"""Partitions of `by_time`, and of each action in `by_action`."""
_KEYS = ("resource", "at_key")
_OF_RESOURCE = Index(None, "resource", "at_key", _KEYS)
_BY_ACTION = Index("by_action", "action_shard", "at_key", _KEYS)
_BY_TIME = Index("by_time", "time_shard", "at_key", _KEYS)


class AuditTrail:
    """Writes and reads the trail of one stack."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        """Use `client` (low-level) and the table's `name`."""
        self._client = client
        self._name = name

    def appending(self, event: AuditEvent) -> dict[str, Any]:
        """Give the action that appends `event` in a transaction. A line of the trail is never written over."""
        condition = "attribute_not_exists(at_key)"
        return {"Put": {"TableName": self._name, "Item": event_item(event), "ConditionExpression": condition}}

    def append(self, event: AuditEvent) -> None:
        """Append `event` by itself; a second try of the same call finds it there, and is content."""
        self._client.put_item(TableName=self._name, Item=event_item(event))

    def page(self, filters: AuditFilters, limit: int, after: str | None) -> Page[AuditEvent]:
        """Give up to `limit` events behind the key `after`, newest first."""
        index, partitions = _way(filters)
        lowest = timestamp(filters.after) if filters.after else LOWEST
        highest = timestamp(filters.before) if filters.before else HIGHEST
        bounds = (lowest, highest)
        reader = Reader(self._client, self._name, index, partitions, bounds=bounds, is_forward=False)
        return page(reader, _EVENT.salvage, filters.match, limit, after)


def _way(filters: AuditFilters) -> tuple[Index, tuple[str, ...]]:
    """Choose the index that leaves the fewest events to look at, and its partitions."""
    if filters.resource is not None:
        return _OF_RESOURCE, (filters.resource,)
    if filters.action is not None:
        return _BY_ACTION, tuple(f"{filters.action}#{shard}" for shard in range(SHARDS))
    return _BY_TIME, tuple(str(shard) for shard in range(SHARDS))


def event_item(event: AuditEvent) -> Item:
    """Write an event with its keys."""
    shard = shard_of(event.id, SHARDS)
    keys = {
        "at_key": sort_key(event.at, event.id),
        "action_shard": f"{event.action}#{shard}",
        "time_shard": shard,
    }
    return _EVENT.encode(event) | {name: {"S": value} for name, value in keys.items()}
