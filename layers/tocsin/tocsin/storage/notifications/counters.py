"""How many notifications came to each state, ever, by channel: items that are only added to, in no index.

A count is written once a run, for each channel that the run touched: one write unit. So it is no part of a row's own
writes, and approximate: a worker that dies before it adds loses its run's counts, and an addition whose answer never
came may be made twice. docs/decisions/counters-in-the-table.md says why.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Status
from tocsin.errors import StorageUnavailableError
from tocsin.storage.codec import Item
from tocsin.storage.paging import batch_get

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_CHANNELS = 100
"""Channels that are counted by name. Whoever may create notifications may invent names: these are one label, OTHER."""
OTHER = "other"
_NAMES = "counts"


class Counts:
    """The counters of one stack."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Keep them in the Notifications table."""
        self._client = client
        self._table = table
        self._labels: dict[ChannelName, str] = {}

    def add(self, reached: Mapping[tuple[ChannelName, Status], int]) -> None:
        """Add how many notifications of a channel came to a state; raise StorageUnavailableError."""
        by_label: dict[str, dict[Status, int]] = defaultdict(lambda: defaultdict(int))
        try:
            for (channel, status), count in reached.items():
                by_label[self._label(channel)][status] += count
            for label, counts in by_label.items():
                self._add(label, counts)
        except (ClientError, BotoCoreError) as error:
            raise StorageUnavailableError(f"counting: {error}") from error

    def read(self) -> dict[tuple[str, Status], int]:
        """Give all counts, by label and state; raise StorageUnavailableError."""
        try:
            labels = [*self._names(), OTHER]
            items = batch_get(self._client, self._table, [_key(label) for label in labels], is_consistent=False)
        except (ClientError, BotoCoreError) as error:
            raise StorageUnavailableError(f"reading counts: {error}") from error
        return {
            (item["id"]["S"].removeprefix(f"{_NAMES}#"), status): int(item[status]["N"])
            for item in items
            for status in Status
            if status in item
        }

    def _add(self, label: str, counts: Mapping[Status, int]) -> None:
        named = {f"#{status}": str(status) for status in counts}
        added = ", ".join(f"#{status} :{status}" for status in counts)
        self._client.update_item(
            TableName=self._table,
            Key=_key(label),
            UpdateExpression=f"ADD {added}",
            ExpressionAttributeNames=named,
            ExpressionAttributeValues={f":{status}": {"N": str(count)} for status, count in counts.items()},
        )

    def _label(self, channel: ChannelName) -> str:
        """Say under which label a channel counts; ask once for each, in the life of this process."""
        if channel not in self._labels:
            is_known = channel in self._names() or self._enter(channel)
            self._labels[channel] = channel if is_known else OTHER
        return self._labels[channel]

    def _names(self) -> list[str]:
        found: Item = self._client.get_item(TableName=self._table, Key={"id": {"S": _NAMES}}).get("Item", {})
        return sorted(found.get("channels", {}).get("SS", ()))

    def _enter(self, channel: ChannelName) -> bool:
        """Give a channel a label of its own, while there are few; tell whether it has one."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": _NAMES}},
                UpdateExpression="ADD channels :one",
                ConditionExpression="attribute_not_exists(channels) OR contains(channels, :name) "
                "OR size(channels) < :most",
                ExpressionAttributeValues={
                    ":one": {"SS": [channel]},
                    ":name": {"S": channel},
                    ":most": {"N": str(MOST_CHANNELS)},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _key(label: str) -> Item:
    return {"id": {"S": f"{_NAMES}#{label}"}}
