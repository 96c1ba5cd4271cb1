"""How records are written as items: a table of columns a record, read both ways.

A column that can't be read is a problem with a name; what stands in for it shows the rest, and is never acted on.

Times are fixed-width UTC text, so that their order is the order in time, also in keys. An index is split into shards by
a hash of the id, since one partition takes 1,000 writes a second (DynamoDB developer guide, "Partitions and data
distribution"), and a full one pushes back on the table.
"""

import json
import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from tocsin.errors import MalformedRowError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands in for a time that can't be read."""
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_MILLISECOND = timedelta(milliseconds=1)

Record = TypeVar("Record")
Item = Mapping[str, Any]
"""An item of DynamoDB's low-level API: name -> {"S": text} or {"N": digits}."""


def timestamp(at: datetime) -> str:
    """Write a time as fixed-width UTC, e.g. `2026-01-02T03:04:05.000000Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def from_timestamp(text: str) -> datetime:
    """Read what `timestamp` wrote; raise ValueError for anything else."""
    if not _TIMESTAMP.fullmatch(text):  # fromisoformat reads more than one form, and strptime costs ten times as much
        raise ValueError(f"{text[:32]!r} does not match")
    return datetime.fromisoformat(text)


def milliseconds(at: datetime) -> int:
    """Give whole milliseconds since 1970."""
    return (at - EPOCH) // _MILLISECOND


def from_milliseconds(value: int) -> datetime:
    """Read what `milliseconds` gave."""
    return EPOCH + value * _MILLISECOND


def sort_key(at: datetime, id_: str) -> str:
    """Order by time, then id: unique, so that a cursor names exactly one place."""
    return f"{timestamp(at)}#{id_}"


def time_of(key: str) -> datetime | None:
    """Read the time that a sort key begins with; null where it is none."""
    try:
        return from_timestamp(key.partition("#")[0])
    except ValueError:
        return None


def shard_of(id_: str, shards: int) -> str:
    """Give the partition of an id in an index of so many: a stable hash, so that equal times spread."""
    return str(zlib.crc32(id_.encode()) % shards)


@dataclass(frozen=True, slots=True)
class Form:
    """How one type of value is written: DynamoDB's type letter, and a text each way."""

    letter: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(digits: str) -> int:
    if (count := int(digits)) < 0:
        raise ValueError
    return count


TEXT = Form("S", str, _text)
NUMBER = Form("N", str, int)
COUNT = Form("N", str, _count)
INSTANT = Form("S", timestamp, from_timestamp)
KEY_TIME = Form("S", timestamp, lambda key: from_timestamp(key.partition("#")[0]))
"""The time in a `sort_key`, which is written in its place."""
MILLISECONDS = Form(
    "N",
    lambda at: str(milliseconds(at)) if at else "0",
    lambda digits: from_milliseconds(int(digits)) if int(digits) else None,
)
"""A time, or 0 for none."""
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
    attribute: str = ""
    """Where it is stored, if that is not the field's name."""

    @property
    def name(self) -> str:
        """Name the attribute."""
        return self.attribute or self.field


def required(field: str, form: Form, blank: Any, attribute: str = "") -> Column:  # noqa: ANN401 - of the field's own type
    """Make a column that every record has."""
    return Column(field, form, blank, required=True, attribute=attribute)


class Codec(Generic[Record]):
    """Writes records of one type as items, and reads them."""

    def __init__(self, make: Callable[..., Record], columns: Sequence[Column]) -> None:
        """Build a record by calling `make` with a value for each of `columns`."""
        self._make = make
        self._columns = [(column.field, column.name, column.form, column.blank, column.required) for column in columns]

    @property
    def fields(self) -> frozenset[str]:
        """Name every attribute that a record may have."""
        return frozenset(name for _field, name, *_rest in self._columns)

    def encode(self, record: Record) -> dict[str, Any]:
        """Write all columns that are required, or not blank."""
        item = {}
        for field, name, form, blank, is_required in self._columns:
            value = getattr(record, field)
            if is_required or (value is not None and value != blank):
                item[name] = {form.letter: form.write(value)}
        return item

    def encode_change(
        self, before: Record, after: Record, whole: Collection[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Write two versions of a record: the columns that differ, and those that `whole` names.

        Of what differs, the version before only says that it is there: its value is null.
        """
        was: dict[str, Any] = {}
        will_be: dict[str, Any] = {}
        for field, name, form, blank, is_required in self._columns:
            old, new = getattr(before, field), getattr(after, field)
            is_whole = name in whole
            if not is_whole and (old is new or old == new):
                continue
            if is_required or (old is not None and old != blank):
                was[name] = {form.letter: form.write(old)} if is_whole else None
            if is_required or (new is not None and new != blank):
                will_be[name] = {form.letter: form.write(new)}
        return was, will_be

    def decode(self, item: Item) -> Record:
        """Read a record; raise MalformedRowError naming every column that is missing or can't be read."""
        record, problems = self.read(item)
        if problems:
            raise MalformedRowError(f"{(item.get('pk') or item.get('id') or {}).get('S')}: {', '.join(problems)}")
        return record

    def salvage(self, item: Item) -> Record:
        """Read what can be read: for showing it and for writing it anew, never for acting on it."""
        return self.read(item)[0]

    def read(self, item: Item) -> tuple[Record, list[str]]:
        """Read what can be read, and say what can't be."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field, name, form, blank, is_required in self._columns:
            values[field] = blank
            if name not in item:
                problems += [f"{name} is missing"] * is_required
                continue
            try:
                values[field] = form.read(item[name][form.letter])
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
                problems.append(f"{name} can't be read")
        return self._make(**values), problems
