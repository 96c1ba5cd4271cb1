"""How the widget words times, and how its state is written into actions."""

import json
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.widget.words import age, json_in_html, plural, written_in, zone_of


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3 * 3600 + 12 * 60, "3 h 12 min"),
        (86400, "1 d"),
        (4 * 86400 + 2 * 3600 + 59, "4 d 2 h"),
        (400 * 86400, "400 d"),
    ],
)
def test_an_age_has_two_units_at_most(seconds: int, said: str) -> None:
    assert age(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ({"timezone": {"label": "UTC", "offsetISO": "+00:00", "offsetInMinutes": 0}}, "2026-03-01 12:00:00 UTC"),
        ({"timezone": {"offsetISO": "+05:30", "offsetInMinutes": -330}}, "2026-03-01 17:30:00 UTC+05:30"),
        ({"timezone": {"offsetISO": "-08:00"}}, "2026-03-01 04:00:00 UTC-08:00"),
        ({"timezone": {"offsetISO": "soon"}}, "2026-03-01 12:00:00 UTC"),
        ({"timezone": {"offsetISO": "+99:99"}}, "2026-03-01 12:00:00 UTC"),
        ({"timezone": "Europe/Berlin"}, "2026-03-01 12:00:00 UTC"),
        ({}, "2026-03-01 12:00:00 UTC"),
    ],
)
def test_times_are_in_the_dashboard_s_zone(said: dict[str, object], written: str) -> None:
    assert written_in(datetime(2026, 3, 1, 12, tzinfo=UTC), zone_of(said)) == written


TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["</cwdb-action>", "<!--", "&lt;", "\ud800", "'"]
)


@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.none()))
def test_json_in_an_action_is_the_same_whether_its_reader_decodes_html_or_not(value: dict[str, object]) -> None:
    written = str(json_in_html(value))
    assert json.loads(written) == json.loads(unescape(written)) == value
    assert not set("<>&'") & set(written)
    assert written.isascii()


def test_numbers_are_said_as_people_read_them() -> None:
    assert [plural(count, "letter") for count in (0, 1, 1200)] == ["0 letters", "1 letter", "1,200 letters"]
