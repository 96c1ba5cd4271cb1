"""CloudWatch, as far as the alarms need it: metrics by the functions' own lines, alarms by the template's words."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.alarms import Sample, state_of
from local.metrics_bridge import data
from tests.docs.template import resources
from tests.support.emf import Blob

Metric = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions."""


@dataclass
class CloudWatch:
    """What was put, and what the alarms of one stack make of it."""

    stack: str
    samples: dict[Metric, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def hear(self, lines: Iterable[Blob], at: datetime) -> None:
        """Take lines of EMF, as of the time that the test's clock shows."""
        for line in lines:
            for namespace, datum in data(line.raw):
                dimensions = {one["Name"]: one["Value"] for one in datum.get("Dimensions", ())}
                for value in datum.get("Values", ()):
                    self.put(namespace, datum["MetricName"], dimensions, float(value), at)

    def put(self, namespace: str, name: str, dimensions: Mapping[str, str], value: float, at: datetime) -> None:
        """Put what a service of AWS says of itself."""
        self.samples[namespace, name, frozenset(dimensions.items())].append(Sample.of(at.timestamp(), value))

    def state(self, alarm: str, now: datetime) -> str:
        """Say what the alarm of this logical name is."""
        said = self.alarm(alarm)
        queries = said.get("Metrics") or [{"Id": "", "MetricStat": {"Metric": said}}]
        metrics = {one["Id"]: one["MetricStat"]["Metric"] for one in queries if "MetricStat" in one}
        return state_of(said, {id_: self._samples_of(metric) for id_, metric in metrics.items()}, now.timestamp())

    def alarm(self, name: str) -> Mapping[str, Any]:
        """Give the alarm's properties as the template has them."""
        return resources("AWS::CloudWatch::Alarm")[name]

    def dimensions(self, alarm: str, query: int | None = None) -> dict[str, str]:
        """Give the dimensions of the metric that it reads: of the query in that place, if it has several."""
        said = self.alarm(alarm)
        return self._dimensions(said if query is None else said["Metrics"][query]["MetricStat"]["Metric"])

    def _samples_of(self, metric: Mapping[str, Any]) -> list[Sample]:
        key = (metric["Namespace"], metric["MetricName"], frozenset(self._dimensions(metric).items()))
        return self.samples.get(key, [])

    def _dimensions(self, metric: Mapping[str, Any]) -> dict[str, str]:
        return {one["Name"]: self._rendered(one["Value"]) for one in metric.get("Dimensions", ())}

    def _rendered(self, value: Any) -> str:
        """Read a reference: the stack's name, or the name of what is referred to; of a choice, what is by default."""
        last = value[-1] if isinstance(value, list) else value
        return self.stack if last == "AWS::StackName" else str(last)
