"""What a stack costs in a month in which nothing happens, computed from the template: `python -m build.idle_month`.

On-demand list prices of us-east-1 as published in 2025 (https://aws.amazon.com/pricing/), in dollars, without the free
tier, except that an account's first three dashboards of at most 50 metrics are free.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from build.template import parameter_defaults, template

DAYS = 30
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.20 / 1e6
METRIC = 0.30  # a custom metric with data in every hour
ALARM_METRIC = 0.10
WRITE_UNIT = 0.625 / 1e6
READ_UNIT = 0.125 / 1e6
LOG_GB = 0.50
SNAPSTART_GB_SECOND = 0.0000015046
SNAPSHOTS = {"none": 0, "api": 1, "api and dispatch": 2}

SECONDS = {"RetrySweepFunction": 0.3, "ExpiryCheckFunction": 2.0, "SourceSyncFunction": 2.0}
"""How long a tick takes that finds nothing to do: on AWS, with reads of a few milliseconds each, generously."""
WRITES = 2  # a tick takes its lease and gives it back
READS = (
    20 * 0.5
)  # eight shards of what is due, eight of what is dead, circuits, what to ask services: half each; jobs: 1
LOG_BYTES = 1500  # Lambda's three lines, one of ours, one of metrics


@dataclass(frozen=True)
class Item:
    """One line of the bill."""

    what: str
    how_much: str
    dollars: float


def bill(parameters: Mapping[str, str] | None = None) -> list[Item]:
    """Every line, with the template's defaults where `parameters` names none."""
    return list(_items(template(), {**parameter_defaults(), **(parameters or {})}))


def _items(whole: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[Item]:
    resources: Mapping[str, Any] = whole["Resources"]
    alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    queries = [[query for query in one.get("Metrics", ()) if "MetricStat" in query] for one in alarms]
    watched = sum(len(of_one) or 1 for of_one in queries)
    yield Item("alarms", f"{len(alarms)}, on {watched} metrics", watched * ALARM_METRIC)
    # A metric whose absence is an alarm is written at every tick; all others have no data while nothing happens.
    always = {
        query["MetricStat"]["Metric"]["MetricName"] for of_one in queries for query in of_one if _is_filled(query)
    }
    yield Item("metrics that are always written", str(len(always)), len(always) * METRIC)
    memory = int(whole["Globals"]["Function"]["MemorySize"])
    ticks = 0.0
    for name, seconds in SECONDS.items():
        function = resources[name]["Properties"]
        count = DAYS * 24 * 60 / _minutes(function["Events"]["Tick"]["Properties"]["ScheduleExpression"], given)
        gigabytes = int(function.get("MemorySize", memory)) / 1024
        cost = count * (seconds * gigabytes * LAMBDA_GB_SECOND + LAMBDA_REQUEST)
        ticks += count
        called = name.removesuffix("Function")
        yield Item(f"Lambda, {called}", f"{count:,.0f} ticks of {seconds:g} s and {gigabytes:.2g} GB", cost)
    yield Item("DynamoDB", f"{ticks:,.0f} ticks", ticks * (WRITES * WRITE_UNIT + READS * READ_UNIT))
    yield Item("logs", f"{ticks * LOG_BYTES / 1e6:.0f} MB", ticks * LOG_BYTES / 1e9 * LOG_GB)
    snapshots = SNAPSHOTS[given["SnapStart"]]
    cached = snapshots * memory / 1024 * DAYS * 86_400
    yield Item("SnapStart", f"{snapshots} snapshots", cached * SNAPSTART_GB_SECOND)


def _is_filled(query: Mapping[str, Any]) -> bool:
    return bool(query["MetricStat"]["Stat"] == "SampleCount")


def _minutes(schedule: str, given: Mapping[str, str]) -> float:
    """The interval of `rate(${Parameter})`."""
    (parameter,) = re.findall(r"rate\(\$\{(\w+)\}\)", schedule)
    number, unit = given[parameter].split()
    return float(number) * (60 if unit.startswith("hour") else 1)


def main() -> int:
    """Print the bill."""
    items = bill(dict(argument.split("=", 1) for argument in sys.argv[1:]))
    for item in items:
        print(f"{item.what:34} {item.how_much:40} ${item.dollars:6.2f}")
    print(f"{'together':75} ${sum(item.dollars for item in items):6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
