"""Contract 2: the life of one notification, attempt by attempt."""

from datetime import timedelta

import pytest

from tests.support.rows import ACCEPTED, NO_CHANNEL, NOW, POLICY, REFUSED, REJECTED, SILENT, a_row, settled
from tocsin.delivery.attempt import Attempt, AttemptClass, FailureClass, Refused
from tocsin.delivery.notification import (
    ATTEMPT_ERROR_LIMIT,
    HISTORY_LIMIT,
    LAST_ERROR_LIMIT,
    DeliveryPolicy,
    MissingChannelAction,
    Notification,
    Outcome,
    Status,
)


def fail(row: Notification, times: int) -> Notification:
    """Fail `row` that often, each time when it is due."""
    for _ in range(times):
        row = settled(row, REFUSED, row.next_retry_at or NOW)
    return row


def test_a_new_row_has_the_fields_of_the_contract() -> None:
    """Contract 2.1 [S]."""
    row = a_row()
    assert (row.status, row.retry_count, row.next_retry_at, row.last_error) == (Status.PENDING, 0, None, None)


def test_the_waits_are_one_two_four_and_eight_minutes_and_the_fifth_failure_is_the_last() -> None:
    """Contract 2.2 [S], to the second."""
    row, seen = a_row(), []
    while row.status is not Status.DEAD:
        at = row.next_retry_at or NOW
        row = settled(row, REFUSED, at)
        seen.append((row.retry_count, row.next_retry_at and (row.next_retry_at - at).total_seconds()))
    assert seen == [(1, 60), (2, 120), (3, 240), (4, 480), (4, None)]
    assert row.last_error == REFUSED.error
    assert row.died_at == NOW + timedelta(seconds=60 + 120 + 240 + 480)


def test_the_first_failure_enters_the_loop_like_any_other() -> None:
    """Contract 2.3 [T]."""
    row = settled(a_row(), REFUSED)
    assert (row.status, row.retry_count, row.next_retry_at) == (Status.FAILED, 1, NOW + timedelta(seconds=60))


@pytest.mark.parametrize("failures", range(5))
def test_success_at_any_attempt_leaves_retry_count_alone(failures: int) -> None:
    """Contract 2.4 [S]: "delivered on attempt n + 1" stays readable."""
    failed = fail(a_row(), failures)
    row = settled(failed, ACCEPTED, NOW + timedelta(hours=1))
    assert (row.status, row.outcome, row.retry_count) == (Status.SENT, Outcome.DELIVERED, failures)
    assert row.last_error == failed.last_error
    assert row.sent_at == NOW + timedelta(hours=1)
    assert row.attempts[-1].number == failures + 1


@pytest.mark.parametrize(
    ("action", "status"), [(MissingChannelAction.SENT, Status.SENT), (MissingChannelAction.DEAD, Status.DEAD)]
)
@pytest.mark.parametrize("failures", [0, 3])
def test_a_missing_channel_never_wedges_a_row_and_is_never_quiet(
    action: MissingChannelAction, status: Status, failures: int
) -> None:
    """Contract 2.6 [S] sent, [T] its outcome and history say that nothing was sent; `dead` by parameter."""
    row = settled(fail(a_row(), failures), NO_CHANNEL, policy=DeliveryPolicy(missing_channel=action))
    assert (row.status, row.outcome, row.retry_count) == (status, Outcome.SKIPPED_NO_CHANNEL, failures)
    assert row.attempts[-1].result is AttemptClass.SKIPPED_NO_CHANNEL
    assert row.attempts[-1].error == "nothing was sent: Webhook is not configured"
    assert (row.last_error is not None) == (status is Status.DEAD or failures > 0)


@pytest.mark.parametrize("failures", range(5))
def test_a_permanent_failure_is_dead_at_once_with_the_reason(failures: int) -> None:
    """Contract 2.11 [T]."""
    row = settled(fail(a_row(), failures), REJECTED)
    assert (row.status, row.retry_count, row.last_error) == (Status.DEAD, failures, REJECTED.error)


def test_an_unknown_outcome_is_retried_and_says_so() -> None:
    """Contract 2.11 [T]."""
    row = settled(a_row(), SILENT)
    assert row.status is Status.FAILED
    assert row.attempts[-1].result is AttemptClass.UNKNOWN


def test_requeue_begins_a_new_life_and_keeps_the_history() -> None:
    """Contract 2.7 [S]: count 0, no next retry, no error, pending; the attempt history stays."""
    dead = fail(a_row(), 5)
    row = dead.requeued(NOW + timedelta(days=1), POLICY)
    assert (row.status, row.retry_count, row.next_retry_at, row.last_error) == (Status.PENDING, 0, None, None)
    assert (row.died_at, row.outcome) == (None, None)
    assert row.attempts == dead.attempts
    assert fail(row, 4).status is Status.FAILED, "the new life has a full budget"
    assert fail(row, 5).status is Status.DEAD


def test_a_worker_that_died_costs_an_attempt_of_unknown_outcome() -> None:
    """Contract 2.10 [T]: a claim whose holder died counts as an attempt, and the row is due again: since it was."""
    claimed = fail(a_row(), 2).claimed("lost", NOW + timedelta(minutes=8), NOW)
    row = claimed.abandoned(NOW + timedelta(minutes=9), POLICY)
    assert (row.status, row.retry_count, row.due_at) == (Status.FAILED, 3, claimed.due_at)
    assert (row.claim_token, row.claimed_until) == (None, None)
    assert row.attempts[-1].result is AttemptClass.UNKNOWN


def test_a_row_that_kills_its_worker_every_time_still_dies() -> None:
    """Contract 2.2 [S] and 2.10 [T]: attempts never pass the budget, whoever counts them."""
    row, now = a_row(), NOW
    for _ in range(5):
        assert row.is_owed
        now += timedelta(hours=1)
        row = row.claimed("lost", now, now - timedelta(minutes=1)).abandoned(now, POLICY)
    assert (row.status, row.retry_count) == (Status.DEAD, 4)
    assert row.last_error == "the worker ended before it recorded a result"


def test_each_attempt_leaves_its_line_in_the_history() -> None:
    """Contract 2.12 [T]: number, start, duration, class, status, error, next time."""
    row = a_row().settled(REFUSED, started_at=NOW, now=NOW + timedelta(seconds=1.5), policy=POLICY)
    due = NOW + timedelta(seconds=61.5)
    assert row.attempts == (Attempt(1, NOW, 1500, AttemptClass.RETRYABLE, 503, REFUSED.error, due),)
    assert [attempt.number for attempt in fail(a_row(), 5).attempts] == [1, 2, 3, 4, 5]


def test_a_clock_that_jumps_back_during_an_attempt_makes_no_negative_duration() -> None:
    row = a_row().settled(REFUSED, started_at=NOW, now=NOW - timedelta(minutes=5), policy=POLICY)
    assert row.attempts[-1].duration_ms == 0


def test_hostile_errors_are_bounded_wherever_they_are_kept() -> None:
    """Contract 2.12 [T]: a 10 MB body can't make a row unwritable."""
    row = a_row()
    hostile = Refused(FailureClass.RETRYABLE, "\ud83d💥\x00\u202e" * 2_500_000)
    for _ in range(30):
        row = settled(row, hostile, policy=POLICY)
        row = row.requeued(NOW, POLICY) if row.status is Status.DEAD else row
    assert len((row.last_error or "").encode()) <= LAST_ERROR_LIMIT
    assert len(row.attempts) == HISTORY_LIMIT
    assert all(len((attempt.error or "").encode()) <= ATTEMPT_ERROR_LIMIT for attempt in row.attempts)
    assert len((a_row().superseded(hostile.error, NOW).last_error or "").encode()) <= LAST_ERROR_LIMIT


def test_the_oldest_lines_of_a_long_history_go_first() -> None:
    row, started = a_row(), []
    for life in range(HISTORY_LIMIT + 3):
        at = NOW + timedelta(days=life)
        started.append(at)
        row = settled(row, REJECTED, at).requeued(at, POLICY)
    assert [attempt.started_at for attempt in row.attempts] == started[-HISTORY_LIMIT:]


@pytest.mark.parametrize("end", ["sent", "dead", "superseded"])
def test_the_end_of_a_life_frees_the_claim(end: str) -> None:
    row = a_row().claimed("mine", NOW + timedelta(minutes=5), NOW)
    after = {
        "sent": lambda: settled(row, ACCEPTED),
        "dead": lambda: settled(row, REJECTED),
        "superseded": lambda: row.superseded("renewed", NOW),
    }[end]()
    assert (after.claim_token, after.claimed_until) == (None, None)


def test_a_stack_can_have_another_budget() -> None:
    policy = DeliveryPolicy(retry=POLICY.retry.__class__(max_attempts=1))
    assert settled(a_row(), REFUSED, policy=policy).status is Status.DEAD


def test_a_new_life_leaves_the_first_delivery_its_time_before_the_sweep_takes_over() -> None:
    """Contract 2.5 [T]: within minutes, and not beside the first delivery."""
    row = a_row()
    assert row.due_at == NOW + POLICY.pending_grace
    later = NOW + timedelta(hours=1)
    assert settled(row, REJECTED).requeued(later, POLICY).due_at == later + POLICY.pending_grace


def test_a_superseded_dead_letter_is_dead_no_more() -> None:
    row = settled(a_row(), REJECTED).superseded("renewed", NOW)
    assert (row.died_at, row.last_error) == (None, "renewed")


def test_times_are_those_of_the_step() -> None:
    now = NOW + timedelta(seconds=3)
    assert a_row().superseded("renewed", now).updated_at == now
    assert settled(a_row(), REJECTED, now).acknowledged(now).read_at == now
