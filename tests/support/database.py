"""DynamoDB Local with the table of template.yaml, and what tests look at in it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from botocore.config import Config

from build.template import template
from tests.support.rows import RETENTION
from tocsin.delivery.notification import Notification
from tocsin.storage.notifications.item import encode
from tocsin.storage.notifications.lists import NotificationLists
from tocsin.storage.notifications.table import NotificationTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AWS = {"AWS_ACCESS_KEY_ID": "tocsintests", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


def _definition() -> dict[str, Any]:
    properties = template()["Resources"]["Notifications"]["Properties"]
    return {
        name: properties[name]
        for name in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    }


@cache
def _session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
        region_name=AWS["AWS_DEFAULT_REGION"],
    )


@contextmanager
def a_client(endpoint: str, attempts: int = 1) -> Iterator["DynamoDBClient"]:
    """Connect. `attempts`: how often botocore tries each call."""
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, max_pool_connections=50)
    client = _session().client("dynamodb", endpoint_url=endpoint, config=config)
    try:
        yield client
    finally:
        client.close()


@dataclass(frozen=True)
class Database:
    """One table, fresh for one test."""

    endpoint: str
    client: "DynamoDBClient"
    name: str

    @property
    def table(self) -> NotificationTable:
        return self.table_with(self.client)

    def table_with(self, client: "DynamoDBClient") -> NotificationTable:
        return NotificationTable(client, self.name, RETENTION)

    @property
    def lists(self) -> NotificationLists:
        return NotificationLists(self.client, self.name)

    def item(self, id_: str) -> dict[str, Any]:
        """Read an item as it is stored."""
        return dict(self.client.get_item(TableName=self.name, Key={"id": {"S": id_}}, ConsistentRead=True)["Item"])

    def put(self, item: dict[str, Any]) -> None:
        """Store an item whatever it holds."""
        self.client.put_item(TableName=self.name, Item=item)

    def fill(self, rows: Iterable[Notification]) -> None:
        """Store many rows at once."""
        puts: list[Any] = [{"PutRequest": {"Item": encode(row, RETENTION)}} for row in rows]
        for start in range(0, len(puts), 25):
            self.client.batch_write_item(RequestItems={self.name: puts[start : start + 25]})

    def items(self) -> list[dict[str, Any]]:
        """Read everything."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        return [dict(item) for page in pages for item in page["Items"]]

    def indexed(self, index: str) -> set[str]:
        """Name the rows that are in an index."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.name, IndexName=index)
        return {item["id"]["S"] for page in pages for item in page["Items"]}


@contextmanager
def a_database(endpoint: str) -> Iterator[Database]:
    """Make the table, with a name of its own, and remove it in the end."""
    name = f"notifications-{uuid4().hex}"
    with a_client(endpoint) as client:
        client.create_table(TableName=name, **_definition())
        yield Database(endpoint, client, name)
        client.delete_table(TableName=name)


@contextmanager
def counted_calls(client: "DynamoDBClient") -> Iterator[Counter[str]]:
    """Count the requests that `client` sends, by operation."""
    calls: Counter[str] = Counter()

    def count(event_name: str, **_rest: Any) -> None:
        calls[event_name.rpartition(".")[2]] += 1

    client.meta.events.register("before-send.dynamodb.*", count)
    yield calls
    client.meta.events.unregister("before-send.dynamodb.*", count)


def item_size(item: dict[str, Any]) -> int:
    """Bytes of an item (DynamoDB developer guide, "Item sizes and formats"): names, text, and digits two to a byte."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: dict[str, Any]) -> int:
    (kind, content), *_ = value.items()
    if kind == "N":
        digits = str(content).lstrip("-").replace(".", "").strip("0")
        return (len(digits) + 1) // 2 + 1 + str(content).startswith("-")
    return len(content.encode() if isinstance(content, str) else content)
