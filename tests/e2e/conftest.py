"""One stack in an embedded AWS for all end-to-end tests, with IAM enforced, and a receiver beside it."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import running
from ops.receiver import Receiver, answers
from ops.stack import Stack

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, deployed by `sam deploy`; a backoff minute lasts a second, a schedule's two."""
    state: Path = tmp_path_factory.mktemp("stack")
    parameters = {
        "BackoffBaseSeconds": "1",
        "PendingGraceSeconds": "3",
        "ClaimMarginSeconds": "5",
        "ExpiryCheckInterval": "4 minutes",
        "SourceSyncInterval": "4 minutes",
    }
    with running(state, parameters=parameters, scheduler_speed=30) as stack:
        yield stack


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver on loopback that accepts, in a thread of its own; a test may change its behaviour."""
    loop = asyncio.new_event_loop()
    receiver = Receiver(answers(204))
    thread = threading.Thread(target=loop.run_forever, name="receiver")
    thread.start()
    asyncio.run_coroutine_threadsafe(receiver.__aenter__(), loop).result()
    yield receiver
    asyncio.run_coroutine_threadsafe(receiver.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
