"""CloudWatch's embedded metric format, as its specification has it (CloudWatch user guide, "Specification: EMF")."""

import json
from dataclasses import dataclass
from typing import Any

from tocsin.observability import NAMESPACE, Metric


@dataclass(frozen=True)
class Blob:
    """One line of metrics."""

    raw: dict[str, Any]

    @property
    def _directive(self) -> dict[str, Any]:
        (directive,) = self.raw["_aws"]["CloudWatchMetrics"]
        return dict(directive)

    @property
    def dimension_sets(self) -> list[list[str]]:
        return list(self._directive["Dimensions"])

    @property
    def dimensions(self) -> dict[str, str]:
        return {name: self.raw[name] for names in self.dimension_sets for name in names}

    @property
    def units(self) -> dict[str, str]:
        return {metric["Name"]: metric["Unit"] for metric in self._directive["Metrics"]}

    @property
    def values(self) -> dict[str, list[float]]:
        found = {name: self.raw[name] for name in self.units}
        return {name: value if isinstance(value, list) else [value] for name, value in found.items()}


def check_blob(blob: Blob) -> None:
    """Hold a line to the specification, and to the names of the design."""
    assert isinstance(blob.raw["_aws"]["Timestamp"], int)
    assert blob._directive["Namespace"] == NAMESPACE
    assert all(blob.dimensions.values())
    assert blob.dimension_sets in ([["service"]], [["service"], ["service", "channel"]])
    assert 0 < len(blob.units) <= 100
    assert set(blob.units) <= set(Metric)
    assert set(blob.units.values()) <= {"Count", "Seconds"}
    for values in blob.values.values():
        assert 0 < len(values) <= 100
        assert all(isinstance(value, int | float) for value in values)


def blobs_in(output: str) -> list[Blob]:
    """Read and check every line of metrics in what a function printed."""
    lines = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    blobs = [Blob(line) for line in lines if "_aws" in line]
    for blob in blobs:
        check_blob(blob)
    return blobs
