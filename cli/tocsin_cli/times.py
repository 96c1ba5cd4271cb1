"""Times as people write and read them: `2h` ago, `3d` ahead; `4 min ago`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_STRETCH = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_STEPS = ((86_400 * 2, "d", 86_400), (3_600 * 2, "h", 3_600), (60, "min", 60), (0, "s", 1))
"""From how many seconds on a stretch is told in a unit, and how long that is."""


def now() -> datetime:
    """Give the present, in UTC."""
    return datetime.now(UTC)


class Moment(click.ParamType[str]):
    """A moment: a time of RFC 3339, or how long ago (or ahead) it is."""

    def __init__(self, *, ahead: bool = False) -> None:
        """Take a stretch as ago; with `ahead` as from now on."""
        self.ahead = ahead
        self.name = "time"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        """Name the value in help."""
        return "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's signature
        """Give the moment as RFC 3339 in UTC."""
        text = str(value).strip()
        try:
            if found := _STRETCH.fullmatch(text):
                far = int(found[1]) * _UNITS[found[2]]
                return written(now() + far if self.ahead else now() - far)
            read = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is no time: write 2h, 3d, or 2026-03-01T12:00:00Z", param, ctx)
        return written(read if read.tzinfo else read.replace(tzinfo=UTC))


class Stretch(click.ParamType[int]):
    """A stretch of time, in seconds: `90m`, `6h`, `1d`."""

    name = "stretch"

    def __init__(self, least: int, most: int) -> None:
        """Take stretches from `least` to `most` seconds."""
        self.least, self.most = least, most

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        """Name the value in help."""
        return "STRETCH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's signature
        """Give the stretch in seconds."""
        if isinstance(value, int):
            return value
        found = _STRETCH.fullmatch(str(value).strip())
        seconds = int(int(found[1]) * _UNITS[found[2]].total_seconds()) if found else 0
        if not self.least <= seconds <= self.most:
            between = f"from {stretch(self.least)} to {stretch(self.most)}"
            self.fail(f"{value!r} is no stretch of time {between}: write 90m, 6h or 1d", param, ctx)
        return seconds


def written(at: datetime) -> str:
    """Write a time as the API takes it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def read(text: str | None) -> datetime | None:
    """Read a time of the API; None where there is none, or it can't be read."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def stretch(seconds: float) -> str:
    """Tell a stretch of time in its largest unit: `45 s`, `12 min`, `5 h`, `3 d`."""
    whole = abs(int(seconds))
    return next(f"{whole // size} {unit}" for least, unit, size in _STEPS if whole >= least)


def since(text: str | None, at: datetime) -> str:
    """Tell how long ago, or ahead, a time of the API is."""
    found = read(text)
    if found is None:
        return ""
    seconds = (at - found).total_seconds()
    return stretch(seconds) if seconds >= 0 else f"in {stretch(seconds)}"


def clock(text: str | None) -> str:
    """Write a time of the API to be read: `2026-03-01 12:00:00 UTC`."""
    found = read(text)
    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if found else ""


def told(text: str | None, at: datetime) -> str:
    """Write a time of the API, and how far it is: `2026-03-01 12:00:00 UTC (4 min ago)`."""
    found = read(text)
    if found is None:
        return ""
    far = since(text, at)
    return f"{clock(text)} ({far})" if far.startswith("in ") else f"{clock(text)} ({far} ago)"
