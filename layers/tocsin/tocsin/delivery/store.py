"""The port to the Notifications table: what is read, what is written, and what became of writing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from tocsin.delivery.notification import Notification

BATCH = 25
"""Steps written in one call (DynamoDB API reference, BatchExecuteStatement)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A step that was decided: the row as it was read, and as it shall be."""

    before: Notification
    after: Notification
    stand_in: Notification | None = None
    """A new row that is written with it, or not at all: what goes another way instead."""


class Write(Enum):
    """What became of a write."""

    DONE = "done"
    LOST = "lost"
    """The row was no longer as it was read: somebody else was first."""
    UNAVAILABLE = "unavailable"
    """Throttled or unreachable: nobody knows; the guard makes trying again safe."""
    REFUSED = "refused"
    """The table will never take it, e.g. the item would pass 400 KB."""


@dataclass(frozen=True, slots=True)
class Due:
    """A hint from the due index: this row may be due since `at`."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A stored row that can't be read: what could be read of it, with blanks for the rest, and what is wrong."""

    row: Notification
    reason: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What reading many rows gave."""

    rows: tuple[Notification, ...]
    malformed: tuple[Malformed, ...] = ()


class Store(Protocol):
    """The table. Methods block; they raise ClientError for what is not listed."""

    def due(self, now: datetime, limit: int, shards: Sequence[int]) -> list[Due]:
        """Give hints of due rows in these shards, oldest first."""

    def fetch(self, ids: Sequence[str]) -> Fetched:
        """Read many rows."""

    def write(self, changes: Sequence[Change]) -> list[Write]:
        """Write up to 25 guarded steps; answers in order. Never raises for what the table answers."""

    def write_status(self, change: Change) -> Write:
        """Write the state that a step leads to and nothing else: for a row that can't take the whole of it."""

    def holds(self, change: Change) -> bool:
        """Tell whether a row is as `change` made it; False where that can't be told."""


class Lease(Protocol):
    """The right to do one job for a while."""

    def take(self, now: datetime, until: datetime) -> bool:
        """Take it; tell whether that worked."""

    def release(self) -> None:
        """Give it back."""
