"""Turns the functions' EMF log lines into metrics, as CloudWatch does and the embedded AWS does not.

Each line counts once: a log stream is append-only, and the token after the last page read from it is kept on disk.
`up` runs this in the background: `python -m local.metrics_bridge STATE_DIRECTORY`.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import EndpointConnectionError

from local.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsRequestTypeDef, LogStreamTypeDef

INTERVAL = 1.0  # seconds between passes
LATE = 300_000  # ms; how much older than the newest event one may be that is still to come
BATCH = 500  # data in one PutMetricData; CloudWatch takes 1,000


class MetricsBridge:
    """Reads the log streams of one stack's functions to their ends, again and again.

    Each cold start opens a stream, so there are many: one without an event for a while is not looked at again.
    """

    def __init__(self, stack: Stack, state_dir: Path) -> None:
        """Positions are kept in the state directory, so that a second bridge goes on where the first one ended."""
        self._logs: CloudWatchLogsClient = stack.client("logs")
        self._cloudwatch: CloudWatchClient = stack.client("cloudwatch")
        self._prefix = f"/aws/lambda/{stack.name}-"
        self._file = state_dir / "metrics-bridge.json"
        kept: dict[str, Any] = json.loads(
            self._file.read_text() if self._file.exists() else '{"newest": 0, "positions": {}}'
        )
        self._newest: int = kept["newest"]
        self._positions: dict[str, str] = kept["positions"]
        self._sizes: dict[str, int] = {}

    def once(self) -> int:
        """Bring the metrics up to date; how many EMF lines were new."""
        found, seen, newest = 0, set(), self._newest
        for group, stream in self._streams():
            key = f"{group} {stream['logStreamName']}"
            seen.add(key)
            newest = max(newest, stream["lastEventTimestamp"])
            if self._sizes.get(key) != stream["storedBytes"]:
                found += self._read(group, stream["logStreamName"], key)
                self._sizes[key] = stream["storedBytes"]
        self._newest = newest
        self._positions = {key: position for key, position in self._positions.items() if key in seen}
        self._sizes = {key: size for key, size in self._sizes.items() if key in seen}
        return found

    def _streams(self) -> "Iterator[tuple[str, LogStreamTypeDef]]":
        """Every stream with an event that may be new."""
        for page in self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._prefix):
            for group in page["logGroups"]:
                name = group["logGroupName"]
                yield from ((name, stream) for stream in takewhile(self._is_recent, self._newest_first(name)))

    def _newest_first(self, group: str) -> "Iterator[LogStreamTypeDef]":
        pages = self._logs.get_paginator("describe_log_streams").paginate(
            logGroupName=group, orderBy="LastEventTime", descending=True
        )
        return (stream for page in pages for stream in page["logStreams"] if "lastEventTimestamp" in stream)

    def _is_recent(self, stream: "LogStreamTypeDef") -> bool:
        return stream["lastEventTimestamp"] >= self._newest - LATE

    def _read(self, group: str, stream: str, key: str) -> int:
        found = 0
        while True:
            page = self._logs.get_log_events(**self._next_page(group, stream, key))
            if not page["events"]:
                return found
            lines = [line for event in page["events"] if (line := emf(event["message"])) is not None]
            found += len(lines)
            self._publish(lines)
            self._positions[key] = page["nextForwardToken"]
            self._file.write_text(json.dumps({"newest": self._newest, "positions": self._positions}))

    def _next_page(self, group: str, stream: str, key: str) -> "GetLogEventsRequestTypeDef":
        """A stream without a position is new, or was left alone for so long that all its old events are counted."""
        named: GetLogEventsRequestTypeDef = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        if key in self._positions:
            return {**named, "nextToken": self._positions[key]}
        return {**named, "startTime": max(0, self._newest - LATE)}

    def _publish(self, lines: list[Mapping[str, Any]]) -> None:
        by_namespace: dict[str, list[MetricDatumTypeDef]] = {}
        for line in lines:
            for namespace, datum in data(line):
                by_namespace.setdefault(namespace, []).append(datum)
        for namespace, all_data in by_namespace.items():
            for start in range(0, len(all_data), BATCH):
                self._cloudwatch.put_metric_data(Namespace=namespace, MetricData=all_data[start : start + BATCH])


def emf(message: str) -> Mapping[str, Any] | None:
    """A log line in the embedded metric format, read; None if it is another one."""
    if '"CloudWatchMetrics"' not in message:
        return None
    try:
        line = json.loads(message)
    except ValueError:
        return None
    match line:
        case {"_aws": {"CloudWatchMetrics": [*_]}}:
            return cast("Mapping[str, Any]", line)
        case _:
            return None


def data(line: Mapping[str, Any]) -> "Iterator[tuple[str, MetricDatumTypeDef]]":
    """What the line says: a datum for each metric under each of its sets of dimensions, with its namespace."""
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                yield (
                    directive["Namespace"],
                    {
                        "MetricName": metric["Name"],
                        "Dimensions": [{"Name": name, "Value": str(line[name])} for name in dimensions],
                        "Timestamp": line["_aws"]["Timestamp"] / 1000,
                        "Values": value if isinstance(value, list) else [value],
                        "Unit": metric.get("Unit", "None"),
                    },
                )


def main(arguments: list[str]) -> int:
    """Run until the embedded AWS is gone."""
    state_dir = Path(arguments[0])
    bridge = MetricsBridge(Stack.read(state_dir), state_dir)
    while True:
        try:
            bridge.once()
        except EndpointConnectionError:
            return 0
        time.sleep(INTERVAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
