"""The bridge is CloudWatch's stand-in: it must count what CloudWatch would count, once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.metrics_bridge import MetricsBridge, data, emf

LINE = {
    "_aws": {
        "Timestamp": 1_767_323_045_000,
        "CloudWatchMetrics": [
            {
                "Namespace": "Tocsin",
                "Dimensions": [["service"], ["service", "channel"]],
                "Metrics": [{"Name": "Delivered", "Unit": "Count"}, {"Name": "DeliveryLatency", "Unit": "Seconds"}],
            }
        ],
    },
    "service": "tocsin",
    "channel": "Email",
    "Delivered": [2],
    "DeliveryLatency": [0.5, 1.5],
}


class FakeAws:
    """Log streams that grow, pages of two events, and a note of every datum put."""

    def __init__(self, *messages: str) -> None:
        self.messages = list(messages)
        self.put: list[Any] = []

    def client(self, _service: str) -> "FakeAws":
        return self

    name = "tocsin"

    def get_paginator(self, operation: str) -> "FakeAws":
        self.operation = operation
        return self

    def paginate(self, **_named: str) -> Iterator[Any]:
        if self.operation == "describe_log_groups":
            yield {"logGroups": [{"logGroupName": "/aws/lambda/tocsin-api"}]}
        else:
            yield {"logStreams": [{"logStreamName": "one"}]}

    def get_log_events(self, nextToken: str = "0", **_named: object) -> Any:  # noqa: N803 - AWS's name
        start = int(nextToken)
        page = self.messages[start : start + 2]
        return {"events": [{"message": message} for message in page], "nextForwardToken": str(start + len(page))}

    def put_metric_data(self, *, Namespace: str, MetricData: list[Any]) -> None:  # noqa: N803 - AWS's names
        assert Namespace == "Tocsin"
        self.put += MetricData


def bridge(aws: FakeAws, state_dir: Path) -> MetricsBridge:
    return MetricsBridge(aws, state_dir)  # type: ignore[arg-type]  # as much of a Stack as the bridge uses


def test_a_datum_for_each_metric_under_each_set_of_dimensions() -> None:
    said = [datum for _, datum in data(LINE)]
    assert [(datum["MetricName"], len(datum["Dimensions"])) for datum in said] == [
        ("Delivered", 1),
        ("DeliveryLatency", 1),
        ("Delivered", 2),
        ("DeliveryLatency", 2),
    ]
    assert said[3]["Values"] == [0.5, 1.5]
    assert said[3]["Unit"] == "Seconds"


@pytest.mark.parametrize(
    "message",
    [
        "START RequestId: 1",
        '{"message": "swept"}',
        '{"message": "a \\"CloudWatchMetrics\\" in a text"}',
        '["CloudWatchMetrics"]',
        '{"_aws": "CloudWatchMetrics"}',
        '{"_aws": "CloudWatchMetrics", "CloudWatchMetrics": 1',  # cut off
    ],
)
def test_other_lines_are_no_metrics(message: str) -> None:
    assert emf(message) is None


def test_each_line_counts_once(tmp_path: Path) -> None:
    aws = FakeAws(json.dumps(LINE), "START", json.dumps(LINE))
    reader = bridge(aws, tmp_path)
    assert [reader.once(), reader.once()] == [2, 0]
    aws.messages += ["END", json.dumps(LINE)]
    assert reader.once() == 1
    assert len(aws.put) == 3 * 4


def test_a_new_bridge_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    aws = FakeAws(json.dumps(LINE))
    assert bridge(aws, tmp_path).once() == 1
    assert bridge(aws, tmp_path).once() == 0
