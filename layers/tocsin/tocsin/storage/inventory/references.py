"""Who refers to whom: counted in the same transaction as every change, so that nothing in use can be deleted.

A count is an item of its own beside what it counts, and may be there before it: a certificate may name a policy that
does not exist (yet), and then follows the default one.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tocsin.inventory.audit import Kind
from tocsin.storage.inventory.items import REFERENCES, key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHOWN = 10
"""Referrers that a refusal names."""
_INDEX = {
    Kind.OWNER: ("by_owner", "owner_id"),
    Kind.TEAM: ("by_team", "team_id"),
    Kind.POLICY: ("by_policy", "policy_id"),
}


class Reference(NamedTuple):
    """What is referred to."""

    kind: Kind
    id: str


def references(**ids: str | None) -> frozenset[Reference]:
    """Name what is referred to by `owner_id`, `team_id` and `policy_id`; nulls refer to nothing."""
    kinds = {"owner_id": Kind.OWNER, "team_id": Kind.TEAM, "policy_id": Kind.POLICY}
    return frozenset(Reference(kinds[name], id_) for name, id_ in ids.items() if id_ is not None)


def counting(table: str, before: frozenset[Reference], after: frozenset[Reference]) -> list[dict[str, Any]]:
    """Give the actions that count what is referred to no more, and what newly is."""
    steps = Counter(after)
    steps.subtract(before)
    return [_counted(table, reference, step) for reference, step in sorted(steps.items()) if step]


def _counted(table: str, reference: Reference, step: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": key(*reference, REFERENCES),
            "UpdateExpression": "ADD #count :step",
            "ExpressionAttributeNames": {"#count": "count"},
            "ExpressionAttributeValues": {":step": {"N": str(step)}},
        }
    }


def unreferenced(table: str, kind: Kind, id_: str) -> list[dict[str, Any]]:
    """Give the action that removes the count of what is being deleted, on the condition that it is 0."""
    if kind not in _INDEX:
        return []
    return [
        {
            "Delete": {
                "TableName": table,
                "Key": key(kind, id_, REFERENCES),
                "ConditionExpression": "attribute_not_exists(pk) OR #count <= :none",
                "ExpressionAttributeNames": {"#count": "count"},
                "ExpressionAttributeValues": {":none": {"N": "0"}},
            }
        }
    ]


def referrers(client: "DynamoDBClient", table: str, kind: Kind, id_: str) -> tuple[list[str], int]:
    """Name the first few that refer to a thing, as `certificate/<id>`, and count them all."""
    index, attribute = _INDEX[kind]
    answer = client.query(
        TableName=table,
        IndexName=index,
        KeyConditionExpression="#id = :id",
        ExpressionAttributeNames={"#id": attribute},
        ExpressionAttributeValues={":id": {"S": id_}},
        Limit=SHOWN,
    )
    counted = client.get_item(TableName=table, Key=key(kind, id_, REFERENCES), ConsistentRead=True).get("Item", {})
    names = [str(item["pk"]["S"]).replace("#", "/", 1) for item in answer["Items"]]
    return names, max(len(names), int(counted.get("count", {}).get("N", "0")))
