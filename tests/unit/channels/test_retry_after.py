"""Retry-After (RFC 9110, 10.2.3), from hands that can't be trusted (faults.md)."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.retry_after import LONGEST, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),  # not in the RFC, but plain
        ("86401", LONGEST),
        ("9" * 64, LONGEST),
        ("-1", 0.0),
        ("-0.5", 0.0),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120.0),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120.0),  # RFC 850, obsolete and still valid
        ("Sun Mar  1 12:02:00 2026", 120.0),  # asctime, obsolete and still valid
        ("Sun, 01 Mar 2026 14:02:00 +0200", 120.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("Fri, 31 Dec 9999 23:59:59 -2359", LONGEST),
        (None, None),
        ("", None),
        ("soon", None),
        ("1e9", None),
        ("inf", None),
        ("nan", None),
        ("\uff11\uff12", None),  # full-width digits
        ("12 seconds", None),
        ("9" * 5000, None),  # nobody who means it writes that
        ("Sun, 99 Mar 2026 12:02:00 GMT", None),
    ],
)
def test_it_reads(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{1,4} [0-9]{2}:[0-9]{2} [+-]?[0-9A-Z]{1,5}")
)
def test_the_answer_is_always_bounded(value: str) -> None:
    """Faults: "absurd, negative": never an exception, never negative, never endless."""
    seconds = retry_after(value, NOW)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= LONGEST)
