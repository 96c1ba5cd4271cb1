"""Blocking calls (boto3, DNS) on a few threads of our own, each with a deadline.

Not on the event loop's default threads: `asyncio.run` waits for those at its end, so one hung call would hold the whole
function. A call that outlives its deadline is left behind; its own socket timeout ends it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class NotStartedError(TimeoutError):
    """The deadline passed while the call still waited for a thread: nothing was sent."""


class Blocking:
    """A bounded pool of threads, open until it is closed. Threads start when they are needed."""

    def __init__(self, threads: int, name: str) -> None:
        """Name the threads, so that a dump says whose they are."""
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    def close(self) -> None:
        """Drop what has not started, and wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, call: Callable[[], T], deadline: float | None = None) -> T:
        """Return what `call` returns; raise TimeoutError at the deadline (NotStartedError if it never began)."""
        future = self._pool.submit(call)
        try:
            async with asyncio.timeout(deadline):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if future.cancel():
                raise NotStartedError from error
            raise
