"""Waiting for a state: by looking again until a deadline, never by sleeping for it."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T], *, is_right: Callable[[T], bool] = bool, seconds: float = 30, every: float = 0.1) -> T:
    """Return what `look` gives as soon as it is right; fail with what it gave last."""
    deadline = time.monotonic() + seconds
    while not is_right(seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {seen!r}"
        time.sleep(every)
    return seen
