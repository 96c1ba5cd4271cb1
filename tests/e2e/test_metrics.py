"""What operators look at has data: the alarms' metrics are the ones that the functions emit, the dashboard's too."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.receiver import Receiver, answers
from local.stack import Stack
from tests.docs.template import resources
from tests.e2e.test_life import created, is_now, seen
from tests.support.waiting import until

pytestmark = pytest.mark.e2e
ALARMED = {
    *("DeadLetterDepth", "OldestDueAge", "SweepDuration", "SkippedNoChannel"),
    *("ExpiryCheckDuration", "SourceSyncDuration", "ChannelsHeld", "CircuitsOpen", "Complaints"),
}
NOT_HERE = {"CircuitsOpen", "Complaints"}
"""A destination that hangs for half a minute, and a complaint by SES: the functions' own tests see these written."""
STORY = {"Delivered", "AttemptFailed", "Dead", "DeliveryLatency", "DeadLetterDepth", "OldestDueAge", "SweepDuration"}
"""What a death and a delivery must show up in."""


def published(stack: Stack) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Name and dimensions of every metric of ours that CloudWatch has."""
    pages = stack.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace="Tocsin")
    return {
        (metric["MetricName"], frozenset((dimension["Name"], dimension["Value"]) for dimension in metric["Dimensions"]))
        for page in pages
        for metric in page["Metrics"]
    }


def read_by_alarms(stack: Stack) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Ours; by the template: the embedded AWS has no alarms on metric math."""
    alarms = resources("AWS::CloudWatch::Alarm").values()
    queried = [
        query["MetricStat"]["Metric"] for one in alarms for query in one.get("Metrics", []) if "MetricStat" in query
    ]
    ours = [metric for metric in (*alarms, *queried) if metric.get("Namespace") == "Tocsin"]
    assert all(metric["Dimensions"] == [{"Name": "service", "Value": "AWS::StackName"}] for metric in ours)
    return {(metric["MetricName"], frozenset({("service", stack.name)})) for metric in ours}


def fails_for_a_while(stack: Stack, receiver: Receiver) -> None:
    """Make a sweep find something due: what is nothing isn't published."""
    receiver.behaviour = answers(503)
    row = created(stack, recipient=receiver.url())
    until(lambda: seen(stack, row["id"]), is_right=lambda row: bool(row["retry_count"] >= 2))


def test_every_alarm_reads_a_metric_that_is_published(stack: Stack, receiver: Receiver) -> None:
    """Contract 3.3 [S]: CloudWatch metrics count the dead; 2.6 [T]: an alarm stands on the skipped ones."""
    fails_for_a_while(stack, receiver)
    receiver.behaviour = answers(410)
    is_now(stack, created(stack, recipient=receiver.url())["id"], "dead")
    is_now(stack, created(stack, channel="Teams")["id"], "sent")
    document = json.dumps({"url": receiver.url("/revoked")})
    name = f"/{stack.name}/channels/Slack/held"
    stack.client("ssm").put_parameter(Name=name, Value=document, Type="SecureString", Overwrite=True)
    created(stack, channel="Slack:held")
    wanted = read_by_alarms(stack)
    assert {name for name, _ in wanted} == ALARMED
    wanted = {metric for metric in wanted if metric[0] not in NOT_HERE}
    until(lambda: wanted - published(stack), is_right=lambda missing: not missing)


def test_the_dead_letter_depth_rises_with_a_death(stack: Stack, receiver: Receiver) -> None:
    """Faults, I7: the gauge is counted anew by each sweep."""
    receiver.behaviour = answers(410)
    is_now(stack, created(stack, recipient=receiver.url())["id"], "dead")
    until(lambda: highest(stack, "DeadLetterDepth"), is_right=lambda depth: depth >= 1)


def highest(stack: Stack, name: str) -> float:
    at = datetime.now(UTC)
    answer: Any = stack.client("cloudwatch").get_metric_statistics(
        Namespace="Tocsin",
        MetricName=name,
        Dimensions=[{"Name": "service", "Value": stack.name}],
        StartTime=at - timedelta(minutes=10),
        EndTime=at + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )
    return max((point["Maximum"] for point in answer["Datapoints"]), default=0.0)


def test_the_dashboard_s_metrics_have_data(stack: Stack, receiver: Receiver) -> None:
    """Design 4: deliveries, failures and deaths by channel, depth, due age, latency, sweep duration."""
    fails_for_a_while(stack, receiver)
    receiver.behaviour = answers(410)
    is_now(stack, created(stack, recipient=receiver.url())["id"], "dead")
    receiver.behaviour = answers(204)
    is_now(stack, created(stack, recipient=receiver.url())["id"], "sent")
    webhook = frozenset({("service", stack.name), ("channel", "Webhook")})
    whole = frozenset({("service", stack.name)})
    wanted = {metric for metric in on_the_dashboard(stack) if metric[0] in STORY and metric[1] in (webhook, whole)}
    assert {name for name, _ in wanted} == STORY
    until(lambda: wanted - published(stack), is_right=lambda missing: not missing)


def on_the_dashboard(stack: Stack) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    body = json.loads(stack.client("cloudwatch").get_dashboard(DashboardName=stack.name)["DashboardBody"])
    shown = set()
    for widget in body["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):  # a search, by channel
                searched = metric[0]["expression"].partition('MetricName="')[2].partition('"')[0]
                shown.add((searched, frozenset({("service", stack.name), ("channel", "Webhook")})))
                continue
            parts = [part for part in metric if isinstance(part, str)]
            if parts[:1] == ["Tocsin"]:
                shown.add((parts[1], frozenset(zip(parts[2::2], parts[3::2], strict=True))))
    return shown
