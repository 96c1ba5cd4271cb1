"""When a renewal begins, by what the authority suggests."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renewer.job import Job
from renewer.window import MARGIN, Window, start_at
from tests.integration.renewer.conftest import asked

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_job(*, deadline: timedelta, **of_it: str) -> Job:
    return Job.parse(asked(deadline=(NOW + deadline).isoformat(), **of_it))


@pytest.mark.parametrize(
    ("begins", "ends", "deadline", "waits"),
    [
        (2, 3, 24, True),
        (-1, 3, 24, False),  # it has begun: at once or later, but never before now
        (-3, -1, 24, False),  # it is over
        (30, 31, 24, False),  # behind the deadline
        (23.5, 25, 24, False),  # too near to it
        (20, 40, 24, True),  # the part of it that the deadline leaves
    ],
)
def test_it_is_in_the_window_if_the_deadline_leaves_the_time(
    begins: float, ends: float, deadline: int, waits: bool
) -> None:
    window = Window(NOW + begins * HOUR, NOW + ends * HOUR)
    begun = start_at(a_job(deadline=deadline * HOUR), window, NOW)
    if waits:
        assert window.start <= begun <= min(window.end, NOW + deadline * HOUR - MARGIN)
    else:
        assert NOW <= begun <= max(NOW, window.end)


@given(st.text(min_size=1, max_size=30), st.integers(-100, 100), st.integers(1, 100), st.integers(1, 100))
def test_it_is_never_before_now_nor_too_late(job_id: str, begins: int, length: int, deadline: int) -> None:
    """And the same for the same job: a step that is repeated chooses the same instant."""
    window = Window(NOW + begins * HOUR, NOW + (begins + length) * HOUR)
    job = a_job(deadline=deadline * HOUR, job_id=job_id)
    begun = start_at(job, window, NOW)
    assert begun >= NOW
    assert begun == NOW or begun <= job.deadline - MARGIN
    assert begun == start_at(job, window, NOW)


def test_who_asks_in_person_does_not_wait() -> None:
    window = Window(NOW + HOUR, NOW + 2 * HOUR)
    job = a_job(deadline=24 * HOUR, requested_by="arn:aws:iam::123456789012:user/kim")
    assert start_at(job, window, NOW) == NOW


def test_without_a_window_it_is_now() -> None:
    assert start_at(a_job(deadline=24 * HOUR), None, NOW) == NOW
