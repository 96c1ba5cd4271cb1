"""How the records of the inventory are written as attributes: a table of columns a record, read both ways.

A column that can't be read is a problem with a name; what stands in for it shows the rest, and is never acted on.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from tocsin.errors import MalformedRowError
from tocsin.storage.notifications.item import from_timestamp, timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands in for a time that can't be read."""

Record = TypeVar("Record")
Item = Mapping[str, Any]
"""An item of DynamoDB's low-level API: name -> {"S": text} or {"N": digits}."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one type of value is written: DynamoDB's type letter, and a text each way."""

    letter: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


TEXT = Form("S", str, str)
NUMBER = Form("N", str, int)
INSTANT = Form("S", timestamp, from_timestamp)
FLAG = Form("S", lambda value: "yes" if value else "no", lambda text: {"yes": True, "no": False}[text])


def json_form(write: Callable[[Any], Any], read: Callable[[Any], Any]) -> Form:
    """Make a form of what `write` makes plain: lists, texts, numbers."""
    return Form(
        "S",
        lambda value: json.dumps(write(value), ensure_ascii=False, separators=(",", ":")),
        lambda text: read(json.loads(text)),
    )


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a record. A required one has something that stands in for it when it can't be read."""

    field: str
    form: Form
    blank: Any = None
    required: bool = False

    def read(self, item: Item) -> Any:  # noqa: ANN401 - of the field's own type
        """Read the value; raise KeyError, TypeError or ValueError."""
        return self.form.read(item[self.field][self.form.letter])


class Codec(Generic[Record]):
    """Writes records of one type as items, and reads them."""

    def __init__(self, make: Callable[..., Record], columns: Sequence[Column]) -> None:
        """Build a record by calling `make` with a value for each of `columns`."""
        self._make = make
        self._columns = columns

    @property
    def fields(self) -> frozenset[str]:
        """Name every attribute that a record may have."""
        return frozenset(column.field for column in self._columns)

    def encode(self, record: Record) -> dict[str, Any]:
        """Write all columns that are not null."""
        values = ((column, getattr(record, column.field)) for column in self._columns)
        return {
            column.field: {column.form.letter: column.form.write(value)}
            for column, value in values
            if column.required or (value is not None and value != column.blank)
        }

    def decode(self, item: Item) -> Record:
        """Read a record; raise MalformedRowError naming every column that is missing or can't be read."""
        record, problems = self._read(item)
        if problems:
            raise MalformedRowError(f"{item.get('pk', {}).get('S')}: {', '.join(problems)}")
        return record

    def salvage(self, item: Item) -> Record:
        """Read what can be read: for showing it and for writing it anew, never for acting on it."""
        return self._read(item)[0]

    def _read(self, item: Item) -> tuple[Record, list[str]]:
        values: dict[str, Any] = {}
        problems: list[str] = []
        for column in self._columns:
            values[column.field] = column.blank
            if column.field not in item:
                problems += [f"{column.field} is missing"] * column.required
                continue
            try:
                values[column.field] = column.read(item)
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
                problems.append(f"{column.field} can't be read")
        return self._make(**values), problems


def required(field: str, form: Form, blank: Any) -> Column:  # noqa: ANN401 - of the field's own type
    """Make a column that every record has."""
    return Column(field, form, blank, required=True)
