"""Contract 1: the states, and the only steps between them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.rows import ACCEPTED, NO_CHANNEL, NOW, POLICY, REFUSED, REJECTED, SILENT, in_status, settled
from tocsin.delivery.notification import Notification, Outcome, Status
from tocsin.errors import TransitionRefusedError

Step = Callable[[Notification], Notification]


def taken(row: Notification) -> Notification:
    """Let a service have taken what the receiver took."""
    return replace(row, outcome=Outcome.ACCEPTED) if row.outcome is Outcome.DELIVERED else row


LATER = NOW + timedelta(minutes=7)
STEPS: dict[str, Step] = {
    "accepted by the channel": lambda row: settled(row, ACCEPTED, LATER),
    "refused, retryable": lambda row: settled(row, REFUSED, LATER),
    "refused, permanent": lambda row: settled(row, REJECTED, LATER),
    "no answer": lambda row: settled(row, SILENT, LATER),
    "no such channel": lambda row: settled(row, NO_CHANNEL, LATER),
    "claimed": lambda row: row.claimed("mine", LATER, NOW),
    "requeued": lambda row: row.requeued(LATER, POLICY),
    "acknowledged": lambda row: row.acknowledged(LATER),
    "superseded": lambda row: row.superseded("renewed", LATER),
    "lifted": lambda row: taken(row).lifted(LATER),
    "proven": lambda row: row.proven("mail-1", LATER),
    "bounced": lambda row: row.bounced("no such mailbox", "mail-1", LATER),
    "complained": lambda row: row.complained(LATER),
}
OWED = {
    "accepted by the channel": Status.SENT,
    "refused, retryable": Status.FAILED,
    "refused, permanent": Status.DEAD,
    "no answer": Status.FAILED,
    "no such channel": Status.SENT,
    "superseded": Status.SUPERSEDED,
    "proven": Status.SENT,
    "bounced": Status.DEAD,
}
ALLOWED: dict[Status, dict[str, Status]] = {
    Status.PENDING: {**OWED, "claimed": Status.PENDING},
    Status.FAILED: {**OWED, "claimed": Status.FAILED},
    Status.SENT: {"acknowledged": Status.READ, "lifted": Status.SENT, "bounced": Status.DEAD},
    Status.DEAD: {"requeued": Status.PENDING, "acknowledged": Status.READ, "superseded": Status.SUPERSEDED},
    Status.READ: {"lifted": Status.READ, "bounced": Status.DEAD},
    Status.SUPERSEDED: {},
}
ALLOWED = {status: {**steps, "complained": status} for status, steps in ALLOWED.items()}
"""A complaint changes no state."""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("status", Status)
def test_these_transitions_and_no_other(status: Status, step: str) -> None:
    """Contract 1 [S]: the table of states; every other step is refused by name and changes nothing."""
    row = in_status(status)
    as_it_was = repr(row)
    expected = ALLOWED[status].get(step)
    if expected is None:
        with pytest.raises(TransitionRefusedError, match=f"it is {status}"):
            STEPS[step](row)
    else:
        assert STEPS[step](row).status is expected
    assert repr(row) == as_it_was


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
def test_what_is_owed_to_somebody_is_due_and_nothing_else_is(status: Status) -> None:
    """Contract 2.5 [S], invariant I6: due exactly while pending or failed, by the write that changes it."""
    row = in_status(status)
    assert row.due_at is not None
    for step in ("accepted by the channel", "refused, permanent", "no such channel", "superseded", "proven", "bounced"):
        assert STEPS[step](row).due_at is None


def test_only_a_failed_row_shows_a_next_retry() -> None:
    """Design 3: over the API next_retry_at is null unless the row is failed."""
    assert [status for status in Status if in_status(status).next_retry_at] == [Status.FAILED]


def test_a_claimed_row_is_not_claimed_again_before_it_runs_out() -> None:
    """Contract 2.10 [T]."""
    row = in_status(Status.PENDING).claimed("mine", NOW + timedelta(seconds=1), NOW)
    with pytest.raises(TransitionRefusedError):
        row.claimed("yours", LATER, NOW)
    assert row.claimed("yours", LATER, NOW + timedelta(seconds=1)).claim_token == "yours"


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PENDING, Status.FAILED}))
def test_only_an_owed_row_has_a_lost_attempt(status: Status) -> None:
    with pytest.raises(TransitionRefusedError):
        in_status(status).abandoned(LATER, POLICY)


def test_a_row_that_was_never_claimed_has_no_lost_attempt() -> None:
    with pytest.raises(TransitionRefusedError):
        in_status(Status.PENDING).abandoned(LATER, POLICY)
