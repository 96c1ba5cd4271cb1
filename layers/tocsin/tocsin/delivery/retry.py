"""When to try again, and when to give up. Pure: the time and the dice are arguments.

Layers, each tested alone: `wait` (seconds), `jittered` (seconds), `decide` (a value that somebody else acts on).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.delivery.attempt import FailureClass

MOST_ATTEMPTS = 1000
"""Attempts that a budget may have."""
_SEVERITY = "informational|warning|critical"
_CHANNEL = "[A-Z][A-Za-z]{1,31}(:[A-Za-z0-9_-]{1,32})?"
_BUDGET = re.compile(
    rf"(?P<name>({_SEVERITY})(/{_CHANNEL})?|{_CHANNEL})=(?P<number>[1-9][0-9]{{0,3}})(?P<hours>h?)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The budget and the backoff of one stack. Times are in seconds."""

    max_attempts: int = 5
    base: float = 60
    cap: float = 3600
    jitter: float = 0
    """The largest part of a wait that chance may take off it, 0 to 1."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at this instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Never try again: the notification is a dead letter."""


Decision = RetryAt | GiveUp


def wait(policy: RetryPolicy, retry_count: int) -> float:
    """Seconds to wait after a failure recorded at `retry_count`: base times 2^n, at most the cap."""
    doublings = min(retry_count, 64)  # beyond any cap; keeps a corrupt count from becoming a huge number
    return min(policy.base * 2.0**doublings, policy.cap)


def jittered(seconds: float, jitter: float, dice: float) -> float:
    """Take up to `jitter` of `seconds` off by `dice` in [0, 1): spread below the cap, so also at the cap."""
    return seconds * (1 - jitter * dice)


def exhausted(policy: RetryPolicy, retry_count: int) -> bool:
    """Tell whether a failure recorded at `retry_count` spends the last attempt. The only place that decides it."""
    return retry_count >= policy.max_attempts - 1


def attempts_within(policy: RetryPolicy, hours: float) -> int:
    """Count the attempts that `policy`'s waits put into so many hours, the first one included."""
    waited, attempts = 0.0, 1
    while (waited := waited + wait(policy, attempts - 1)) <= hours * 3600 and attempts < MOST_ATTEMPTS:
        attempts += 1
    return attempts


def parse_budgets(text: str, policy: RetryPolicy) -> dict[str, int]:
    """Read e.g. `critical=24h,Slack:payments=3,critical/Email=48h`: attempts by what they are for; raise ValueError.

    A time is that many attempts as the backoff puts into it.
    """
    budgets: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _BUDGET.fullmatch(part)
        if not found:
            raise ValueError(f"{part[:64]!r} is not like critical=24h, Slack=3 or critical/Email=48h")
        number = int(found["number"])
        budgets[found["name"]] = attempts_within(policy, number) if found["hours"] else min(number, MOST_ATTEMPTS)
    return budgets


def throttle_pause(waited: float) -> float:
    """Seconds after which a throttled row comes back: half of what it has waited already, from 30 s to 15 minutes."""
    return min(max(waited / 2, 30.0), 900.0)


def decide(
    policy: RetryPolicy,
    retry_count: int,
    failure: FailureClass,
    now: datetime,
    *,
    retry_after: float | None = None,
    dice: float = 0.0,
) -> Decision:
    """Decide what follows a failure recorded at `retry_count`: the larger of Retry-After and backoff, capped."""
    if failure is FailureClass.PERMANENT or exhausted(policy, retry_count):
        return GiveUp()
    backoff = jittered(wait(policy, retry_count), policy.jitter, dice)
    seconds = min(max(backoff, retry_after or 0), policy.cap)
    return RetryAt(now + timedelta(seconds=seconds))
