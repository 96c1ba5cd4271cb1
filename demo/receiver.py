"""The story's webhook receiver: it answers as it is told, or does not listen at all."""

import asyncio
import json
import random
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from build.toolchain import ToolError
from local.loopback import listens
from local.receiver import Exchange, Receiver, Request, answers

PORTS = range(20_000, 30_000)
"""Below those that the system gives to outgoing connections: nobody takes the port while the receiver is away."""
ALWAYS_DOWN = "/down"
"""The path that is refused whatever the receiver's mood."""
EXCUSE = {HTTPStatus.SERVICE_UNAVAILABLE: b"down for maintenance"}


@dataclass(frozen=True)
class Received:
    """A request, and the status that it was answered with."""

    request: Request
    status: int

    @property
    def about(self) -> str:
        """The notification's id, as the body says it."""
        return str(json.loads(self.request.body)["data"]["id"])


class Hook:
    """A receiver on loopback, in a thread of its own until it is closed. It begins by answering 503."""

    def __init__(self) -> None:
        """Listen."""
        self.received: list[Received] = []
        self._listens = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._receiver = Receiver(self._behave, port=next(p for p in random.sample(PORTS, 100) if not listens(p)))
        self._thread.start()
        self.answer(HTTPStatus.SERVICE_UNAVAILABLE)

    def close(self) -> None:
        """Stop listening."""
        self.go_away()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def mood(self) -> str:
        """What it does with a request now."""
        return f"answers {self._status.value}" if self._listens else "refuses connections"

    def url(self, path: str = "/hook") -> str:
        """Where it listens."""
        return self._receiver.url(path)

    def answer(self, status: HTTPStatus) -> None:
        """Give this status to every request from now on."""
        self._status = status
        if not self._listens:
            self._do(self._receiver.__aenter__())
            self._listens = True

    def go_away(self) -> None:
        """Refuse connections, as a host does on which the program is gone."""
        if self._listens:
            self._do(self._receiver.__aexit__(None, None, None))
            self._listens = False

    async def _behave(self, exchange: Exchange) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if exchange.request.path == ALWAYS_DOWN else self._status
        self.received.append(Received(exchange.request, status))
        await answers(status, EXCUSE.get(status, b""))(exchange)

    def _do(self, step: Coroutine[Any, Any, object]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(step, self._loop).result()
        except OSError as error:
            raise ToolError(f"The demo's receiver can't listen on port {self._receiver.port}: {error}") from error
