"""Circuits and the rows that wait for them. A circuit is one item beside the notifications.

While somebody must look at it, it is in the index `due`, in a partition of its own kind: so the sweep finds it without
searching. The rows that wait for it are in partitions of the same index that have its name.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from tocsin.delivery.circuit import Circuit, State
from tocsin.delivery.snapshot import COUNTED
from tocsin.delivery.store import Due
from tocsin.storage.codec import COUNT, INSTANT, TEXT, Codec, Column, Form, milliseconds, required, timestamp
from tocsin.storage.notifications.item import partitions
from tocsin.storage.paging import batch_get

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LISTED = "circuits"
"""The partition of the index `due` with the circuits that somebody must look at."""
_PREFIX = "circuit#"
_KEPT = timedelta(days=30)
"""How long what is known of a destination stays after the last that was heard of it."""
_WINDOW_KEPT = timedelta(hours=1)

_CIRCUIT = Codec(
    Circuit,
    (
        required("name", TEXT, ""),
        required("version", COUNT, 0),
        required("state", Form("S", str, State), State.CLOSED),
        Column("since", INSTANT),
        Column("reason", TEXT),
        Column("looks", COUNT, 0),
        Column("look_at", INSTANT, attribute="next_retry_at"),
        Column("delivered_at", INSTANT),
        Column("failed_at", INSTANT),
        Column("last_error", TEXT),
    ),
)


class CircuitTable:
    """The circuits in the Notifications table. Methods block; they raise ClientError for what is not listed."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the table's name."""
        self._client = client
        self._table = table

    def read(self, names: Collection[str]) -> Mapping[str, Circuit]:
        """Read those that there are."""
        found = batch_get(self._client, self._table, [_key(name) for name in dict.fromkeys(names)])
        circuits = (_CIRCUIT.salvage(item) for item in found if "state" in item)
        return {circuit.name: circuit for circuit in circuits}

    def write(self, after: Circuit) -> Circuit:
        """Write a step of the version that it was made of; give what is stored now, which another may have written."""
        written = replace(after, version=after.version + 1)
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_item(written),
                ConditionExpression="attribute_not_exists(version) OR version = :version",
                ExpressionAttributeValues={":version": {"N": str(after.version)}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return self.read([after.name]).get(after.name, after)
        return written

    def note(self, circuit: Circuit) -> None:
        """Write the latest delivery and failure of a circuit, and nothing else of it."""
        item = _item(circuit)
        names = ("delivered_at", "failed_at", "last_error", "expires_at_epoch")
        news: dict[str, Any] = {name: item[name] for name in names if name in item}
        blank = {name: item[name] for name in ("name", "state", "version")}  # where there was no item yet
        sets = [f"#{name} = :{name}" for name in news]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in blank]
        values: dict[str, Any] = {**news, **blank}
        self._client.update_item(
            TableName=self._table,
            Key=_key(circuit.name),
            UpdateExpression=f"SET {', '.join(sets)}",
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )

    def reserve(self, name: str, minute: datetime, count: int) -> int:
        """Add to the messages of a minute, and say how many there were before."""
        answer = self._client.update_item(
            TableName=self._table,
            Key={"id": {"S": f"rate#{name}#{timestamp(minute)}"}},
            UpdateExpression="ADD used :count SET expires_at_epoch = :kept",
            ExpressionAttributeValues={
                ":count": {"N": str(count)},
                ":kept": {"N": str(int((minute + _WINDOW_KEPT).timestamp()))},
            },
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["used"]["N"]) - count

    def to_look_at(self, now: datetime, limit: int) -> list[Circuit]:
        """Give up to `limit` circuits that somebody must look at by `now`, and all that are not closed."""
        found = self.listed(limit)
        return [circuit for circuit in found if not circuit.is_closed or (circuit.look_at and circuit.look_at <= now)]

    def waiting(self, name: str, limit: int) -> list[Due]:
        """Give hints of up to `limit` rows that wait for a circuit, in their order: critical ones first."""
        urgent, others = ([self._waiting_in(part, limit) for part in parts] for parts in partitions(name))
        in_order = (merge(*found, key=lambda hint: (hint.at, hint.id)) for found in (urgent, others))
        return list(islice(chain.from_iterable(in_order), limit))

    def listed(self, limit: int) -> list[Circuit]:
        """Give up to `limit` circuits that somebody looks at."""
        answer = self._client.query(
            TableName=self._table,
            IndexName="due",
            KeyConditionExpression="due_shard = :listed",
            ExpressionAttributeValues={":listed": {"S": _LISTED}},
            Limit=limit,
        )
        names = [item["id"]["S"].removeprefix(_PREFIX) for item in answer["Items"]]
        return list(self.read(names).values()) if names else []

    def count_waiting(self, name: str) -> int:
        """Count the rows that wait for a circuit, up to COUNTED."""
        count = 0
        for partition in chain.from_iterable(partitions(name)):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName="due",
                Select="COUNT",
                KeyConditionExpression="due_shard = :shard",
                ExpressionAttributeValues={":shard": {"S": partition}},
                PaginationConfig={"PageSize": COUNTED - count},
            )
            for page in pages:
                count += page["Count"]
                if count >= COUNTED:
                    return COUNTED
        return count

    def _waiting_in(self, partition: str, limit: int) -> list[Due]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="due",
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": partition}},
            PaginationConfig={"PageSize": min(limit, 1000), "MaxItems": limit},
        )
        return [
            Due(INSTANT.read(item["next_retry_at"]["S"]), item["id"]["S"]) for page in pages for item in page["Items"]
        ]


def _key(name: str) -> dict[str, Any]:
    return {"id": {"S": f"{_PREFIX}{name}"}}


def _item(circuit: Circuit) -> dict[str, Any]:
    """Write a circuit. One that waits for nothing goes in time, when nothing more is heard of it."""
    item = {**_key(circuit.name), **_CIRCUIT.encode(circuit)}
    if circuit.look_at is not None:
        return item | {"due_shard": {"S": _LISTED}}
    heard = max((at for at in (circuit.since, circuit.delivered_at, circuit.failed_at) if at), default=None)
    return item if heard is None else item | {"expires_at_epoch": {"N": str(milliseconds(heard + _KEPT) // 1000)}}
