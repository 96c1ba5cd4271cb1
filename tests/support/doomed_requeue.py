"""A run of bulk requeue in a process of its own: `python -m tests.support.doomed_requeue`.

Arguments: the run's name; after how many of DynamoDB's transactions it is killed (0: it lives); `before` or `after`,
whether that one is still sent; and at which batch its memory is looked at. Its environment is that of the function. It
prints what it counted, how long that took, and the most memory that it had by then and in all, in KB.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.functions import Context, handler
from tocsin.bootstrap import resources

KILLED = 9


def at_transaction(number: int, event: str, act: Callable[[], None]) -> None:
    """Do something at one transaction: before it is sent, or once it was answered."""
    seen = count(1)

    def look(**_given: Any) -> None:
        if next(seen) == number:
            act()

    resources.dynamodb().meta.events.register(f"{event}.dynamodb.TransactWriteItems", look)


def peak() -> int:
    """Give the most memory that this process had, in KB (proc(5), VmHWM).

    What getrusage(2) gives is no less than its parent had when it was forked.
    """
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


def main(arguments: Sequence[str]) -> None:
    name, number, when, looked_at = arguments
    run = handler("bulk_requeue")
    at_transaction(int(number), {"before": "before-send", "after": "after-call"}[when], lambda: os._exit(KILLED))
    early: list[int] = []
    at_transaction(int(looked_at), "after-call", lambda: early.append(peak()))
    began = time.monotonic()
    counts = run({}, Context(name, milliseconds=900_000))
    seconds = time.monotonic() - began
    told = {"counts": counts, "seconds": seconds, "early": early[0] if early else None, "peak": peak()}
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
