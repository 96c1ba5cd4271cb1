"""A renewal job: every state, every step between them, and what is refused. Contract 4.11 [T]."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy
from tests.support.rows import POLICY
from tocsin.errors import JobStateError
from tocsin.expiry.renewal import (
    ATTEMPTS,
    RenewalJob,
    RenewalState,
    Report,
    deadline_of,
    detail_of,
    hand_off,
    hand_off_id,
    job_id,
    next_hand_off,
    renew_at,
    requested,
    why_not_handed_off,
)
from tocsin.inventory.policy import Suggestion

DEADLINE = T0 + DAY


def a_job(**fields: Any) -> RenewalJob:
    """Make a job that was just asked for."""
    return replace(requested(a_certificate(), "somebody", "why", DEADLINE, T0), **fields)


def failed(attempts: int = 1, **fields: Any) -> RenewalJob:
    return replace(a_job(attempts=attempts), **fields).reported(Report.FAILED, "no", "", T0 + HOUR)


BY: dict[RenewalState, Callable[[], RenewalJob]] = {
    RenewalState.REQUESTED: a_job,
    RenewalState.STARTED: lambda: a_job().reported(Report.STARTED, "", "", T0),
    RenewalState.FAILED: failed,
    RenewalState.OVERDUE: lambda: a_job().overdue(DEADLINE),
    RenewalState.SUCCEEDED: lambda: a_job().succeeded("seen", T0),
    RenewalState.CANCELLED: lambda: a_job().cancelled("somebody", "", T0),
}
"""A job in each state, by steps that lead there."""
STEPS: dict[str, Callable[[RenewalJob], RenewalJob]] = {
    "ask again": lambda job: job.requested_anew("another", "again", DEADLINE + DAY, T0 + HOUR),
    "started": lambda job: job.reported(Report.STARTED, "", "", T0 + HOUR),
    "failed": lambda job: job.reported(Report.FAILED, "", "", T0 + HOUR),
    "overdue": lambda job: job.overdue(DEADLINE),
    "succeeded": lambda job: job.succeeded("seen", T0 + HOUR),
    "cancelled": lambda job: job.cancelled("somebody", "", T0 + HOUR),
}
R, S, D = RenewalState.REQUESTED, RenewalState.STARTED, RenewalState.SUCCEEDED
F, L, C = RenewalState.FAILED, RenewalState.OVERDUE, RenewalState.CANCELLED
TABLE: dict[str, dict[RenewalState, RenewalState | None]] = {
    #              requested  started  failed  overdue  succeeded  cancelled   (null: refused)
    "ask again": {R: None, S: None, F: R, L: R, D: R, C: R},
    "started": {R: S, S: S, F: F, L: L, D: None, C: None},  # what is late is noted, and moves nothing
    "failed": {R: F, S: F, F: F, L: L, D: None, C: None},
    "overdue": {R: L, S: L, F: L, L: None, D: None, C: None},
    "succeeded": {R: D, S: D, F: D, L: D, D: None, C: None},
    "cancelled": {R: C, S: C, F: C, L: None, D: None, C: None},
}


@pytest.mark.parametrize("state", RenewalState)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_from_every_state(state: RenewalState, step: str) -> None:
    """Contract 4.11 [T]: each leads where the table says, or is refused with the state's name."""
    before, wanted = BY[state](), TABLE[step][state]
    assert before.state is state
    if wanted is None:
        with pytest.raises(JobStateError, match=f"it is {state}"):
            STEPS[step](before)
        return
    after = STEPS[step](before)
    assert (after.state, after.id, after.version) == (wanted, before.id, before.version + 1)
    assert after.is_open == (wanted in (R, S) or after.next_hand_off_at is not None)
    assert (after.finished_at is None) == after.is_open
    assert (after.look_at is None) != after.is_open


def test_a_job_is_of_one_cycle_of_one_certificate() -> None:
    """Contract 4.11 [T]: asked twice it is the same job; another cycle or certificate has another."""
    ids = {job_id(*key) for key in (("a", T0), ("b", T0), ("a", T0 + timedelta(microseconds=1)))}
    assert len(ids) == 3
    assert job_id("a", T0) in ids


def test_each_attempt_has_a_hand_off_of_its_own_and_the_old_one_is_for_nothing() -> None:
    """Contract 4.11 [T]: an attempt is handed off once, and not after the next one."""
    job = a_job()
    row = hand_off(job, a_certificate(), POLICY, T0)
    again = failed().handed_off(T0 + 2 * HOUR)
    assert (again.attempts, again.state, again.next_hand_off_at) == (2, R, None)
    assert hand_off_id(again) != row.id == hand_off_id(job)
    assert "attempt 2" in str(why_not_handed_off(row, again))
    assert why_not_handed_off(row, None) == "the renewal job is gone"


@pytest.mark.parametrize(("state", "goes"), [(R, True), (S, True), (F, True), (L, True), (D, False), (C, False)])
def test_a_hand_off_goes_as_long_as_somebody_waits_for_it(state: RenewalState, goes: bool) -> None:
    """An overdue one too: a dead letter that is requeued late may still save the day."""
    row = hand_off(a_job(), a_certificate(), POLICY, T0)
    assert (why_not_handed_off(row, BY[state]()) is None) == goes


@pytest.mark.parametrize(("attempts", "hours"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, None), (6, None)])
def test_the_pause_doubles_and_five_attempts_are_all(attempts: int, hours: int | None) -> None:
    """Contract 4.11 [T]: 1, 2, 4, 8 hours; at most 5 attempts."""
    assert next_hand_off(attempts, T0 + 90 * DAY, T0) == (None if hours is None else T0 + hours * HOUR)


@given(st.integers(1, ATTEMPTS + 2), st.integers(0, 48))
def test_no_attempt_is_made_beyond_the_deadline(attempts: int, hours: int) -> None:
    """Contract 4.11 [T]: what would be handed off at the deadline or after it, is not."""
    at = next_hand_off(attempts, T0 + hours * HOUR, T0)
    assert at is None or at < T0 + hours * HOUR


def test_a_failure_with_no_attempt_left_ends_the_job() -> None:
    job = failed(attempts=ATTEMPTS)
    assert (job.is_open, job.look_at, job.finished_at) == (False, None, T0 + HOUR)
    assert failed(deadline=T0 + 2 * HOUR).next_hand_off_at is None


def test_a_report_names_what_was_issued_until_the_next_attempt() -> None:
    job = a_job().reported(Report.STARTED, "installing", "0a@1", T0)
    assert (job.reported_identity, job.last_report) == ("0a@1", "started: installing")
    assert job.reported(Report.FAILED, "", "", T0).reported_identity == "0a@1"
    assert job.reported(Report.FAILED, "", "", T0).handed_off(T0 + HOUR).reported_identity == ""


def test_a_report_of_an_attempt_that_is_over_moves_nothing() -> None:
    """Contract 4.11 [T]: the failure of the first attempt, told late, is not one of the second."""
    second = failed().handed_off(T0 + HOUR)
    assert second.reported(Report.FAILED, "", "", T0 + HOUR, attempt=1).state is R
    assert second.reported(Report.FAILED, "", "0a@1", T0 + HOUR, attempt=1).reported_identity == ""
    assert second.reported(Report.FAILED, "", "", T0 + HOUR, attempt=2).state is F


def test_a_hostile_report_is_bounded() -> None:
    """A report is foreign text: one printable line of 512 bytes."""
    said = a_job().reported(Report.FAILED, "x\x00\u202e" * 10_000, "", T0).last_report
    assert len(said.encode()) <= 512
    assert said.isprintable()


def test_the_event_says_all_that_a_renewer_must_know() -> None:
    certificate = a_certificate(
        names=("www.example.com",), key_kind="EC", key_size=256, tags={"cost": "7"}, environment="prod", ari_id="a.b"
    )
    detail = detail_of(requested(certificate, "ann", "old key", DEADLINE, T0), certificate)
    assert detail | {"job_id": "", "certificate_id": ""} == {
        "job_id": "",
        "attempt": 1,
        "certificate_id": "",
        "common_name": "api.example.com",
        "names": ["www.example.com"],
        "key_kind": "EC",
        "key_size": 256,
        "expires_at": "2026-04-15T12:00:00Z",
        "serial": "",
        "source": "api",
        "source_ref": "",
        "ari_id": "a.b",
        "environment": "prod",
        "tags": {"cost": "7"},
        "deadline": "2026-03-02T12:00:00Z",
        "requested_by": "ann",
        "reason": "old key",
    }
    assert json.loads(hand_off(a_job(), certificate, POLICY, T0).message)["attempt"] == 1


@pytest.mark.parametrize(
    ("renew_before", "days"),
    [(None, None), (30, 15), ("20%", 27), (Suggestion.ARI.value, 15)],  # of 90 days, 45 of which are left at T0
)
def test_when_a_policy_asks(renew_before: object, days: float | None) -> None:
    """Contract 4.11 [T]: days, percent of the validity period, or the authority's word; else at two thirds."""
    at = renew_at(a_certificate(), a_policy(renew_before=renew_before))
    assert at == (None if days is None else T0 + days * DAY)


def test_a_short_lived_certificate_is_renewed_at_half_of_its_life() -> None:
    certificate = a_certificate(not_before=T0, expires_at=T0 + 6 * DAY)
    assert renew_at(certificate, a_policy(renew_before="ari")) == T0 + 3 * DAY


def test_what_was_renewed_is_not_asked_for_again_within_a_day() -> None:
    """Contract 4.11 [T]: whatever its policy says, an authority is not asked again and again for the same."""
    before = a_certificate(not_before=T0, expires_at=T0 + 20 * DAY)
    policy = a_policy(renew_before=30)
    assert renew_at(before, policy) == T0 - 10 * DAY
    renewed = before.changed(replace(before, expires_at=T0 + 21 * DAY), T0 + HOUR)
    assert renew_at(renewed, policy) == T0 + HOUR + DAY


def test_the_deadline_is_the_policys() -> None:
    assert deadline_of(a_policy(), T0) == T0 + 24 * HOUR
    assert deadline_of(a_policy(renewal_deadline_hours=6), T0) == T0 + 6 * HOUR
