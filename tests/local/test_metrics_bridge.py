"""The bridge is CloudWatch's stand-in: it must count what CloudWatch would count, once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.metrics_bridge import MetricsBridge, data, emf

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
    """Log streams that grow, newest first; pages of two events; a note of every datum put, and of every stream read."""

    name = "tocsin"

    def __init__(self) -> None:
        self.streams: dict[str, list[Any]] = {}
        self.put: list[Any] = []
        self.reads: list[str] = []

    def log(self, stream: str, *messages: str, at: int) -> None:
        self.streams.setdefault(stream, []).extend({"message": message, "timestamp": at} for message in messages)

    def client(self, _service: str) -> "FakeAws":
        return self

    def get_paginator(self, operation: str) -> "FakeAws":
        self.operation = operation
        return self

    def paginate(self, **_named: object) -> Iterator[Any]:
        if self.operation == "describe_log_groups":
            yield {"logGroups": [{"logGroupName": "/aws/lambda/tocsin-api"}]}
            return
        described = [
            {"logStreamName": name, "lastEventTimestamp": events[-1]["timestamp"], "storedBytes": len(events)}
            for name, events in self.streams.items()
        ]
        yield {"logStreams": sorted(described, key=lambda stream: stream["lastEventTimestamp"], reverse=True)}

    def get_log_events(self, logStreamName: str, nextToken: str = "", startTime: int = 0, **_named: object) -> Any:  # noqa: N803 - AWS's names
        self.reads.append(logStreamName)
        events = self.streams[logStreamName]
        first = next((place for place, event in enumerate(events) if event["timestamp"] >= startTime), len(events))
        start = int(nextToken) if nextToken else first
        page = events[start : start + 2]
        return {"events": page, "nextForwardToken": str(start + len(page))}

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


SAID = json.dumps(LINE)
HOUR = 3_600_000  # ms


def test_each_line_counts_once(tmp_path: Path) -> None:
    aws = FakeAws()
    aws.log("one", SAID, "START", SAID, at=1)
    reader = bridge(aws, tmp_path)
    assert [reader.once(), reader.once()] == [2, 0]
    aws.log("one", "END", SAID, at=2)
    assert reader.once() == 1
    assert len(aws.put) == 3 * 4


def test_a_new_bridge_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    aws = FakeAws()
    aws.log("one", SAID, at=1)
    assert bridge(aws, tmp_path).once() == 1
    assert bridge(aws, tmp_path).once() == 0


def test_a_stream_that_has_not_grown_is_not_read(tmp_path: Path) -> None:
    """There is one for each cold start: reading them all each second would take a core."""
    aws = FakeAws()
    aws.log("one", SAID, at=1)
    reader = bridge(aws, tmp_path)
    reader.once()
    aws.reads.clear()
    aws.log("two", SAID, at=2)
    assert reader.once() == 1
    assert set(aws.reads) == {"two"}


def test_a_stream_that_wakes_after_hours_counts_its_new_lines_only(tmp_path: Path) -> None:
    aws = FakeAws()
    reader = bridge(aws, tmp_path)
    aws.log("sleeper", SAID, at=1)
    assert reader.once() == 1
    aws.log("other", SAID, at=HOUR)
    assert reader.once() == 1
    aws.log("other", SAID, at=HOUR + 1)
    assert reader.once() == 1, "the sleeper's position is forgotten by now"
    aws.log("sleeper", SAID, at=2 * HOUR)
    assert reader.once() == 1
    assert bridge(aws, tmp_path).once() == 0
