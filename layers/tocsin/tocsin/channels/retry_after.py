"""Reading Retry-After (RFC 9110, 10.2.3): seconds, or a date. Pure; hostile values give a bounded answer or none."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
"""Seconds. A receiver may ask for a day; the retry policy caps it again."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?")
_READ_CHARACTERS = 64


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds to wait, from 0 to LONGEST; None for a header that is missing or says nothing."""
    if value is None or len(value) > _READ_CHARACTERS:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST)
    if _NEGATIVE.fullmatch(text):
        return 0.0
    date = _date(text)
    return None if date is None else min(max((date - now).total_seconds(), 0.0), LONGEST)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser raises for text that is no date
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
