"""Thresholds: what is accepted, and when each is crossed."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.inventory import DAY, T0, a_certificate
from tocsin.errors import InvalidFieldsError
from tocsin.inventory.thresholds import DEFAULTS, Threshold, Unit, by_urgency, parse_thresholds, read_threshold

SECOND = timedelta(seconds=1)


def test_an_empty_or_missing_list_is_the_default() -> None:
    """Contract 4.1 [S]: `alert_thresholds_days` is [30, 14, 7, 0] by default; an empty list means the default."""
    assert parse_thresholds([]) == DEFAULTS == (Threshold(30), Threshold(14), Threshold(7), Threshold(0))


def test_days_and_percentages_may_be_mixed() -> None:
    assert parse_thresholds([60, "33%", 7.0, 0]) == (
        Threshold(60),
        Threshold(33, Unit.PERCENT),
        Threshold(7),
        Threshold(0),
    )


@pytest.mark.parametrize(
    "value",
    [
        -1,
        3651,
        1e300,
        7.5,
        math.nan,
        math.inf,
        True,
        None,
        "7",
        "seven",
        "0%",
        "101%",
        "-5%",
        "33.3%",
        "%",
        "9" * 1_000_000 + "%",
        [30],
        {"days": 30},
    ],
)
def test_what_is_no_threshold_is_refused_by_its_place(value: object) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        parse_thresholds([30, value])
    (problem,) = refused.value.problems
    assert problem.field == "alert_thresholds_days.1"
    assert len(problem.detail) < 200


@pytest.mark.parametrize("values", [[7, 7], [7, 7.0], ["33%", "33%"], ["7%", "07%"]])
def test_what_is_repeated_is_refused(values: list[object]) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        parse_thresholds(values)
    assert [problem.field for problem in refused.value.problems] == ["alert_thresholds_days.1"]


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        parse_thresholds([-1, 30, "0%", 30])
    assert [problem.field for problem in refused.value.problems] == [f"alert_thresholds_days.{n}" for n in (0, 2, 3)]


def test_a_list_has_a_limit() -> None:
    with pytest.raises(InvalidFieldsError):
        parse_thresholds(list(range(33)))


@pytest.mark.parametrize("text", ["0", "3650", "1%", "100%"])
def test_what_is_written_is_read_again(text: str) -> None:
    assert str(read_threshold(text)) == text
    assert read_threshold(text).tag == f"[threshold:{text}]"


@pytest.mark.parametrize("text", ["", "-", "3651", "0%", "x"])
def test_nothing_else_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_threshold(text)


@given(days=st.integers(0, 3650))
def test_days_are_crossed_to_the_second(days: int) -> None:
    """Contract 4.2 [S]: a threshold is crossed when the days left are at most the threshold."""
    certificate = a_certificate(expires_at=T0 + 4000 * DAY)
    crossing = certificate.expires_at - days * DAY
    threshold = Threshold(days)
    assert threshold.crosses_at(certificate) == crossing
    assert not threshold.crossed(certificate, crossing - SECOND)
    assert threshold.crossed(certificate, crossing)
    assert threshold.crossed(certificate, crossing + SECOND)


@pytest.mark.parametrize(
    ("validity", "percent", "left"),
    [
        (90 * DAY, 33, timedelta(days=29, hours=16, minutes=48)),
        (47 * DAY, 33, timedelta(days=15, hours=12, minutes=14, seconds=24)),
        (timedelta(hours=24), 25, timedelta(hours=6)),  # a private certificate that lives for hours
        (100 * DAY, 100, 100 * DAY),  # from its first instant
        (398 * DAY, 1, timedelta(days=3, hours=23, minutes=31, seconds=12)),
    ],
)
def test_a_percentage_is_of_the_validity_period(validity: timedelta, percent: int, left: timedelta) -> None:
    certificate = a_certificate(not_before=T0, expires_at=T0 + validity)
    threshold = Threshold(percent, Unit.PERCENT)
    assert threshold.crosses_at(certificate) == certificate.expires_at - left
    assert not threshold.crossed(certificate, certificate.expires_at - left - SECOND)
    assert threshold.crossed(certificate, certificate.expires_at - left)


@pytest.mark.parametrize("not_before", [None, T0 + 45 * DAY, T0 + 50 * DAY])
def test_without_a_beginning_a_percentage_is_of_90_days(not_before: object) -> None:
    certificate = a_certificate(not_before=not_before)
    assert Threshold(33, Unit.PERCENT).before_expiry(certificate) == 90 * DAY * 33 / 100


def test_the_most_urgent_is_crossed_last() -> None:
    certificate = a_certificate(not_before=T0, expires_at=T0 + 100 * DAY)
    mixed = parse_thresholds([30, "33%", 14, "14%", 0])
    assert [str(threshold) for threshold in by_urgency(mixed, certificate)] == ["0", "14", "14%", "30", "33%"]
