"""What an operator sees at a glance: one snapshot behind the summary and the Prometheus text. Best effort, never wrong:
what could not be counted is null, and left out of the text.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin.errors import StorageUnavailableError

COUNTED = 10_000
"""Up to how many rows are counted: a count that says so many means that many or more. What it costs is bounded."""

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


def _attempt(count: Callable[[], int]) -> int | None:
    try:
        return count()
    except StorageUnavailableError:
        _log.exception("a count of the summary failed")
        return None


def prometheus_text(snapshot: Snapshot) -> str:
    """Write the text exposition format, version 0.0.4 (prometheus.io, "Exposition formats")."""
    gauges = (
        (
            "tocsin_notifications_dead",
            f"Notifications in the dead-letter queue, counted up to {COUNTED}.",
            snapshot.notifications_dead,
        ),
        (
            "tocsin_notifications_due",
            f"Notifications whose next attempt is due, counted up to {COUNTED}.",
            snapshot.notifications_due,
        ),
    )
    return "".join(
        f"# HELP {name} {meaning}\n# TYPE {name} gauge\n{name} {value}\n"
        for name, meaning, value in gauges
        if value is not None
    )
