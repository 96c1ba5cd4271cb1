"""Selections of dead letters as JSON: in the item of a job, and in the token of a preview."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from tocsin.delivery.bulk import Selection
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Severity
from tocsin.storage.codec import from_timestamp, timestamp

_READ: dict[str, Callable[[str], Any]] = {
    "channel": ChannelName,
    "severity": Severity,
    "created_after": from_timestamp,
    "created_before": from_timestamp,
}
_TIMES = ("created_after", "created_before")


def plain_selection(selection: Selection) -> dict[str, Any]:
    """Write a selection: its ids, or the filters that are given."""
    if selection.filters is None:
        return {"ids": list(selection.ids or ())}
    given = {field.name: getattr(selection.filters, field.name) for field in fields(Filters)}
    written = {name: timestamp(value) if name in _TIMES else value for name, value in given.items() if value}
    return {"filters": written}


def read_selection(plain: dict[str, Any]) -> Selection:
    """Read what `plain_selection` wrote; raise ValueError, KeyError or TypeError for anything else."""
    if "ids" in plain:
        return Selection(ids=tuple(map(str, plain["ids"])))
    given = {name: _READ.get(name, str)(value) for name, value in plain["filters"].items()}
    return Selection(filters=Filters(**given))
