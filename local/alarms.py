"""How CloudWatch evaluates an alarm on a metric, or on the metric math that template.yaml uses: a small model of it.

The embedded AWS has one of its own, which never takes an alarm back once its metric falls silent, and knows no math.
This one follows the CloudWatch user guide: "Evaluating an alarm" (M out of N), "Configuring how CloudWatch alarms treat
missing data" (the evaluation range, and its two tables, which a test holds it to), "Using math expressions" (FILL, SUM,
METRICS). It is run by the embedded AWS too, whose interpreter has nothing of Tocsin: standard library only.

Simpler than CloudWatch: periods are counted back from the instant of the evaluation, where CloudWatch aligns them; and
the range is two periods longer than what is evaluated, as in the tables, where CloudWatch does not say how long it is.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOOK_BACK = 2
"""Periods before those that are evaluated from which CloudWatch takes data where newer ones are missing."""
ALARM, OK = "ALARM", "OK"
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_TREATED = {"breaching": True, "notBreaching": False}
Value = float | None
"""Of one period; null: there is no datum."""


class NotModelledError(Exception):
    """The alarm has something that this model does not know."""


@dataclass(frozen=True)
class Sample:
    """What was put at one instant: seconds since 1970, how many values, their sum, the lowest and the highest."""

    at: float
    count: float
    total: float
    low: float
    high: float

    @classmethod
    def of(cls, at: float, value: float) -> "Sample":
        """Make one of a single value."""
        return cls(at, 1.0, value, value, value)


def judged(breaching: Sequence[bool | None], of: int, to_alarm: int, missing: str) -> str:
    """Judge the data of an evaluation range, oldest first: True breaches, null is missing.

    If enough are there, the newest `of` are judged; else what is missing counts as `missing` says, as seldom as may be.
    """
    if missing not in _TREATED:
        raise NotModelledError(f"TreatMissingData: {missing}")
    known = [one for one in breaching if one is not None]
    filled = known[-of:] + [_TREATED[missing]] * (of - len(known))
    return ALARM if sum(filled) >= to_alarm else OK


def per_period(samples: Sequence[Sample], statistic: str, period: float, now: float, count: int) -> list[Value]:
    """Give a statistic of each of the last `count` periods, oldest first."""
    ends = [now - number * period for number in reversed(range(count))]
    return [_statistic([one for one in samples if end - period < one.at <= end], statistic) for end in ends]


def _statistic(samples: Sequence[Sample], name: str) -> Value:
    if not samples:
        return None
    match name:
        case "SampleCount":
            return sum(one.count for one in samples)
        case "Sum":
            return sum(one.total for one in samples)
        case "Maximum":
            return max(one.high for one in samples)
    raise NotModelledError(f"Statistic: {name}")


def state_of(
    alarm: Mapping[str, Any], samples: Mapping[str, Sequence[Sample]], now: float, *, speed: float = 1.0
) -> str:
    """Say what an alarm is at `now`: its properties as PutMetricAlarm takes them, the samples by the query's id.

    An alarm on a single metric has its samples under "". With a `speed` of 60 a period's minute lasts a second.
    """
    of = int(alarm["EvaluationPeriods"])
    count = of + LOOK_BACK
    if alarm.get("Metrics"):
        values = _calculated(alarm["Metrics"], samples, now, count, speed)
    else:
        period = float(alarm["Period"]) / speed
        values = per_period(samples.get("", ()), alarm["Statistic"], period, now, count)
    if None in values[-of:] and "AWS/DynamoDB" in _namespaces(alarm):
        raise NotModelledError("an alarm on AWS/DynamoDB ignores missing data (API reference, PutMetricAlarm)")
    breaches = _COMPARED[alarm["ComparisonOperator"]]
    threshold = float(alarm["Threshold"])
    breaching = [None if value is None else breaches(value, threshold) for value in values]
    return judged(breaching, of, int(alarm.get("DatapointsToAlarm") or of), alarm["TreatMissingData"])


def _namespaces(alarm: Mapping[str, Any]) -> set[str]:
    """Name whose metrics it reads."""
    metrics = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics") or () if "MetricStat" in one]
    return {str(metric.get("Namespace")) for metric in (alarm, *metrics)}


def _calculated(
    queries: Sequence[Mapping[str, Any]], samples: Mapping[str, Sequence[Sample]], now: float, count: int, speed: float
) -> list[Value]:
    """Give the series of the query whose data is returned."""
    series: dict[str, list[Value]] = {}
    for query in queries:
        if "MetricStat" in query:
            stat = query["MetricStat"]
            period = float(stat["Period"]) / speed
            series[query["Id"]] = per_period(samples.get(query["Id"], ()), stat["Stat"], period, now, count)
    (returned,) = (query["Expression"] for query in queries if query.get("ReturnData", True))
    return _series_of(ast.parse(returned, mode="eval").body, series)


def _series_of(node: ast.expr, series: Mapping[str, list[Value]]) -> list[Value]:
    """Calculate FILL(series, number), or SUM of a list of series or of METRICS()."""
    match node:
        case ast.Name(id=name):
            return series[name]
        case ast.Call(func=ast.Name(id="FILL"), args=[of, ast.Constant(value=int() | float() as number)]):
            return [float(number) if value is None else value for value in _series_of(of, series)]
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.Call(func=ast.Name(id="METRICS"), args=[])]):
            return _sum(list(series.values()))
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.List(elts=parts)]):
            return _sum([_series_of(part, series) for part in parts])
    raise NotModelledError(ast.unparse(node))


def _sum(all_series: Sequence[list[Value]]) -> list[Value]:
    """Add up what there is in each period."""
    periods = ([value for value in values if value is not None] for values in zip(*all_series, strict=True))
    return [sum(known) if known else None for known in periods]
