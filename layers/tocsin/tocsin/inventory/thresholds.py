"""Thresholds: how long before its expiry a certificate alerts, in days or in percent of its validity period.

A threshold is crossed at one instant, and stays crossed. Time is continuous here: 23 h 59 min before its expiry a
certificate has crossed `1`, not `0`. Whole days, rounded, would call it expired a day early.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tocsin.errors import FieldProblem, InvalidFieldsError

FIELD = "alert_thresholds_days"
"""The name of the list, as the API and errors have it."""
DAYS_LIMIT = 3650
COUNT_LIMIT = 32
"""Thresholds in one policy."""
ASSUMED_VALIDITY = timedelta(days=90)
"""What a percentage is of while `not_before` is unknown: a third of it is 30 days, the widest default threshold."""

_PERCENT = re.compile(r"([0-9]{1,9})%")


class Unit(StrEnum):
    """What a threshold counts in."""

    DAYS = "days"
    PERCENT = "percent"


class Dated(Protocol):
    """Something with a validity period: a certificate."""

    @property
    def not_before(self) -> datetime | None:
        """Give the first instant of validity, if it is known."""

    @property
    def expires_at(self) -> datetime:
        """Give the instant of expiry."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Whole days (0 to 3650), or whole percent of the validity period (1 to 100), before expiry."""

    amount: int
    unit: Unit = Unit.DAYS

    def __str__(self) -> str:
        return f"{self.amount}%" if self.unit is Unit.PERCENT else str(self.amount)

    @property
    def tag(self) -> str:
        """Give what every alert's text carries, e.g. `[threshold:14]`."""
        return f"[threshold:{self}]"

    def before_expiry(self, dated: Dated) -> timedelta:
        """Give the time left at which `dated` crosses it."""
        if self.unit is Unit.DAYS:
            return timedelta(days=self.amount)
        return validity(dated) * self.amount / 100

    def crosses_at(self, dated: Dated) -> datetime:
        """Give the instant at which `dated` crosses it."""
        return dated.expires_at - self.before_expiry(dated)

    def crossed(self, dated: Dated, now: datetime) -> bool:
        """Tell whether the time left is this, or less."""
        return self.crosses_at(dated) <= now


DEFAULTS = (Threshold(30), Threshold(14), Threshold(7), Threshold(0))


def validity(dated: Dated) -> timedelta:
    """Give the length of the validity period; an assumed one where its beginning is unknown, or makes no sense."""
    if dated.not_before is None or dated.not_before >= dated.expires_at:
        return ASSUMED_VALIDITY
    return dated.expires_at - dated.not_before


def by_urgency(thresholds: Iterable[Threshold], dated: Dated) -> list[Threshold]:
    """Sort them for `dated`, the most urgent (crossed last) first; where two are crossed at once, days go first."""
    return sorted(thresholds, key=lambda threshold: (threshold.before_expiry(dated), threshold.unit, threshold.amount))


def parse_thresholds(values: Sequence[object]) -> tuple[Threshold, ...]:
    """Read numbers of days and texts like "33%"; none at all are the defaults.

    Raises InvalidFieldsError naming each that is negative, over 3650, repeated, no number, "0%" or above "100%".
    """
    if len(values) > COUNT_LIMIT:
        raise InvalidFieldsError([FieldProblem(FIELD, f"has more than {COUNT_LIMIT} entries")])
    read: list[Threshold] = []
    problems: list[FieldProblem] = []
    for number, value in enumerate(values):
        threshold = parse_threshold(value)
        if isinstance(threshold, Threshold) and threshold not in read:
            read.append(threshold)
        else:
            detail = threshold if isinstance(threshold, str) else f"is repeated: {threshold}"
            problems.append(FieldProblem(f"{FIELD}.{number}", detail))
    if problems:
        raise InvalidFieldsError(problems)
    return tuple(read) or DEFAULTS


def parse_threshold(value: object) -> Threshold | str:
    """Read one threshold, or say what is wrong with it."""
    if isinstance(value, str):
        return _parse_percent(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return 'must be a whole number of days, or a percentage of the validity period like "33%"'
    if not 0 <= value <= DAYS_LIMIT:
        return f"must be 0 to {DAYS_LIMIT} days"
    return Threshold(int(value))


def _parse_percent(text: str) -> Threshold | str:
    found = _PERCENT.fullmatch(text)
    if not found:
        return 'must be a number of days, or a percentage of the validity period like "33%"'
    if not 1 <= int(found[1]) <= 100:  # noqa: PLR2004 - percent
        return "must be 1% to 100%"
    return Threshold(int(found[1]), Unit.PERCENT)


def read_threshold(text: str) -> Threshold:
    """Read what `str` of a threshold gave; raise ValueError for anything else."""
    value = parse_threshold(text if text.endswith("%") else int(text))
    if isinstance(value, str):
        raise ValueError(f"{text!r} {value}")  # noqa: TRY004 - it is the text that is wrong, not its type
    return value
