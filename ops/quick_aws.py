"""The embedded AWS's entry point, with a scheduler that can be quickened.

EventBridge Scheduler counts in minutes, on AWS and in the embedded one. `TOCSIN_SCHEDULER_SPEED=30` makes a local
minute last two seconds, so that a whole life can be watched: rates are divided by it, and nothing else is changed.

Runs with the interpreter of the embedded AWS, which has nothing of Tocsin on its path.
"""

import os

from ministack.app import main
from ministack.services import eventbridge, scheduler

SPEED = float(os.environ.get("TOCSIN_SCHEDULER_SPEED", "1"))
rate_seconds = eventbridge._parse_rate_seconds  # noqa: SLF001 - there is no public way to set the pace


def quickened(expression: str) -> float | None:
    """Give a rate's interval in seconds, divided by the speed; None for what is no rate."""
    seconds = rate_seconds(expression)
    return None if seconds is None else seconds / SPEED


eventbridge._parse_rate_seconds = quickened  # noqa: SLF001 - as above
scheduler._SCHEDULE_TICK_INTERVAL = min(1.0, 10 / SPEED)  # noqa: SLF001 - as above; seconds between looks at the schedules

if __name__ == "__main__":
    main()
