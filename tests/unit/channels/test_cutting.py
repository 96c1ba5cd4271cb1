"""Cutting: within the limit, nothing lost between parts, nothing torn that is read as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.cutting import MARK, cut, parts, units

TEXT = st.text(st.sampled_from("ab &<>[]()\\\n🔥;"), max_size=200)


@given(text=TEXT, limit=st.integers(min_value=20, max_value=100))
def test_a_cut_text_fits_and_says_that_it_is_cut(text: str, limit: int) -> None:
    kept = cut(text, limit, units)
    assert units(kept) <= limit
    assert kept == text or (kept.endswith(MARK) and text.startswith(kept.removesuffix(MARK)))


@given(text=TEXT, limit=st.integers(min_value=4, max_value=50))
def test_parts_are_the_whole(text: str, limit: int) -> None:
    """But for line breaks between them."""
    found = list(parts(text, limit, units))
    assert all(0 < units(part) <= limit for part in found)
    assert "".join(found).replace("\n", "") == text.replace("\n", "")


@pytest.mark.parametrize(
    ("text", "limit", "first"),
    [
        ("one two three", 9, "one two"),  # a word
        ("one two\nthree four five", 14, "one two"),  # a line rather than a word
        ("abcdefghij", 4, "abcd"),  # neither
        ("abcdef&amp;g", 9, "abcdef"),  # an entity
        ("abcdefghijk<https://x|y>", 20, "abcdefghijk"),  # a link of Slack
        ("abcdefghijkl[x](https://y)", 20, "abcdefghijkl"),  # a link of markdown
        ("abcdefghijkl[x](https://y)", 14, "abcdefghijkl"),
        ("abcdef\\*", 7, "abcdef"),  # an escape
        ("[" + "x" * 20, 10, "[" + "x" * 9),  # a bracket that begins nothing
        ("🔥🔥🔥", 5, "🔥🔥"),  # two units each
    ],
)
def test_where_it_is_cut(text: str, limit: int, first: str) -> None:
    assert next(parts(text, limit, units)) == first
