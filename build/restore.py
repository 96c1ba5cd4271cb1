"""Bring a stack's tables back as they were: `python -m build.restore STACK 2026-03-01T03:00:00Z`, or `latest`.

DynamoDB restores into a table of another name, without stream, TTL, recovery and protection (its developer guide,
"Point-in-time recovery"). This puts them back, and prints the parameters with which the stack uses the new tables.

What was owed then may have been delivered since. Where the old table can still be read, a row that is owed in the new
one and done in the old one is taken over as it is there, so that nobody gets it again.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TimeToLiveSpecificationTypeDef, WaiterConfigTypeDef

PARAMETERS = {
    "NotificationsTable": "NOTIFICATIONS_TABLE_NAME",
    "InventoryTable": "INVENTORY_TABLE_NAME",
    "AuditTable": "AUDIT_TABLE_NAME",
}
"""The stack's outputs that name its tables, and the parameters, as make takes them, that name others instead."""
TTL: "TimeToLiveSpecificationTypeDef" = {"AttributeName": "expires_at_epoch", "Enabled": True}
SHARDS = 8
OWED = ("pending", "failed")
PATIENT: "WaiterConfigTypeDef" = {"Delay": 10, "MaxAttempts": 2160}  # seconds, times: large tables take hours


def restore(dynamodb: "DynamoDBClient", outputs: Mapping[str, str], at: datetime | None) -> dict[str, str]:
    """Restore the tables that `outputs` name to the instant `at`, or the latest; the parameters that adopt them."""
    suffix = f"{at or datetime.now(UTC):%Y%m%dT%H%M%S}"
    names = {output: f"{re.sub(r'-[0-9]{8}T[0-9]{6}$', '', outputs[output])}-{suffix}" for output in PARAMETERS}
    when: Any = {"UseLatestRestorableTime": True} if at is None else {"RestoreDateTime": at}
    for output, name in names.items():  # all at once: each takes as long as it takes
        dynamodb.restore_table_to_point_in_time(SourceTableName=outputs[output], TargetTableName=name, **when)
    for output, name in names.items():
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig=PATIENT)
        is_protected = dynamodb.describe_table(TableName=outputs[output])["Table"].get(
            "DeletionProtectionEnabled", False
        )
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=is_protected)
        dynamodb.get_waiter("table_exists").wait(TableName=name)
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    stream = _with_stream_and_ttl(dynamodb, names["NotificationsTable"])
    adopted = {PARAMETERS[output]: name for output, name in names.items()}
    return adopted | {"NOTIFICATIONS_STREAM_ARN": stream}


def _with_stream_and_ttl(dynamodb: "DynamoDBClient", table: str) -> str:
    """The stream of a table that had none."""
    stream: Any = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    described = dynamodb.update_table(TableName=table, StreamSpecification=stream)["TableDescription"]
    dynamodb.get_waiter("table_exists").wait(TableName=table)
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=TTL)
    return described["LatestStreamArn"]


def take_over_what_is_done(dynamodb: "DynamoDBClient", old: str, new: str) -> int:
    """Replace rows that are owed in `new` by those of `old`, where they are done there; how many were."""
    count = 0
    for keys in _hundreds(_owed(dynamodb, new)):
        wanted: dict[str, Any] = {old: {"Keys": keys, "ConsistentRead": True}}
        while wanted:
            answer = dynamodb.batch_get_item(RequestItems=wanted)
            for item in answer["Responses"].get(old, []):
                if item["status"]["S"] not in OWED:
                    dynamodb.put_item(TableName=new, Item=item)
                    count += 1
            wanted = dict(answer.get("UnprocessedKeys", {}))
    return count


def _owed(dynamodb: "DynamoDBClient", table: str) -> Iterator[dict[str, Any]]:
    """The keys of all rows that are owed: those in the index `due`."""
    for shard in range(SHARDS):
        pages = dynamodb.get_paginator("query").paginate(
            TableName=table,
            IndexName="due",
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": str(shard)}},
        )
        yield from ({"id": item["id"]} for page in pages for item in page["Items"])


def _hundreds(keys: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """As many as one BatchGetItem takes."""
    gathered = list(keys)
    yield from (gathered[start : start + 100] for start in range(0, len(gathered), 100))


def main() -> int:
    """Restore the tables of a stack."""
    stack, instant = sys.argv[1:]
    at = None if instant == "latest" else datetime.fromisoformat(instant)
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}
    dynamodb = boto3.client("dynamodb")
    adopted = restore(dynamodb, outputs, at)
    done = take_over_what_is_done(dynamodb, outputs["NotificationsTable"], adopted["NOTIFICATIONS_TABLE_NAME"])
    print(f"{done} notifications were delivered, or ended, after that: taken over as they are.", file=sys.stderr)
    print(" ".join(f"{name}={value}" for name, value in adopted.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
