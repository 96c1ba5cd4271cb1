"""The function that sends by Apprise, and every provider at once: a server on loopback that all their names lead to."""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests.sessions
import urllib3.util.connection as connecting

from local.receiver import Behaviour, Receiver
from tests.support.certificates import Authority
from tests.support.channels import PATIENCE
from tests.support.functions import handler

SECRET = "aaSECRETaaSECRETaaSECRETaaSECR"
"""Planted wherever a URL may carry one: 30 characters, as Pushover's are."""
PUSHOVER = f"pover://{SECRET}@{SECRET}"
TELEGRAM = f"tgram://123456789:{SECRET}/12345"


@dataclass
class Network:
    """Where the function connected to: a host and a port, as `requests` asked for them, before any name is resolved."""

    port: int | None = None
    """Where all of it leads; None: nowhere."""
    others: set[int] = field(default_factory=set)
    """Ports on loopback that are the test's own affair, such as that of its Lambda."""
    reached: list[tuple[str, int]] = field(default_factory=list)

    def connect(self, address: tuple[str, int], timeout: Any = None, *_: Any, **__: Any) -> socket.socket:
        """Stand for urllib3's own `create_connection`."""
        if address[1] in self.others:
            return socket.create_connection(address, timeout)
        self.reached.append(address)
        if self.port is None:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", self.port), timeout)


@contextmanager
def the_function() -> Iterator[ModuleType]:
    """Load functions/apprise; what it does to `requests` and to the log ends with the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.sessions, "HTTPAdapter", requests.sessions.HTTPAdapter)  # type: ignore[attr-defined]
        for library in ("apprise", "urllib3"):
            patch.setattr(logging.getLogger(library), "propagate", True)
        handler("apprise")
        app = sys.modules["apprise_app"]
        app.install()
        yield app


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """Give the function a network that leads nowhere, and notes where it would have gone."""
    with the_function():
        made = Network()
        monkeypatch.setattr(connecting, "create_connection", made.connect)
        yield made


def the_hosts() -> list[str]:
    """Name every host that a service may reach, as the function has them."""
    return [host for service in sys.modules["services"].SERVICES.values() for host in service.hosts]


@asynccontextmanager
async def a_provider(
    network: Network, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch, directory: Path, *, is_trusted: bool = True
) -> AsyncIterator[Receiver]:
    """Let all providers' names lead to one receiver with TLS, whose authority the function trusts."""
    authority = Authority()
    shown = authority.issued(common_name=None, names=the_hosts())
    if is_trusted:
        bundle = directory / "authorities.pem"
        bundle.write_text(authority.certificate().pem)
        monkeypatch.setattr(sys.modules["pinned"], "AUTHORITIES", str(bundle))
    async with Receiver(behaviour, shown.server_context()) as receiver:
        network.port = receiver.port
        yield receiver


def invoked(url: str, **event: Any) -> dict[str, Any]:
    """Call the function as Lambda does, in this thread."""
    boring = {"title": "expires", "body": "renew it", "type": "warning", "deadline": PATIENCE}
    answer: dict[str, Any] = handler("apprise")({"url": url} | boring | event, None)
    return answer


async def sent(url: str, **event: Any) -> dict[str, Any]:
    """Call it beside the receiver's loop."""
    return await asyncio.to_thread(invoked, url, **event)
