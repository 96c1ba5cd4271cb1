"""The embedded AWS's entry point, with a scheduler that can be quickened.

EventBridge Scheduler counts in minutes, on AWS and in the embedded one. `TOCSIN_SCHEDULER_SPEED=30` makes a local
minute last two seconds, so that a whole life can be watched: rates are divided by it. A cold start is not quickened, so
a tick whose predecessor still runs is dropped: otherwise a busy machine would start one worker after the other.

Runs with the interpreter of the embedded AWS, which has nothing of Tocsin on its path.
"""

import json
import os
import threading
from typing import Any

from ministack.app import main
from ministack.services import eventbridge, lambda_svc, scheduler

# There is no public way to set the pace.
# ruff: noqa: SLF001

SPEED = float(os.environ.get("TOCSIN_SCHEDULER_SPEED", "1"))
rate_seconds = eventbridge._parse_rate_seconds
ticking: set[str] = set()


def quickened(expression: str) -> float | None:
    """Give a rate's interval in seconds, divided by the speed; None for what is no rate."""
    seconds = rate_seconds(expression)
    return None if seconds is None else seconds / SPEED


def dispatch_unless_ticking(arn: str, payload: str) -> None:
    """Invoke a schedule's function in a thread, as the embedded AWS does, unless it still runs from the last tick."""
    function, config, _name = lambda_svc._get_func_record_for_ref(arn)
    if arn in ticking or not function or not config:
        return
    ticking.add(arn)
    record = lambda_svc._execution_record_for_config(function, config)
    threading.Thread(target=_tick, args=(arn, record, json.loads(payload)), daemon=True).start()


def _tick(arn: str, record: dict[str, Any], event: dict[str, Any]) -> None:
    try:
        lambda_svc._execute_function_with_config_scope(record, event)
    finally:
        ticking.discard(arn)


if SPEED != 1:
    eventbridge._parse_rate_seconds = quickened
    eventbridge._dispatch_to_lambda = dispatch_unless_ticking
    scheduler._SCHEDULE_TICK_INTERVAL = min(1.0, scheduler._SCHEDULE_TICK_INTERVAL / SPEED)  # seconds between looks

if __name__ == "__main__":
    main()
