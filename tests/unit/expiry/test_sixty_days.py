"""Issue 3: hour by hour through 60 days, exactly the expected alerts, each once; and what must change nothing."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.inventory import DAY, HOUR, LISTS, T0, PaperCheck, a_certificate, a_policy, hours
from tocsin.expiry.alert import MarkKind
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.occurrences import CertificateEvent
from tocsin.inventory.policy import RenewalPolicy

ENDS = {
    "in 45 days": a_certificate(),
    "in 45 days and a half hour": a_certificate(expires_at=T0 + 45 * DAY + HOUR / 2),
    "in 5 days, so late": a_certificate(expires_at=T0 + 5 * DAY),
    "expired already": a_certificate(expires_at=T0 - 5 * DAY),
    "in 100 days": a_certificate(expires_at=T0 + 100 * DAY),
    "in 47 days, of 47": a_certificate(not_before=T0, expires_at=T0 + 47 * DAY),
    "in a day, of a day": a_certificate(not_before=T0, expires_at=T0 + DAY),
}
EXPECTED: dict[tuple[str, str], list[tuple[str, float]]] = {
    # (thresholds, expiry): each alert's threshold, and the days after T0 at which the hourly check raises it
    ("default", "in 45 days"): [("30", 15), ("14", 31), ("7", 38), ("0", 45)],
    ("wide", "in 45 days"): [("60", 0), ("30", 15)],  # 90 is superseded by 60
    ("mixed", "in 45 days"): [("30", 15), ("33%", 15 + 8 / 24), ("10%", 36), ("7", 38)],
    ("empty", "in 45 days"): [("30", 15), ("14", 31), ("7", 38), ("0", 45)],
    # half an hour later, so an hourly tick later
    ("default", "in 45 days and a half hour"): [
        (n, d + 1 / 24) for n, d in (("30", 15), ("14", 31), ("7", 38), ("0", 45))
    ],
    ("default", "in 5 days, so late"): [("7", 0), ("0", 5)],  # 30 and 14 are superseded by 7
    ("wide", "in 5 days, so late"): [("30", 0)],
    ("mixed", "in 5 days, so late"): [("7", 0)],  # 7 days are less than 10% of 90
    ("empty", "in 5 days, so late"): [("7", 0), ("0", 5)],
    ("default", "expired already"): [("0", 0)],
    ("wide", "expired already"): [("30", 0)],
    ("default", "in 100 days"): [],
    ("wide", "in 100 days"): [("90", 10), ("60", 40)],
    ("mixed", "in 47 days, of 47"): [("30", 17), ("33%", 31.5), ("7", 40), ("10%", 42 + 8 / 24)],
    ("mixed", "in a day, of a day"): [("33%", 17 / 24), ("10%", 22 / 24)],  # and 7 below
}
EXPECTED["mixed", "in a day, of a day"].insert(0, ("7", 0))  # 30 and 7 days are crossed from the first hour


def policy(name: str) -> RenewalPolicy:
    return a_policy(*LISTS[name])


def whole(name: str, certificate: Certificate) -> list[str]:
    """Name what the hourly check raises in 60 days."""
    return PaperCheck().run(certificate, policy(name), hours(60)).thresholds


@pytest.mark.parametrize(("name", "end"), EXPECTED)
def test_exactly_the_expected_alerts_each_once(name: str, end: str) -> None:
    """Contract 4.2 [S], 4.3 [S], 4.4 [T]: for each threshold crossed an alert, once."""
    raised = PaperCheck().run(ENDS[end], policy(name), hours(60)).raised
    seen = [(route.partition(" ")[0], (at - T0) / DAY) for route, at in raised]
    assert [threshold for threshold, _ in seen] == [threshold for threshold, _ in EXPECTED[name, end]]
    for (_, at), (_, expected) in zip(seen, EXPECTED[name, end], strict=True):
        assert 0 <= at - expected < 1 / 24 + 1e-9


Ticks = Callable[[Iterable[datetime]], Iterable[datetime]]
SCHEDULES: dict[str, Ticks] = {
    "a missed day": lambda ticks: (at for at in ticks if not 15 <= (at - T0) / DAY < 16),
    "a missed week": lambda ticks: (at for at in ticks if not 31 <= (at - T0) / DAY < 38.5),
    "once a month": lambda ticks: (at for at in ticks if at in (T0, T0 + 30 * DAY, T0 + 60 * DAY)),
    "only at the end": lambda ticks: [T0 + 60 * DAY],
    "each tick twice": lambda ticks: chain.from_iterable((at, at) for at in ticks),
    "a clock that jumps back": lambda ticks: chain.from_iterable((at, at - 5 * timedelta(minutes=1)) for at in ticks),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", LISTS)
def test_when_the_check_runs_changes_nothing_in_the_result(name: str, end: str, schedule: str) -> None:
    """Issue 3: a missed day, or a check that runs twice, changes nothing in the set of alerts."""
    ticks = SCHEDULES[schedule](hours(60))
    assert sorted(PaperCheck().run(ENDS[end], policy(name), ticks).thresholds) == sorted(whole(name, ENDS[end]))


@given(
    thresholds=st.lists(st.integers(0, 100) | st.integers(1, 100).map("{}%".format), max_size=6, unique=True),
    expiry_hours=st.integers(-100, 2400),
    validity_hours=st.integers(1, 4000),
    kept=st.sets(st.integers(0, 60 * 24), max_size=30),
)
@settings(deadline=None, max_examples=150)
def test_any_schedule_gives_what_the_last_tick_alone_would(
    thresholds: list[object], expiry_hours: int, validity_hours: int, kept: set[int]
) -> None:
    """Contract 4.3 [T]: by construction. Whatever ticks happen before the last one, the alerts are the same."""
    expires_at = T0 + expiry_hours * HOUR
    certificate = a_certificate(expires_at=expires_at, not_before=expires_at - validity_hours * HOUR)
    end = T0 + 60 * DAY
    some = PaperCheck().run(certificate, a_policy(*thresholds), [T0 + n * HOUR for n in sorted(kept)] + [end])
    one = PaperCheck().run(certificate, a_policy(*thresholds), [end])
    assert sorted(some.raised and some.thresholds) == sorted(one.raised and one.thresholds)
    assert {(mark.id, mark.kind) for mark in some.marks.values()} == {(m.id, m.kind) for m in one.marks.values()}


def test_a_certificate_seen_late_gets_the_most_urgent_threshold_and_the_rest_is_recorded() -> None:
    """Contract 4.4 [T]."""
    check = PaperCheck().run(a_certificate(expires_at=T0 + 5 * DAY), policy("default"), [T0])
    marks = {str(mark.threshold): (mark.kind, mark.superseded_by) for mark in check.marks.values()}
    assert check.thresholds == ["7"]
    seven = next(mark.threshold for mark in check.marks.values() if mark.kind is MarkKind.RAISED)
    assert marks == {
        "7": (MarkKind.RAISED, None),
        "14": (MarkKind.SUPERSEDED, seven),
        "30": (MarkKind.SUPERSEDED, seven),
    }


def test_a_renewed_certificate_alerts_again_in_its_next_cycle() -> None:
    """Contract 4.3 [T]: the id holds the expiry instant, so the next cycle's alerts are others."""
    first = a_certificate()
    check = PaperCheck().run(first, policy("default"), hours(32))
    renewed_at = T0 + 32 * DAY
    second = first.changed(replace(first, not_before=renewed_at, expires_at=renewed_at + 40 * DAY), renewed_at)
    check.run(second, policy("default"), (renewed_at + n * HOUR for n in range(41 * 24)))
    assert check.thresholds == ["30", "14", "30", "14", "7", "0"]
    assert len({mark.id for mark in check.marks.values() if mark.event is None}) == 6
    assert [mark.event for mark in check.marks.values() if mark.event] == [CertificateEvent.RENEWAL_SUCCESS]


def test_archived_and_revoked_certificates_are_left_alone() -> None:
    """Contract 4.5 [S]."""
    for put_away in ({"archived_at": T0}, {"revoked_at": T0}):
        assert PaperCheck().run(a_certificate(**put_away), policy("default"), hours(60)).marks == {}


def test_a_stuck_renewal_does_not_silence_the_alert() -> None:
    """Contract 4.5 [T]."""
    stuck = a_certificate(renewal_status="FAILED")
    assert whole("default", stuck) == ["30", "14", "7", "0"]


def test_nothing_is_raised_before_its_second() -> None:
    """Faults: one second around the boundary."""
    certificate = a_certificate()
    for days in (30, 14, 7, 0):
        at = certificate.expires_at - days * DAY
        check = PaperCheck().run(certificate, a_policy(days), [at - timedelta(seconds=1)])
        assert check.thresholds == []
        assert check.run(certificate, a_policy(days), [at]).thresholds == [str(days)]
        assert check.run(certificate, a_policy(days), [at + timedelta(seconds=1)]).thresholds == [str(days)]
