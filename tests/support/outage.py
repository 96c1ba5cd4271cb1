"""A day in the life of a stack by a clock that jumps: its real functions and table, and channels that the test breaks.

Lambda's part is played here: ten lanes a mapping of the stream, each a process of its own, a schedule, and functions
that start themselves once more. What takes time is what a receiver takes.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock
from zlib import crc32

import pytest

from tests.support.database import Database
from tests.support.functions import Context
from tests.support.rows import NOW, RETENTION
from tocsin.bootstrap import delivery, resources
from tocsin.channels.channel import Tools
from tocsin.channels.document import ChannelDocument
from tocsin.channels.registry import KINDS, Kind
from tocsin.channels.wording import Words, default_words
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.gate import Gate
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.delivery.record import Event
from tocsin.delivery.store import Change
from tocsin.network.blocking import Blocking
from tocsin.storage.notifications.item import encode

Image = dict[str, Any]
LANES = 10
BATCH = 25
TICK = 120
"""Seconds between two sweeps."""
LATENCY = 0.05
"""Seconds that a healthy receiver takes."""
Receiver = Callable[[Notification, int], "asyncio.Future[SendResult] | Any"]
"""Answers a row at its n-th try, from 1; a coroutine."""


def present() -> datetime:
    """Give the virtual time."""
    return NOW + timedelta(seconds=asyncio.get_running_loop().time())


_gate: ContextVar[Gate] = ContextVar("gate")


@dataclass
class Cloud:
    """See the module."""

    database: Database
    receivers: dict[str, Receiver]
    """By the channel's name."""
    tries: Counter[str] = field(default_factory=Counter)
    """Requests for each row."""
    got: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    """When each channel was asked, and for which row."""
    events: Counter[Event] = field(default_factory=Counter)
    drains: int = 0
    _gates: dict[str, Gate] = field(default_factory=dict)
    _lanes: dict[str, "asyncio.Queue[Image]"] = field(default_factory=dict)
    _tasks: set["asyncio.Task[Any]"] = field(default_factory=set)

    async def send(self, row: Notification) -> SendResult:
        """Stand for a provider."""
        self.tries[row.id] += 1
        self.got[row.channel].append((asyncio.get_running_loop().time(), row.id))
        result: SendResult = await self.receivers[row.channel](row, self.tries[row.id])
        return result

    def accept(self, rows: Iterable[Notification]) -> None:
        """Store rows that came through the API, and let the stream bring them."""
        rows = list(rows)
        self.database.fill(rows)
        for row in rows:
            mapping = "critical" if row.severity is Severity.CRITICAL else "others"
            self._lane(f"{mapping}-{crc32(row.id.encode()) % LANES}").put_nowait(encode(row, RETENTION))

    def start(self, function: str, event: dict[str, Any]) -> None:
        """Invoke a function that sweeps, beside all that runs."""
        task = asyncio.create_task(self._sweeping(event), name=f"{function} {json.dumps(event)}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def run(self, seconds: float) -> None:
        """Let the schedule tick for so long."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(1, int(seconds // TICK) + 1):
            await asyncio.sleep(begun + number * TICK - loop.time())
            self.start("retry_sweep", {})

    async def rest(self) -> None:
        """Wait until nothing runs any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        for lane in self._lanes.values():
            await lane.join()

    def rows(self, channel: str) -> list[Notification]:
        """Read all rows of a channel."""
        items = [item for item in self.database.items() if item.get("channel", {}).get("S") == channel]
        return list(self.database.table.fetch([item["id"]["S"] for item in items]).rows)

    def waits(self, channel: str) -> list[float]:
        """Give the seconds from creation to success of a channel's rows, in order."""
        rows = self.rows(channel)
        assert {row.status for row in rows} == {Status.SENT}, Counter(row.status for row in rows)
        return sorted((row.sent_at - row.created_at).total_seconds() for row in rows if row.sent_at)

    def observe(self, event: Event, _change: Change) -> None:
        """Count what a run reports."""
        self.events[event] += 1

    def _lane(self, name: str) -> "asyncio.Queue[Image]":
        if name not in self._lanes:
            self._lanes[name] = asyncio.Queue()
            task = asyncio.create_task(self._working(name, self._lanes[name]))
            task.add_done_callback(lambda done: done.cancelled() or done.result())
            self._background.append(task)
        return self._lanes[name]

    _background: list["asyncio.Task[None]"] = field(default_factory=list)

    async def _working(self, name: str, lane: "asyncio.Queue[Image]") -> None:
        """Be one lane: one batch after the other, in a process of its own."""
        _gate.set(self._process(name))
        while True:
            images = [await lane.get()]
            while len(images) < BATCH and not lane.empty():
                images.append(lane.get_nowait())
            await delivery.dispatch_once(images, _context(60))
            for _ in images:
                lane.task_done()

    async def _sweeping(self, event: dict[str, Any]) -> None:
        _gate.set(self._process("sweep" if "circuit" not in event else f"drain of {event['circuit']}"))
        if "circuit" in event:
            self.drains += 1
            await delivery.drain_once(_context(110), event["circuit"])
        else:
            await delivery.sweep_once(_context(110), event.get("shards"))

    def _process(self, name: str) -> Gate:
        return self._gates.setdefault(name, Gate(delivery.circuits()))

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        task.result()

    async def close(self) -> None:
        """End the lanes."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


@dataclass
class _Remaining(Context):
    """Lambda's context by the virtual clock."""

    end: float = 0.0

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0.0, self.end - asyncio.get_running_loop().time()) * 1000)


_serial = iter(range(10**9))


def _context(seconds: float) -> Context:
    end = asyncio.get_running_loop().time() + seconds
    return _Remaining(aws_request_id=f"request-{next(_serial)}", end=end)


class _Document(ChannelDocument):
    """A channel without secrets."""


@asynccontextmanager
async def _without_templates() -> AsyncIterator[Words]:
    yield default_words


Documents = dict[str, dict[str, Any]]


@contextmanager
def a_cloud(database: Database, documents: Documents, receivers: dict[str, Receiver]) -> Iterator[Cloud]:
    """Wire the real functions to a table and to channels of the test's."""
    cloud = Cloud(database, receivers)

    @dataclass
    class Sends:
        document: _Document
        tools: Tools

        async def send(self, notification: Notification) -> SendResult:
            return await cloud.send(notification)

    class Kept:
        """The channels' documents: no request, no time."""

        def read(self, channel: ChannelName) -> str | None:
            return json.dumps(documents[channel]) if channel in documents else None

        def forget(self, channel: ChannelName) -> None: ...

    async def at_once(_self: Blocking, call: Callable[[], Any], _deadline: float | None = None) -> Any:
        return call()

    class Observed:
        observe = staticmethod(cloud.observe)
        circuit = staticmethod(lambda _circuit: None)

    with (
        pytest.MonkeyPatch.context() as patch,
        mock.patch.dict(KINDS, {kind: Kind(_Document, Sends) for kind in ChannelKind}),
    ):
        patch.setattr(resources, "now", present)
        patch.setattr(delivery, "credentials", Kept)
        patch.setattr(delivery, "gate", _gate.get)
        patch.setattr(delivery, "open_words", _without_templates)
        patch.setattr(delivery, "_invoke", lambda event: cloud.start("retry_sweep", dict(event)))
        patch.setattr(resources, "recorder", Observed)
        patch.setattr(Blocking, "run", at_once)
        yield cloud
