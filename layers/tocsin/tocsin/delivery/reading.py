"""What reading the table gives: hints of what is due, and rows with the items that are not rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.delivery.notification import Notification

Item = Mapping[str, Any]
"""An item of DynamoDB's low-level API: name -> {"S": text} or {"N": digits}."""


@dataclass(frozen=True, slots=True)
class Due:
    """A hint from the due index: this row may be due since `at`."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """An item that is not a row, and what is wrong with it."""

    item: Item
    reason: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What reading many rows gave: rows, and items that are not rows."""

    rows: tuple[Notification, ...]
    malformed: tuple[Malformed, ...]
