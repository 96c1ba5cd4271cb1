"""What an operator sees at a glance: one snapshot behind the summary and the Prometheus text. Best effort, never wrong:
what could not be counted is null, and left out of the text.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from tocsin.delivery.notification import Status
from tocsin.errors import StorageUnavailableError

COUNTED = 10_000
"""Up to how many rows are counted: a count that says so many means that many or more. What it costs is bounded."""

T = TypeVar("T")
Reached = Mapping[tuple[str, Status], int]
"""How many notifications ever came to a state, by the label of their channel."""

_log = logging.getLogger(__name__)


class Counts(Protocol):
    """What the snapshot counts in the table. Methods raise StorageUnavailableError."""

    def count_dead(self) -> int:
        """Count the dead letters, up to COUNTED."""

    def count_due(self, now: datetime) -> int:
        """Count the rows that are due, up to COUNTED."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the stack at one instant."""

    taken_at: datetime
    notifications_dead: int | None
    notifications_due: int | None


def take_snapshot(counts: Counts, now: datetime) -> Snapshot:
    """Count; a count that fails is null, and logged."""
    return Snapshot(now, _attempt(counts.count_dead), _attempt(lambda: counts.count_due(now)))


def _attempt(count: Callable[[], T]) -> T | None:
    try:
        return count()
    except StorageUnavailableError:
        _log.exception("a count of the summary failed")
        return None


def count_reached(read: Callable[[], Reached]) -> Reached | None:
    """Read how many came to which state; null where that fails, and logged."""
    return _attempt(read)


def prometheus_text(snapshot: Snapshot, reached: Reached | None = None) -> str:
    """Write the text exposition format, version 0.0.4 (prometheus.io, "Exposition formats")."""
    return "".join(
        f"# HELP {family.name} {family.meaning}\n# TYPE {family.name} {family.kind}\n"
        + "".join(f"{family.name}{_labels(labels)} {value}\n" for labels, value in family.samples)
        for family in (*_gauges(snapshot), *_counters(reached))
        if family.samples
    )


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    kind: str
    meaning: str
    samples: Sequence[tuple[Mapping[str, str], int]]


def _gauges(snapshot: Snapshot) -> Iterator[_Family]:
    dead, due = snapshot.notifications_dead, snapshot.notifications_due
    yield _Family(
        "tocsin_notifications_dead",
        "gauge",
        f"Notifications in the dead-letter queue, counted up to {COUNTED}.",
        [] if dead is None else [({}, dead)],
    )
    yield _Family(
        "tocsin_notifications_due",
        "gauge",
        f"Notifications whose next attempt is due, counted up to {COUNTED}.",
        [] if due is None else [({}, due)],
    )


def _counters(reached: Reached | None) -> Iterator[_Family]:
    if reached is None:
        return
    yield _Family(
        "tocsin_notifications_dead_total",
        "counter",
        "Notifications that died, each time. Approximate: a worker that is cut off loses its latest counts.",
        [({}, sum(count for (_, status), count in reached.items() if status is Status.DEAD))],
    )
    yield _Family(
        "tocsin_notifications_total",
        "counter",
        "Notifications that came to a state, by channel; failed: each time that one is to be tried again. Approximate.",
        [({"status": status, "channel": label}, count) for (label, status), count in sorted(reached.items())],
    )


def _labels(labels: Mapping[str, str]) -> str:
    written = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{written}}}" if written else ""


def _escaped(value: str) -> str:
    """Write a label's value: backslash, quote and the end of a line are escaped (the same source)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
