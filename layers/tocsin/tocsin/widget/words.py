"""Times and texts as the widget words them. Pure: `now` and the zone are arguments."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from markupsafe import Markup

from tocsin.text import bounded, lines_of

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_OFFSET_LENGTH = len("+00:00")


def age(span: timedelta) -> str:
    """Say how long, in at most two units: `45 s`, `12 min`, `3 h 12 min`, `4 d 2 h`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return _two(seconds // _HOUR, "h", seconds % _HOUR // _MINUTE, "min")
    return _two(seconds // _DAY, "d", seconds % _DAY // _HOUR, "h")


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def zone_of(context: Mapping[str, Any]) -> tzinfo:
    """Read the dashboard's time zone from a widgetContext: its `timezone.offsetISO`, e.g. `+05:30`. UTC if unclear."""
    said = context.get("timezone")
    text = said.get("offsetISO") if isinstance(said, Mapping) else None
    if not isinstance(text, str) or len(text) != _OFFSET_LENGTH:
        return UTC
    try:
        offset = datetime.strptime(text, "%z").utcoffset()
    except ValueError:
        return UTC
    return timezone(offset) if offset else UTC


def written_in(at: datetime, zone: tzinfo) -> str:
    """Write a time in full, e.g. `2026-03-01 12:00:00 UTC+05:30`."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def line(text: str | None, limit: int) -> str:
    """Give foreign text as one printable line of at most `limit` bytes."""
    return bounded(text or "", limit)


def paragraphs(text: str) -> str:
    """Give foreign text in its own lines; nothing in it moves or hides what is beside it."""
    return "\n".join(lines_of(text))


def json_in_html(value: Any) -> Markup:  # noqa: ANN401 - whatever JSON holds
    """Write JSON that stays JSON whether or not its reader decodes HTML: no character in it means anything there."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)  # ASCII: a lone surrogate is an escape
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - the four characters are gone, and a quote means nothing outside an attribute


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Say how many of what, e.g. `1 letter`, `1,200 letters`."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"
