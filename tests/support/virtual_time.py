"""An event loop whose clock jumps over every wait: hours of waiting take no time, and come out the same each time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Adds what it was asked to wait to the clock, instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(0.0, timeout or 0.0)
        return super().select(timeout and 0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


async def _at_once(function: Callable[..., T], *args: Any, **named: Any) -> T:
    return function(*args, **named)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time; what would go to a thread is done on the spot."""
    with mock.patch("asyncio.to_thread", _at_once), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
