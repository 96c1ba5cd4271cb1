"""Contract 2.2 and 2.11: when to try again, layer by layer."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows import NOW, a_row
from tocsin.delivery.attempt import FailureClass
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import DeliveryPolicy, Severity
from tocsin.delivery.retry import GiveUp, RetryAt, RetryPolicy, decide, exhausted, jittered, parse_budgets, wait

DEFAULT = RetryPolicy()
ENDLESS = RetryPolicy(max_attempts=10**9)
dices = st.floats(0, 1, exclude_max=True)
counts = st.integers(0, 10**30)


def seconds(decision: RetryAt | GiveUp) -> float:
    assert isinstance(decision, RetryAt)
    return (decision.at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("retry_count", "expected"),
    [(0, 60), (1, 120), (2, 240), (3, 480), (4, 960), (5, 1920), (6, 3600), (7, 3600), (10**30, 3600)],
)
def test_a_wait_doubles_up_to_an_hour(retry_count: int, expected: int) -> None:
    """Contract 2.2 [S]: 2^n minutes, at most 60."""
    assert wait(DEFAULT, retry_count) == expected


@given(counts)
def test_a_wait_never_shrinks_and_never_passes_the_cap(retry_count: int) -> None:
    assert 60 <= wait(DEFAULT, retry_count) <= wait(DEFAULT, retry_count + 1) <= 3600


@given(st.floats(0, 3600), st.floats(0, 1), dices)
def test_jitter_only_takes_off_and_no_more_than_its_part(wait_: float, jitter: float, dice: float) -> None:
    assert wait_ * (1 - jitter) - 1e-9 <= jittered(wait_, jitter, dice) <= wait_


def test_jitter_spreads_at_the_cap_too() -> None:
    """Style habit 2: below the cap, so also at it."""
    policy = RetryPolicy(max_attempts=100, jitter=0.5)
    waits = {seconds(decide(policy, 50, FailureClass.RETRYABLE, NOW, dice=step / 100)) for step in range(100)}
    assert len(waits) == 100
    assert min(waits) >= 1800
    assert max(waits) == 3600


@given(counts, st.integers(1, 20))
def test_the_budget_is_spent_by_its_last_attempt(retry_count: int, budget: int) -> None:
    """Contract 2.2 [S]: at retry_count >= 4 of 5 attempts; the one place that decides it."""
    assert exhausted(RetryPolicy(max_attempts=budget), retry_count) == (retry_count + 1 >= budget)


@given(counts, dices)
def test_a_permanent_failure_is_never_tried_again(retry_count: int, dice: float) -> None:
    """Contract 2.11 [T]."""
    assert decide(ENDLESS, retry_count, FailureClass.PERMANENT, NOW, retry_after=5.0, dice=dice) == GiveUp()


@pytest.mark.parametrize("failure", [FailureClass.RETRYABLE, FailureClass.UNKNOWN])
@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        (None, 120),
        (0, 120),
        (119, 120),  # the backoff is larger
        (121, 121),  # Retry-After is larger
        (3600, 3600),
        (10**12, 3600),  # absurd: capped
        (float("inf"), 3600),
        (float("nan"), 120),
    ],
)
def test_the_larger_of_retry_after_and_backoff_capped(
    failure: FailureClass, retry_after: float | None, expected: int
) -> None:
    """Contract 2.11 [T]."""
    assert seconds(decide(DEFAULT, 1, failure, NOW, retry_after=retry_after)) == expected


@given(counts, st.none() | st.just(float("nan")) | st.floats(0), dices, st.floats(0, 1))
def test_whatever_is_asked_the_wait_is_between_now_and_the_cap(
    retry_count: int, retry_after: float | None, dice: float, jitter: float
) -> None:
    policy = RetryPolicy(max_attempts=10**40, jitter=jitter)
    decision = decide(policy, retry_count, FailureClass.RETRYABLE, NOW, retry_after=retry_after, dice=dice)
    assert 0 <= seconds(decision) <= 3600


def test_without_jitter_the_dice_change_nothing() -> None:
    decisions = {decide(DEFAULT, 2, FailureClass.RETRYABLE, NOW, dice=step / 10) for step in range(10)}
    assert decisions == {RetryAt(NOW + timedelta(seconds=240))}


def test_with_jitter_ten_thousand_due_times_spread() -> None:
    """Faults: 10,000 rows fail in one second; with jitter on, no second of the wait holds more than a small part."""
    policy = RetryPolicy(jitter=0.5)
    buckets: dict[int, int] = {}
    for number in range(10_000):
        at = seconds(decide(policy, 3, FailureClass.RETRYABLE, NOW, dice=(number * 0.6180339887) % 1))
        buckets[int(at)] = buckets.get(int(at), 0) + 1
    assert len(buckets) >= 240
    assert max(buckets.values()) <= 10_000 / 240 * 1.5


@pytest.mark.parametrize(
    ("text", "budgets"),
    [
        ("", {}),
        ("critical=24h", {"critical": 29}),
        ("Slack:payments=3, critical/Email=1", {"Slack:payments": 3, "critical/Email": 1}),
        ("Webhook=9999", {"Webhook": 1000}),
    ],
)
def test_budgets_are_attempts_or_the_time_that_the_backoff_puts_them_into(text: str, budgets: dict[str, int]) -> None:
    assert parse_budgets(text, RetryPolicy()) == budgets


@pytest.mark.parametrize("text", ["critical", "critical=", "critical=0", "urgent=3", "critical=3d", "Slack:=3", "a=b"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not like"):
        parse_budgets(text, RetryPolicy())


def test_so_many_hours_are_so_many_attempts() -> None:
    """1 + 2 + 4 + ... minutes, then an hour each: 24 hours are 29 attempts, the last after 23 hours and 3 minutes."""
    waits = sum(wait(RetryPolicy(), number) for number in range(28))
    assert waits <= 24 * 3600 < waits + 3600


@pytest.mark.parametrize(
    ("channel", "severity", "attempts"),
    [
        ("Slack:payments", Severity.CRITICAL, 1),
        ("Slack:payments", Severity.WARNING, 3),
        ("Slack", Severity.CRITICAL, 2),
        ("Slack", Severity.WARNING, 4),
        ("Email", Severity.CRITICAL, 6),
        ("Email", Severity.WARNING, 5),
    ],
)
def test_what_is_said_most_closely_holds(channel: str, severity: Severity, attempts: int) -> None:
    """Contract 2.17 [T]: the default stays the contract's."""
    said = {"critical/Slack:payments": 1, "critical/Slack": 2, "Slack:payments": 3, "Slack": 4, "critical": 6}
    policy = DeliveryPolicy(budgets=said)
    assert policy.retry_of(a_row(channel=ChannelName(channel), severity=severity)).max_attempts == attempts
