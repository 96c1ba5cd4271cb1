"""The data of the dashboard's graphs: one time axis for each, and a value or a gap at each of its points."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tocsin_cli.console.dashboard import Graph, Series

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricDataResultTypeDef

HOURS = (1, 3, 12, 24, 168)
"""The spans that can be chosen."""
_PERIODS = ((3, 60), (12, 300), (24, 300), (168, 3600))
"""Up to so many hours, a point stands for so many seconds: 180 points, and never more than 288."""
_QUERIES = 500
"""In one GetMetricData (CloudWatch API reference)."""
_COUNTS = {"Sum", "SampleCount"}
"""Statistics for which no data means none: an event that did not happen writes no metric."""


@dataclass(frozen=True)
class Line:
    """One line as it is drawn."""

    label: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Drawn:
    """A graph and its data; `times` are seconds since 1970."""

    title: str
    unit: str
    counts: bool
    """Whether its values are counts of events in each period."""
    period: int
    times: Sequence[int]
    lines: Sequence[Line]
    marks: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class _Asked:
    graph: int
    series: Series
    period: int


def drawn(cloudwatch: "CloudWatchClient", graphs: Sequence[Graph], hours: int, now: datetime) -> list[dict[str, Any]]:
    """Fetch all of it, as JSON. Raises what boto3 raises."""
    asked = [
        _Asked(number, series, max(graph.period, _period(hours)))
        for number, graph in enumerate(graphs)
        for named in graph.series
        for series in _expanded(cloudwatch, named)
    ]
    start = datetime.fromtimestamp(_on_grid(now - timedelta(hours=hours), _period(hours)), UTC)
    found = _fetched(cloudwatch, asked, start, now)
    return [
        asdict(
            _one(
                graph,
                max(graph.period, _period(hours)),
                (start, now),
                [(each.series, found.get(index, {})) for index, each in enumerate(asked) if each.graph == number],
            )
        )
        for number, graph in enumerate(graphs)
    ]


def _on_grid(at: datetime, period: int) -> int:
    """Give the beginning of the period that it is in: CloudWatch's points stand there."""
    return int(at.timestamp()) // period * period


def _period(hours: int) -> int:
    return next(seconds for most, seconds in _PERIODS if hours <= most)


def _expanded(cloudwatch: "CloudWatchClient", series: Series) -> Iterator[Series]:
    """Put in a search's place what it finds: the embedded AWS knows no search, and this asks both the same way."""
    if not series.is_search:
        yield series
        return
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=series.namespace,
        MetricName=series.name,
        Dimensions=[{"Name": name, "Value": value} for name, value in series.dimensions.items()],
    )
    found = [
        {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
        for page in pages
        for metric in page["Metrics"]
    ]
    for dimensions in sorted(found, key=lambda each: sorted(each.items())):
        rest = " ".join(value for name, value in dimensions.items() if name not in series.dimensions)
        label = f"{series.label} {rest}" if series.label else rest
        if rest:
            yield replace(series, dimensions=dimensions, label=label, is_search=False)


def _fetched(
    cloudwatch: "CloudWatchClient", asked: Sequence[_Asked], start: datetime, end: datetime
) -> Mapping[int, Mapping[int, float]]:
    """Give, by number, each series' values by time."""
    found: dict[int, dict[int, float]] = {}
    for first in range(0, len(asked), _QUERIES):
        queries = [_query(first + at, each) for at, each in enumerate(asked[first : first + _QUERIES])]
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                found.setdefault(int(result["Id"][1:]), {}).update(_points(result))
    return found


def _query(number: int, asked: _Asked) -> "MetricDataQueryTypeDef":
    series = asked.series
    return {
        "Id": f"q{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": series.namespace,
                "MetricName": series.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions.items()],
            },
            "Period": asked.period,
            "Stat": series.stat,
        },
    }


def _points(result: "MetricDataResultTypeDef") -> Iterable[tuple[int, float]]:
    pairs = zip(result.get("Timestamps", []), result.get("Values", []), strict=True)
    return ((int(at.timestamp()), value) for at, value in pairs)


def _one(
    graph: Graph,
    period: int,
    span: tuple[datetime, datetime],
    found: Sequence[tuple[Series, Mapping[int, float]]],
) -> Drawn:
    first, last = (_on_grid(at, period) for at in span)
    times = range(first, last + 1, period)
    lines = [
        Line(series.label or series.name, [_value(values, at, series, is_over=at < last) for at in times])
        for series, values in found
        if values
    ]
    counts = all(series.stat in _COUNTS for series in graph.series)
    return Drawn(graph.title, graph.unit, counts, period, list(times), lines, graph.lines)


def _value(values: Mapping[int, float], at: int, series: Series, *, is_over: bool) -> float | None:
    return values.get(at, 0.0 if series.stat in _COUNTS and is_over else None)
