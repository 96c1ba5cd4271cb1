"""Subjects as SNS takes them: fewer than 100 characters of printable ASCII on one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.sns import FALLBACK_SUBJECT, subject_line


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("api.example.com expires", "api.example.com expires"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("naïve ✓", "na?ve ?"),
        ("  padded  ", "padded"),
        ("", FALLBACK_SUBJECT),
        ("\n\x00\x7f\n", "??"),
        ("x" * 100, "x" * 99),
        ("x" * 98 + " y", "x" * 98),
    ],
)
def test_it_becomes(subject: str, line: str) -> None:
    assert subject_line(subject) == line


@given(st.text())
def test_whatever_is_written_fits(subject: str) -> None:
    line = subject_line(subject)
    assert 0 < len(line) < 100
    assert line.isascii()
    assert line.isprintable()
    assert line == line.strip()
