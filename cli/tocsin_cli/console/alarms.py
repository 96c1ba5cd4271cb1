"""The stack's alarms, those that ring first."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

_ORDER = ("ALARM", "INSUFFICIENT_DATA", "OK")


def of_stack(cloudwatch: "CloudWatchClient", stack: str) -> list[Mapping[str, Any]]:
    """Give name, state, description, reason and since when, as JSON. Raises what boto3 raises."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack}-")
    found = [
        {
            "name": alarm["AlarmName"].removeprefix(f"{stack}-"),
            "state": alarm["StateValue"],
            "description": alarm.get("AlarmDescription", ""),
            "reason": alarm.get("StateReason", ""),
            "since": since.isoformat() if (since := alarm.get("StateUpdatedTimestamp")) else None,
        }
        for page in pages
        for alarm in page.get("MetricAlarms", [])
    ]
    return sorted(found, key=lambda alarm: (_ORDER.index(str(alarm["state"])), str(alarm["name"])))
