"""Times as people write and read them."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from tocsin_cli import times
from tocsin_cli.times import Moment, clock, since, stretch, told, written

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", "2026-03-01T10:00:00Z"),
        ("3d", "2026-02-26T12:00:00Z"),
        ("90m", "2026-03-01T10:30:00Z"),
        ("1w", "2026-02-22T12:00:00Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("2026-01-02", "2026-01-02T00:00:00Z"),  # without a zone: UTC
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, moment: str) -> None:
    assert Moment().convert(text, None, None) == moment


def test_a_moment_may_be_ahead() -> None:
    assert Moment(ahead=True).convert("14d", None, None) == written(NOW + timedelta(days=14))


@pytest.mark.parametrize("text", ["", "2", "2x", "-2h", "yesterday", "99999999w", "999999w"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        Moment().convert(text, None, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "119 min"), (7200, "2 h"), (172_799, "47 h"), (172_800, "2 d")],
)
def test_a_stretch_is_told_in_its_largest_unit(seconds: int, words: str) -> None:
    assert stretch(seconds) == words


def test_times_of_the_api_are_told_from_now() -> None:
    assert since("2026-03-01T11:56:00Z", NOW) == "4 min"
    assert since("2026-03-01T12:04:00.123456Z", NOW) == "in 4 min"
    assert since(None, NOW) == ""
    assert since("nonsense", NOW) == ""
    assert told("2026-03-01T11:56:00Z", NOW) == "2026-03-01 11:56:00 UTC (4 min ago)"
    assert told("2026-03-01T12:04:00Z", NOW) == "2026-03-01 12:04:00 UTC (in 4 min)"
    assert told(None, NOW) == clock(None) == ""
