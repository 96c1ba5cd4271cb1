"""Texts and keys as services that keep incidents take them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.channels import a_notification
from tocsin.channels.http import HIDDEN, without
from tocsin.channels.incident import LINK_LIMIT, fitted, incident_key, links_of, read
from tocsin.channels.wording import Links

EVERY_CHARACTER = st.characters() | st.characters(categories=["Cs"])
SECRET = "eb243592-faa2-4ba2-a551-1afdf565c889"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ten letter", "ten letter"),
        ("eleven char", "eleven ch…"),
        ("", ""),
        ("a\x00b\x1b[1m", "a b [1m"),
        ("two\nlines\t", "two\nlines\t"),
        ("\U0001f512" * 5, "\U0001f512" * 5),  # two units each
        ("\U0001f512" * 6, "\U0001f512" * 4 + "…"),  # never half of one
        ("\ud83d", "\ufffd"),
        ("cut here, please", "cut here,…"),
    ],
)
def test_it_becomes(text: str, shown: str) -> None:
    assert fitted(text, 10) == shown


@given(st.text(EVERY_CHARACTER, max_size=300), st.integers(min_value=2, max_value=200))
def test_whatever_is_written_fits(text: str, limit: int) -> None:
    """Faults: "lone surrogates, NUL, right-to-left, a cut in mid-emoji": valid and bounded, however it is counted."""
    shown = fitted(text, limit)
    assert len(shown.encode("utf-16-le")) // 2 <= limit
    assert not {character for character in shown if unicodedata.category(character) == "Cc"} & {"\x00", "\x1b", "\x7f"}


def test_an_incident_is_named_by_what_opened_it() -> None:
    assert incident_key(a_notification(id="own"), 255) == "own"
    assert incident_key(a_notification(id="own", about="opener"), 255) == "opener"
    assert incident_key(a_notification(about="x" * 255), 255) == "x" * 255


def test_names_that_are_too_long_stay_apart() -> None:
    """Cut, two of them could be one incident."""
    first, second = (incident_key(a_notification(about="x" * 300 + end), 255) for end in "ab")
    assert first != second
    assert max(len(first), len(second)) <= 255


def test_a_link_that_is_too_long_is_left_out() -> None:
    row = a_notification(certificate_id="c" * LINK_LIMIT)
    assert [label for label, _ in links_of(row, Links("https://api.example.com"))] == ["Notification"]


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_secret_is_not_repeated(before: str, behind: str) -> None:
    said = without([SECRET], before + SECRET + behind)
    assert SECRET not in said
    assert HIDDEN in said


@pytest.mark.parametrize("text", ["", "<html>", "[1]", "null", "[" * 100_000, '{"cut": '])
def test_an_answer_that_is_no_object_says_nothing(text: str) -> None:
    assert read(text) == {}
