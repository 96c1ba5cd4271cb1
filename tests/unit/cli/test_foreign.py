"""What somebody wrote into a message can't control a terminal."""

import json
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_cli.foreign import json_of, line_of, lines_of

OBEYED = ("Cc", "Cs", "Zl", "Zp")
NO_HALVES: tuple[Literal["Cs"]] = ("Cs",)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),  # clears the screen
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]52;c;c3RvbGVu\x1b\\text", "text"),  # writes the clipboard
        ("\x1bP1$r\x1b\\text", "text"),
        ("\x1bctext", "text"),  # resets the terminal
        ("one\rtwo", "one two"),  # writes over the line
        ("one\ntwo\tthree", "one two three"),
        ("\x9b31mred", "31mred"),  # CSI in one character
        ("a\u202egnp.exe", "agnp.exe"),  # right-to-left override
        ("a\u2066b\u2069c\u200b", "abc"),
        ("[red]not markup[/red] :smile:", "[red]not markup[/red] :smile:"),
        ("\ud800", "\ufffd"),  # half a character, as JSON can smuggle it in
        ("👩\u200d🚀", "👩\u200d🚀"),
        (None, ""),
        (5, "5"),
    ],
)
def test_a_line_is_what_can_be_shown(text: object, shown: str) -> None:
    assert line_of(text) == shown


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_no_text_gets_a_control_character_through(text: str) -> None:
    assert not [found for found in line_of(text) if unicodedata.category(found) in OBEYED]
    assert not [one for one in lines_of(text) for found in one if unicodedata.category(found) in OBEYED]


@given(st.text(alphabet=st.characters(exclude_categories=NO_HALVES)))
def test_json_reads_back_as_it_was_and_controls_nothing(text: str) -> None:
    written = json_of({"message": text})
    assert json.loads(written) == {"message": text}
    assert not [found for found in written if unicodedata.category(found) in OBEYED]
    assert not {"\u202e", "\u2066", "\ufeff"} & set(written)


def test_half_a_character_does_not_break_json() -> None:
    assert json.loads(json_of("\ud800")) == "?"


def test_lines_keep_their_indentation() -> None:
    assert lines_of("one\n  two\x1b[1m\n") == ["one", "  two"]
