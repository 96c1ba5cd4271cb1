"""A step as a value: what was read, what shall be, and what became of writing it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from tocsin.delivery.notification import Notification, Status

BATCH = 25
"""Steps written in one call (DynamoDB API reference, BatchExecuteStatement)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A step that was decided: the row as it was read, and as it shall be."""

    before: Notification
    after: Notification

    @property
    def is_death(self) -> bool:
        """Tell whether it makes its row a dead letter."""
        return self.after.status is Status.DEAD and self.before.status is not Status.DEAD


class Write(Enum):
    """What became of a write."""

    DONE = "done"
    LOST = "lost"
    """The row was no longer as it was read: somebody else was first."""
    UNAVAILABLE = "unavailable"
    """Throttled or unreachable: nobody knows; the guard makes trying again safe."""
    REFUSED = "refused"
    """The table will never take it, e.g. the item would pass 400 KB."""


class Lease(Protocol):
    """The right to do one job."""

    def take(self, now: datetime, until: datetime) -> bool:
        """Take it; tell whether that worked."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...
