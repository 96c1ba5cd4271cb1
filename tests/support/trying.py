"""Lambda of a few lines: the API asks dispatch by Lambda's own protocol, and dispatch answers in this process."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from local.receiver import Behaviour, Exchange, answers
from tests.support.functions import Context, handler


@dataclass
class FakeLambda:
    """Answers Invoke of one function as Lambda does, by running its handler here; or as it is told to."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    instead: Behaviour | None = None

    async def __call__(self, exchange: Exchange) -> None:
        """Answer `POST /2015-03-31/functions/<name>/invocations` (API reference, Invoke)."""
        event = json.loads(exchange.request.body)
        self.asked.append((unquote(exchange.request.path.split("/")[3]), event))
        if self.instead:
            return await self.instead(exchange)
        said = await asyncio.to_thread(handler("dispatch"), event, Context())
        return await answers(200, json.dumps(said).encode())(exchange)
