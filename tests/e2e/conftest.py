"""One stack in an embedded AWS for all end-to-end tests, with IAM enforced, and a receiver beside it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from local.embedded import running
from local.receiver import Receiver, answers
from local.stack import Stack
from tests.support.certificates import Authority
from tests.support.tls import polite, serving

T = TypeVar("T")
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, deployed by `sam deploy`; a backoff minute lasts a second, a schedule's two.

    A bulk requeue is slow enough to be looked at.
    """
    state: Path = tmp_path_factory.mktemp("stack")
    parameters = {
        "BackoffBaseSeconds": "1",
        "PendingGraceSeconds": "3",
        "ClaimMarginSeconds": "5",
        "ExpiryCheckInterval": "4 minutes",
        "SourceSyncInterval": "4 minutes",
        "RequeueRate": "20",
    }
    with running(state, parameters=parameters, scheduler_speed=30) as stack:
        yield stack


@contextmanager
def in_a_thread(served: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Serve on an event loop in a thread of its own, for tests that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="serving")
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result()
        asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver on loopback that accepts; a test may change its behaviour."""
    with in_a_thread(Receiver(answers(204))) as receiver:
        yield receiver


@pytest.fixture
def tls_server() -> Iterator[int]:
    """A TLS server on loopback with a certificate that nobody trusts; its port."""
    shown = Authority().issued(not_after=datetime.now(UTC) + timedelta(days=50))
    with in_a_thread(serving(polite, shown.server_context())) as port:
        yield port
