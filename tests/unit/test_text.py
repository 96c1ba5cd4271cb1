"""Contract 2.12 [T] and the faults: foreign text is stored valid and bounded, whatever it is."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.text import ELLIPSIS, bounded, is_storable, lines_of

FAMILY = "👩\u200d👩\u200d👧\u200d👦"  # one figure of four people and three joiners
anything = st.text(st.characters())  # lone surrogates too
limits = st.integers(3, 600)  # three bytes are the ellipsis


@given(anything, limits)
@example("\ud800" * 100, 10)
@example("\x00" * 100, 10)
@example("\u202e" * 1000 + "gnp.exe", 20)
@example(FAMILY * 30, 80)
@example(("é" * 40 + "💥") * 30, 80)
@example("x" * 80 + " " * 1000, 80)
@example(" " * 1000, 80)
@example("", 3)
def test_the_result_is_one_bounded_printable_line_of_valid_utf8(text: str, limit: int) -> None:
    line = bounded(text, limit)
    assert len(line.encode("utf-8", errors="strict")) <= limit
    assert len(line.splitlines()) <= 1
    assert all(unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") for character in line)
    assert not any(unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI") for c in line)


@given(st.text(st.characters(categories=["L", "N", "P"]), max_size=100))
def test_short_text_stays_as_it_is(text: str) -> None:
    assert bounded(text, 500) == text


@given(anything, limits)
def test_it_is_cut_with_an_ellipsis_and_only_then(text: str, limit: int) -> None:
    line = bounded(text, limit)
    if len(text) > limit + 1:
        assert line.endswith(ELLIPSIS)


def test_a_megabyte_costs_no_more_than_its_beginning() -> None:
    """Read only as far as the limit: this would take minutes otherwise."""
    assert bounded("x" * 1_000_000, 512) == "x" * 509 + ELLIPSIS
    for _ in range(200):
        bounded("💥" * 1_000_000, 80)


@pytest.mark.parametrize("limit", range(20, 60))
def test_a_cut_leaves_no_half_of_an_emoji(limit: int) -> None:
    kept = bounded(FAMILY * 10, limit).removesuffix(ELLIPSIS)
    assert not kept.endswith("\u200d")
    assert "\ufffd" not in kept


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\tc", "a b c"),
        ("  much \n\n\n air  ", "much air"),
        ("nul\x00byte", "nul byte"),
        ("half \ud83d character", "half \ufffd character"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("الشهادة تنتهي", "الشهادة تنتهي"),
        ("two\u2028lines", "two lines"),
    ],
)
def test_what_becomes_of_hostile_characters(text: str, expected: str) -> None:
    assert bounded(text, 100) == expected


@given(anything)
def test_what_is_storable_can_be_written_as_utf8_and_nothing_else(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_storable(text)
    else:
        assert is_storable(text)


@given(text=st.text())
def test_lines_are_printable(text: str) -> None:
    """Faults: "right-to-left", NUL: what is shown on several lines is as harmless as what is shown on one."""
    for line in lines_of(text):
        assert not {unicodedata.category(character) for character in line.replace("\u200d", "")} & {"Cc", "Cf", "Cs"}


def test_lines_end_where_any_system_ends_them_and_keep_what_they_begin_with() -> None:
    assert lines_of("a \r\n\n  b\tc\u2028\u202ed\x00e") == ["a", "", "  b c", "d e"]
