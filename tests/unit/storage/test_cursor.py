"""Contract 3.6 [T]: a cursor is right, or says why it can't be used."""

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows import NOW
from tocsin.errors import CursorError
from tocsin.storage.cursor import LIFETIME, Cursors

CURSORS = Cursors(b"k" * 32)
PLACE = "2026-11-22T12:00:00.000000Z#01J00000000000000000000000"
CURSOR = CURSORS.write(PLACE, "these filters", NOW)


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_a_cursor_names_the_place_that_it_was_written_for(place: str, filters: str) -> None:
    assert CURSORS.read(CURSORS.write(place, filters, NOW), filters, NOW) == place


def test_a_cursor_fits_a_query_string() -> None:
    assert CURSOR.isascii()
    assert CURSOR.replace("-", "").replace("_", "").isalnum()
    assert len(CURSOR) <= 1024


def test_a_cursor_of_another_list_is_refused_and_says_so() -> None:
    with pytest.raises(CursorError, match="other filters"):
        CURSORS.read(CURSOR, "other filters", NOW)


def test_a_stale_cursor_is_refused_and_says_so() -> None:
    assert CURSORS.read(CURSOR, "these filters", NOW + LIFETIME) == PLACE
    with pytest.raises(CursorError, match="stale"):
        CURSORS.read(CURSOR, "these filters", NOW + LIFETIME + timedelta(seconds=1))


def test_a_cursor_of_another_stack_is_refused() -> None:
    with pytest.raises(CursorError, match="changed"):
        Cursors(b"l" * 32).read(CURSOR, "these filters", NOW)


def test_a_cursor_with_any_bit_changed_is_refused() -> None:
    raw = base64.urlsafe_b64decode(CURSOR + "=" * (-len(CURSOR) % 4))
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CursorError, match="changed"):
            CURSORS.read(base64.urlsafe_b64encode(changed).decode().rstrip("="), "these filters", NOW)


@given(st.text(st.characters()) | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(CursorError, match="broken"):
        CURSORS.read(text, "these filters", NOW)


@pytest.mark.parametrize("length", range(0, len(CURSOR), 7))
def test_a_cut_cursor_is_refused(length: int) -> None:
    with pytest.raises(CursorError, match="broken"):
        CURSORS.read(CURSOR[:length], "these filters", NOW)
