"""A certificate's status, and what restarts the watch over it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tocsin.errors import InvalidFieldsError
from tocsin.inventory.certificate import CertificateStatus, Source, checked, source_id
from tocsin.inventory.thresholds import DEFAULTS

EXPIRY = T0 + 45 * DAY
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before_expiry", "status"),
    [
        (31 * DAY, "Active"),
        (30 * DAY + SECOND, "Active"),
        (30 * DAY, "Expiring"),
        (DAY, "Expiring"),
        (timedelta(hours=23, minutes=59), "Expiring"),  # whole days, rounded down, would say 0 days left: expired
        (SECOND, "Expiring"),
        (timedelta(microseconds=1), "Expiring"),
        (timedelta(), "Expired"),
        (-SECOND, "Expired"),
        (-365 * DAY, "Expired"),
    ],
)
def test_status_follows_the_time_left(before_expiry: timedelta, status: str) -> None:
    """Contract 4.5 [S]: Expiring while time is left, Expired at or after the expiry instant, never before it."""
    assert a_certificate().status(EXPIRY - before_expiry, DEFAULTS) == status


@pytest.mark.parametrize("now", [T0, EXPIRY - DAY, EXPIRY, EXPIRY + DAY])
def test_archived_and_revoked_have_a_status_of_their_own(now: datetime) -> None:
    """Contract 4.5 [S]: archived and revoked certificates are left alone."""
    assert a_certificate(archived_at=T0).status(now, DEFAULTS) is CertificateStatus.ARCHIVED
    assert a_certificate(revoked_at=T0).status(now, DEFAULTS) is CertificateStatus.REVOKED
    assert a_certificate(revoked_at=T0, archived_at=T0).status(now, DEFAULTS) is CertificateStatus.REVOKED


@pytest.mark.parametrize("renewal", ["", "FAILED", "PENDING_VALIDATION", "SUCCESS"])
def test_a_renewal_that_is_said_to_be_under_way_changes_nothing(renewal: str) -> None:
    """Contract 4.5 [T]: a failed or stuck renewal does not silence the alert."""
    assert a_certificate(renewal_status=renewal).status(EXPIRY - DAY, DEFAULTS) is CertificateStatus.EXPIRING


def test_a_time_zone_is_no_difference() -> None:
    there = a_certificate(expires_at=EXPIRY.astimezone(timezone(timedelta(hours=9))))
    assert there.status(EXPIRY - SECOND, DEFAULTS) is CertificateStatus.EXPIRING
    assert there.status(EXPIRY, DEFAULTS) is CertificateStatus.EXPIRED


LATER = T0 + 3 * HOUR


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": EXPIRY + 90 * DAY},
        {"not_before": T0 - DAY},
        {"policy_id": "another"},
    ],
)
def test_new_dates_or_another_policy_restart_the_watch(change: dict[str, object]) -> None:
    before = a_certificate(due_at=None)
    after = before.changed(replace(before, **change), LATER)  # type: ignore[arg-type]  # fields by name
    assert (after.watched_since, after.due_at, after.version) == (LATER, LATER, 2)


@pytest.mark.parametrize(
    ("change", "due_at"),
    [
        ({"owner_id": "o2"}, LATER),  # rules may look at it
        ({"issuer": "CN=X"}, LATER),
        ({"renewal_status": "FAILED"}, LATER),  # somebody is to be told
        ({"renewal_status": "PENDING_VALIDATION"}, T0 + DAY),
        ({"in_use_by": ("arn:x",)}, T0 + DAY),
    ],
)
def test_other_changes_do_not(change: dict[str, object], due_at: datetime) -> None:
    """Some have it looked at, though: as if it had been watched all the time."""
    before = a_certificate(due_at=T0 + DAY)
    after = before.changed(replace(before, **change), LATER)  # type: ignore[arg-type]  # fields by name
    assert (after.watched_since, after.due_at, after.version) == (T0, due_at, 2)


def test_archived_leaves_the_watch_and_comes_back_late() -> None:
    before = a_certificate()
    away = before.changed(replace(before, archived_at=LATER), LATER)
    back = away.changed(replace(away, archived_at=None), LATER + DAY)
    assert away.due_at is None
    assert (back.due_at, back.watched_since) == (LATER + DAY, LATER + DAY)


def test_a_draft_cannot_rewrite_what_is_the_records_own() -> None:
    before = a_certificate()
    draft = replace(before, id="other", created_at=LATER, version=99, watched_since=LATER, due_at=None)
    after = before.changed(draft, LATER)
    assert (after.id, after.created_at, after.version, after.watched_since, after.due_at) == (
        before.id,
        before.created_at,
        2,
        before.watched_since,
        before.due_at,
    )


def test_a_source_names_the_same_place_the_same() -> None:
    assert source_id(Source.TLS, "a:443") == source_id(Source.TLS, "a:443")
    assert len({source_id(Source.TLS, "a:443"), source_id(Source.TLS, "a:444"), source_id(Source.ACM, "a:443")}) == 3


def test_an_expiry_in_the_past_is_the_fact() -> None:
    """Issue 3: an expiry in the past is accepted."""
    past = a_certificate(expires_at=datetime(1999, 1, 1, tzinfo=UTC))
    assert checked(past) is past


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", datetime(2027, 1, 1)),  # noqa: DTZ001 - without a time zone is what is refused
        ("not_before", datetime(2025, 1, 1)),  # noqa: DTZ001
        ("expires_at", datetime(1949, 12, 31, tzinfo=UTC)),
        ("expires_at", datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))),
        ("common_name", "x" * 1_000_000),
        ("common_name", ""),
        ("common_name", "a\nb"),
        ("common_name", "\ud800"),
        ("issuer", "x" * 1025),
        ("owner_id", ""),
        ("policy_id", "x" * 257),
        ("names", ("ok",) * 101),
    ],
)
def test_what_cannot_be_stored_is_refused_by_its_name(field: str, value: object) -> None:
    """Issue 3: a 1 MB name, or an expiry without a time zone, is refused naming the field."""
    bad = a_certificate(**({"not_before": None} | {field: value}))
    with pytest.raises(InvalidFieldsError) as refused:
        checked(bad)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_each_bad_name_is_named() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        checked(a_certificate(names=("ok", "x" * 300, "\0")))
    assert [problem.field for problem in refused.value.problems] == ["names.1", "names.2"]
