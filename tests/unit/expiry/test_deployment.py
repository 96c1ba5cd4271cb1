"""What a server awaits, and what that means: pure, by the rows around it (contract 4.10 [T])."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tocsin.expiry.deployment import Around, awaiting, judged
from tocsin.expiry.still_true import why_event_over
from tocsin.inventory.certificate import Certificate, Source
from tocsin.inventory.occurrences import AwaitedDeployment, CertificateEvent

OLD, NEW, NEWEST = T0 + 30 * DAY, T0 + 90 * DAY, T0 + 180 * DAY
GRACE = 6 * HOUR
SUCCESS, FAILURE = CertificateEvent.DEPLOYMENT_SUCCESS, CertificateEvent.DEPLOYMENT_FAILURE
NOBODY = Around()
_PARTS: dict[str, dict[str, Any]] = {
    "old": {"serial": "a", "expires_at": OLD},
    "new": {"serial": "b", "expires_at": NEW},
    "newest": {"serial": "c", "expires_at": NEWEST},
    "other": {"serial": "d", "expires_at": T0 + 60 * DAY},
}


def a_place(serves: str = "old", **fields: Any) -> Certificate:
    """Make what a server was seen to serve."""
    boring = {"id": "place", "source": Source.TLS, "source_ref": "shop.example.com:443", "indexed": 1}
    return a_certificate(**(boring | _PARTS[serves] | fields))


def a_row(*has: str, at: Any = T0, **fields: Any) -> Certificate:
    """Make a row of ACM that had some certificates, one after the other; it got the last at `at`."""
    row = a_certificate(id="row", source=Source.ACM, source_ref="arn", indexed=1, **_PARTS[has[0]])
    for one in has[1:]:
        row = row.changed(replace(row, **_PARTS[one]), at)
    return replace(row, **fields)


def moved(place: Certificate, serves: str, now: Any) -> Certificate:
    """Have a source see another certificate at a place."""
    return place.changed(replace(place, **_PARTS[serves]), now)


def events(certificate: Certificate) -> list[CertificateEvent]:
    return [one.event for one in certificate.occurrences if one.event in (SUCCESS, FAILURE)]


RENEWED = a_row("old", "new")
AROUND = Around(renewed=[RENEWED], origin=RENEWED)


def test_what_is_renewed_elsewhere_is_awaited_from_the_renewal_on() -> None:
    """Counted from the renewal, not from when somebody looks."""
    place = judged(a_place(), AROUND, T0 + 2 * HOUR, GRACE)
    assert place.awaited == AwaitedDeployment(RENEWED.identity, T0, T0 + GRACE, "certificate/row")
    assert (events(place), place.version) == ([], 2)
    assert judged(place, AROUND, T0 + 3 * HOUR, GRACE) is place


def test_a_place_that_serves_it_in_time_succeeds_once() -> None:
    place = moved(judged(a_place(), AROUND, T0, GRACE), "new", T0 + 2 * HOUR)
    after = judged(place, Around(became=[RENEWED], origin=RENEWED), T0 + 3 * HOUR, GRACE)
    assert (after.awaited, events(after)) == (None, [SUCCESS])
    assert after.occurrences[-1].detail == "shop.example.com:443 serves it, 3 hours after it was there."
    assert judged(after, Around(became=[RENEWED]), T0 + 4 * HOUR, GRACE) is after


def test_a_place_that_had_it_before_its_row_succeeds_too() -> None:
    """Sources are read one after the other: nobody ever saw that it was awaited."""
    place = moved(a_place(), "new", T0)
    assert judged(place, NOBODY, T0, GRACE) is place
    assert events(judged(place, Around(became=[RENEWED]), T0 + HOUR, GRACE)) == [SUCCESS]


@pytest.mark.parametrize(("hours", "expected"), [(5.99, []), (6, [FAILURE]), (100, [FAILURE])])
def test_a_place_that_still_serves_the_old_one_after_the_grace_fails_once(hours: float, expected: list[str]) -> None:
    place = judged(a_place(), AROUND, T0, GRACE)
    after = judged(place, AROUND, T0 + hours * HOUR, GRACE)
    assert events(after) == expected
    assert after.awaited is not None
    assert (after.awaited.failed_at is not None) == bool(expected)
    assert events(judged(after, AROUND, T0 + 200 * HOUR, GRACE)) == [FAILURE]


def test_what_failed_may_still_succeed() -> None:
    failed = judged(a_place(), AROUND, T0 + 7 * HOUR, GRACE)
    assert why_event_over(FAILURE, OLD, "", failed) is None
    late = moved(failed, "new", T0 + 9 * HOUR)
    assert why_event_over(FAILURE, OLD, "", late) is not None
    after = judged(late, Around(origin=RENEWED), T0 + 9 * HOUR, GRACE)
    assert (after.awaited, events(after)) == (None, [SUCCESS])


def test_a_server_that_goes_back_to_the_old_one_fails_when_the_grace_is_over() -> None:
    """One of several behind a name was left out: they answer in turn."""
    place = judged(a_place(), AROUND, T0, GRACE)
    told: set[tuple[CertificateEvent, Any]] = set()
    for hour in range(1, 13):
        now = T0 + hour * HOUR
        serves = "new" if hour % 2 else "old"
        place = moved(place, serves, now)
        around = Around(became=[RENEWED], origin=RENEWED) if serves == "new" else AROUND
        place = judged(place, around, now, GRACE)
        told |= {(one.event, one.expires_at) for one in place.occurrences if one.event in (SUCCESS, FAILURE)}
        assert (FAILURE in events(place)) == (serves == "old" and hour >= 6)
    assert told == {(SUCCESS, NEW), (FAILURE, OLD)}  # each is one notification, however often it is so


def test_a_third_certificate_that_expires_later_is_what_was_wanted() -> None:
    place = moved(judged(a_place(), AROUND, T0, GRACE), "newest", T0 + HOUR)
    after = judged(place, Around(origin=RENEWED), T0 + 7 * HOUR, GRACE)
    assert (after.awaited, events(after)) == (None, [])


def test_a_third_certificate_that_expires_sooner_is_not() -> None:
    place = moved(judged(a_place(), AROUND, T0, GRACE), "other", T0 + HOUR)
    after = judged(place, Around(origin=RENEWED), T0 + 7 * HOUR, GRACE)
    assert after.awaited is not None
    assert [(one.event, one.expires_at) for one in after.occurrences if one.event is FAILURE] == [
        (FAILURE, _PARTS["other"]["expires_at"])
    ]


def test_what_failed_in_one_cycle_and_still_fails_in_the_next_is_told_in_each() -> None:
    """The failure of the first is over: what was served there is not there any more."""
    failed = judged(a_place(), AROUND, T0 + 7 * HOUR, GRACE)
    other = judged(moved(failed, "other", T0 + 8 * HOUR), Around(origin=RENEWED), T0 + 8 * HOUR, GRACE)
    assert events(other) == [FAILURE]
    assert other.awaited is not None
    assert other.awaited.failed_at == T0 + 7 * HOUR


@pytest.mark.parametrize(
    "origin",
    [
        None,
        a_row("old", "new", archived_at=T0),
        a_row("old", "new", revoked_at=T0),
        a_row("old", "new", replaced_at=T0),
        a_row("old", "new", "old", at=T0 + HOUR),
    ],
    ids=["deleted", "archived", "revoked", "replaced", "rolled back"],
)
@pytest.mark.parametrize("at", [HOUR, 7 * HOUR], ids=["in the grace", "after it"])
def test_what_is_not_there_any_more_is_not_awaited(origin: Certificate | None, at: timedelta) -> None:
    """And no failure stands: what was told of it is over."""
    place = judged(a_place(), AROUND, T0 + at, GRACE)
    after = judged(place, Around(renewed=[origin] if origin else [], origin=origin), T0 + at + HOUR, GRACE)
    assert (after.awaited, events(after)) == (None, [])
    assert why_event_over(FAILURE, OLD, "", after) == "no other certificate is to be served there now"


def test_a_row_that_can_not_be_read_changes_nothing() -> None:
    place = judged(a_place(), AROUND, T0, GRACE)
    assert judged(place, Around(is_origin_known=False), T0 + HOUR, GRACE) is place


def test_a_row_that_is_renewed_again_is_still_awaited_until_the_same_time() -> None:
    place = judged(a_place(), AROUND, T0, GRACE)
    again = a_row("old", "new", "newest", at=T0 + 2 * HOUR)
    after = judged(place, Around(origin=again), T0 + 2 * HOUR, GRACE)
    assert after.awaited is not None
    assert (after.awaited.identity, after.awaited.until) == (again.identity, T0 + GRACE)
    served = judged(moved(after, "newest", T0 + 3 * HOUR), Around(origin=again), T0 + 3 * HOUR, GRACE)
    assert events(served) == [SUCCESS]


def test_where_another_row_takes_the_part_of_the_one_that_has_it_that_is_awaited() -> None:
    """In ACM, what is issued by ACME gets another ARN when it is renewed."""
    place = judged(a_place(), AROUND, T0, GRACE)
    for successor in (replace(a_row("newest"), id="row2"), replace(RENEWED, id="row2")):
        awaited = judged(place, Around(origin=successor), T0 + HOUR, GRACE).awaited
        assert awaited is not None
        assert (awaited.identity, awaited.origin) == (successor.identity, "certificate/row2")
        assert awaited.until == T0 + GRACE


def test_of_several_rows_the_one_that_expires_last_is_awaited() -> None:
    other = replace(a_row("old", "newest"), id="other")
    for renewed in ([RENEWED, other], [other, RENEWED]):
        awaited = judged(a_place(), Around(renewed=renewed), T0, GRACE).awaited
        assert awaited is not None
        assert awaited.origin == "certificate/other"


def test_the_same_dates_with_another_key_are_another_certificate() -> None:
    """It is of the same cycle, so the failure must end though the expiry does not change."""
    row = a_row("old").changed(replace(a_row("old"), serial="ab"), T0)
    around = Around(renewed=[row], origin=row)
    failed = judged(judged(a_place(), around, T0, GRACE), around, T0 + 7 * HOUR, GRACE)
    assert events(failed) == [FAILURE]
    served = failed.changed(replace(failed, serial="ab"), T0 + 8 * HOUR)
    after = judged(served, Around(became=[row], origin=row), T0 + 8 * HOUR, GRACE)
    assert (after.awaited, events(after)) == (None, [SUCCESS])
    assert why_event_over(FAILURE, OLD, "", after) is not None


# Somebody says which certificate a place is to serve: a renewal job's report.


def test_a_place_can_be_made_to_await_a_certificate() -> None:
    place = awaiting(a_place(due_at=None), RENEWED.identity, "renewal_job/j", T0, GRACE)
    assert place.awaited == AwaitedDeployment(RENEWED.identity, T0, T0 + GRACE, "renewal_job/j")
    assert (place.due_at, place.version) == (T0, 2)
    assert awaiting(place, RENEWED.identity, "renewal_job/j", T0 + HOUR, GRACE) is place
    assert events(judged(place, NOBODY, T0 + GRACE, GRACE)) == [FAILURE]
    served = judged(moved(place, "new", T0 + HOUR), NOBODY, T0 + HOUR, GRACE)
    assert events(served) == [SUCCESS]
    assert awaiting(served, RENEWED.identity, "renewal_job/j", T0 + 2 * HOUR, GRACE) is served


def test_what_is_served_already_when_it_is_said_succeeds() -> None:
    place = awaiting(a_place("new"), RENEWED.identity, "renewal_job/j", T0, GRACE)
    assert events(judged(place, NOBODY, T0, GRACE)) == [SUCCESS]


@pytest.mark.parametrize("row", [a_row("old"), a_place(archived_at=T0), a_place(revoked_at=T0)])
def test_only_a_place_that_is_watched_awaits(row: Certificate) -> None:
    assert awaiting(row, RENEWED.identity, "renewal_job/j", T0, GRACE) is row


def test_what_is_no_identity_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        awaiting(a_place(), "abc", "renewal_job/j", T0, GRACE)


# Which certificate it is.


@pytest.mark.parametrize("serial", ["0a:BC", "ABC", "a bc", "0A-BC", "00abc"])
def test_a_serial_is_the_same_however_a_tool_writes_it(serial: str) -> None:
    assert a_certificate(serial=serial).identity == a_certificate(serial="abc").identity


def test_what_went_back_renews_nothing() -> None:
    assert a_row("old", "new").renews == a_row("old").identity
    assert a_row("new", "old").renews == ""
    assert a_row("old").renews == ""


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["look", "old", "new", "newest", "other", "renew", "roll back", "archive", "job"]),
            st.integers(0, 5),
        ),
        max_size=12,
    )
)
@settings(deadline=None, max_examples=300)
def test_any_story_is_told_consistently(steps: list[tuple[str, int]]) -> None:
    """Whatever happens: nothing stands twice, a failure stands only while something is awaited, a look adds nothing."""
    place, row, now = a_place(), a_row("old"), T0
    for step, hours in steps:
        now += hours * HOUR
        match step:
            case "renew":
                row = row.changed(replace(row, **_PARTS["new"]), now)
            case "roll back":
                row = row.changed(replace(row, **_PARTS["old"]), now)
            case "archive":
                row = row.changed(replace(row, archived_at=now), now)
            case "job":
                place = awaiting(place, a_row("newest").identity, "renewal_job/j", now, GRACE)
            case "look":
                pass
            case _:
                place = moved(place, step, now)
        around = Around(
            renewed=[row] if row.renews == place.identity else [],
            became=[row] if row.renews and row.renews == place.renewed_from else [],
            origin=row,
        )
        place = judged(place, around, now, GRACE)
        assert judged(place, around, now, GRACE) is place
        assert len({one.identity for one in place.occurrences}) == len(place.occurrences)
        if FAILURE in events(place):
            assert place.awaited is not None
            assert place.awaited.failed_at is not None
            assert place.awaited.identity != place.identity
