"""What the stack's own CloudWatch dashboard is made of: graphs, and widgets that its functions answer.

The body is the one that the stack deploys (CloudWatch API reference, "Dashboard body structure and syntax").
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SEARCH = re.compile(r"""SEARCH\('\{(?P<namespace>[^,}]+)(?:,[^}]*)?\}\s*(?P<terms>[^']*)'\s*,\s*'(?P<stat>[^']+)'""")
_TERM = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Series:
    """One line of a graph: one metric, or all that a search finds."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    stat: str
    label: str | None
    is_search: bool = False
    """Whether the dimensions are a part of the metric's, so that it stands for several."""


@dataclass(frozen=True)
class Graph:
    """One metric widget."""

    title: str
    period: int
    """Seconds; the shortest that is asked for."""
    series: tuple[Series, ...]
    unit: str
    """What the axis says, or nothing."""
    lines: tuple[tuple[str, float], ...]
    """Horizontal annotations: label and value."""


@dataclass(frozen=True)
class Widget:
    """One custom widget: a function's answer."""

    title: str
    params: Mapping[str, Any]
    height: int
    """In the dashboard's units; the tallest is the one that an operator works in."""
    refreshes: bool
    """Whether it is asked anew by itself, as CloudWatch would."""


def graphs(body: Mapping[str, Any]) -> list[Graph]:
    """Read the metric widgets, in the order in which they are seen."""
    return [_graph(found.get("properties") or {}) for found in _of_type(body, "metric")]


def widgets(body: Mapping[str, Any]) -> list[Widget]:
    """Read the custom widgets, in the order in which they are seen."""
    return [
        Widget(
            properties.get("title", ""),
            properties.get("params") or {},
            found.get("height", 6),
            bool((properties.get("updateOn") or {}).get("refresh", True)),
        )
        for found in _of_type(body, "custom")
        for properties in [found.get("properties") or {}]
    ]


def _of_type(body: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    found = [widget for widget in body.get("widgets", []) if widget.get("type") == kind]
    return sorted(found, key=lambda widget: (widget.get("y", 0), widget.get("x", 0)))


def _graph(properties: Mapping[str, Any]) -> Graph:
    axis = (properties.get("yAxis") or {}).get("left") or {}
    annotations = (properties.get("annotations") or {}).get("horizontal") or []
    return Graph(
        properties.get("title", ""),
        int(properties.get("period", 300)),
        tuple(_series(properties.get("metrics", []), properties.get("stat", "Average"))),
        axis.get("label", ""),
        tuple((line.get("label", ""), float(line["value"])) for line in annotations if "value" in line),
    )


def _series(metrics: Iterable[list[Any]], stat: str) -> Iterator[Series]:
    """Read the metrics; what is neither a metric nor a search for metrics is left out."""
    for metric in metrics:
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        names = [part for part in metric if isinstance(part, str)]
        if len(names) >= 2 and len(names) % 2 == 0:  # noqa: PLR2004 - namespace and name, then pairs
            dimensions = dict(zip(names[2::2], names[3::2], strict=True))
            yield Series(names[0], names[1], dimensions, options.get("stat", stat), options.get("label"))
        elif found := _SEARCH.match(options.get("expression", "")):
            terms = dict(_TERM.findall(found["terms"]))
            name = terms.pop("MetricName", "")
            yield Series(found["namespace"], name, terms, found["stat"], options.get("label"), is_search=True)
