"""How far an alert walks: files touched and calls across files, for each of its ways. `python -m tests.walk` prints it.

The functions run as Lambda calls them, in this process, on DynamoDB Local, with a real receiver and a real TLS server.
A file is touched if one of its functions runs. A call across files is a call of a function of ours from another file of
ours, or from outside; frames of libraries between two of ours are looked through, and a coroutine counts once however
often it is resumed. It is a cold start with everything imported: the wiring is made anew for each way.
"""

import asyncio
import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from build.toolchain import ROOT
from local import dynamodb_local
from local.receiver import Receiver, answers
from tests.integration.functions.test_deliveries import World, stream_of
from tests.integration.functions.test_source_sync import CA, Endpoint, an_endpoint
from tests.support.certificates import Made
from tests.support.channels import SECRET
from tests.support.database import Database
from tests.support.functions import Context, call, forget_wiring, handler, wired
from tests.support.inventory import DAY
from tests.support.inventory_api import API, CERTIFICATES, OWNERS, an_id_in, body_of, put, text_of
from tests.support.inventory_store import Store
from tests.support.rows import REFUSED, REJECTED, a_row, settled
from tests.support.ssm import PREFIX, a_parameter_store
from tocsin.bootstrap import resources

Step = Callable[[], Any]
OURS = (str(ROOT / "layers" / "tocsin" / "tocsin"), str(ROOT / "functions"))


class Walk:
    """Files and calls of all threads while it is on."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.calls = 0
        self._known: set[FrameType] = set()  # held, so that no other frame gets the number of one that is gone

    @contextmanager
    def on(self) -> Iterator[None]:
        threading.setprofile(self._see)
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _see(self, frame: FrameType, event: str, _argument: object) -> None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(OURS) or frame in self._known or _is_part(frame):
            return
        self._known.add(frame)
        self.files.add(file)
        self.calls += _caller(frame) != file


def _is_part(frame: FrameType) -> bool:
    """Tell a module's body or a comprehension from a function."""
    name = frame.f_code.co_name
    return name.startswith("<") and name != "<lambda>"


def _caller(frame: FrameType) -> str | None:
    above = frame.f_back
    while above and not above.f_code.co_filename.startswith(OURS):
        above = above.f_back
    return above.f_code.co_filename if above else None


async def walked(prepare: Callable[[], Awaitable[Step]]) -> tuple[int, int]:
    """Walk one way twice, each time from its own beginning, and count the second time, which imports nothing."""
    first, walk = await prepare(), Walk()
    await asyncio.to_thread(first)
    second = await prepare()

    def counted() -> None:
        forget_wiring()
        with walk.on():
            second()

    await asyncio.to_thread(counted)
    return len(walk.files), walk.calls


async def ways(store: Store, world: World, endpoint: Endpoint) -> dict[str, tuple[int, int]]:
    """Walk all of them."""
    owner = await asyncio.to_thread(an_id_in, OWNERS)
    days = count(30)

    async def post() -> Step:
        body = {"type": "Revocation", "channel": "Webhook", "recipient": world.receiver.url(), "message": "Revoked."}
        return lambda: call("POST", f"{API}/notifications", body)

    async def dispatch() -> Step:
        event = stream_of(world.database, world.a_row(certificate_id=None).id)
        return lambda: handler("dispatch")(event, Context())

    async def sweep() -> Step:
        before = resources.now() - DAY
        row = a_row(recipient=world.receiver.url(), created_at=before, certificate_id=None)
        world.database.fill([settled(row, REFUSED, now=before)])
        return lambda: handler("retry_sweep")({}, Context())

    async def requeue() -> Step:
        dead = settled(a_row(recipient=world.receiver.url()), REJECTED)
        world.database.fill([dead])
        return lambda: call("POST", f"{API}/notifications/{dead.id}/requeue")

    def expires_in(days: int) -> dict[str, Any]:
        return body_of(CERTIFICATES, owner_id=owner, expires_at=text_of(resources.now() + days * DAY))

    async def check() -> Step:
        await asyncio.to_thread(call, "POST", CERTIFICATES, expires_in(5))
        return lambda: handler("expiry_check")({}, Context())

    async def supersede() -> Step:
        created = await asyncio.to_thread(call, "POST", CERTIFICATES, expires_in(5))
        await asyncio.to_thread(handler("expiry_check"), {}, Context())
        return lambda: put(f"{CERTIFICATES}/{created.json['id']}", expires_in(90))

    async def sync() -> Step:
        endpoint.renew(made(5))
        await asyncio.to_thread(handler("source_sync"), {}, Context())
        await asyncio.to_thread(handler("expiry_check"), {}, Context())
        endpoint.renew(made(next(days)))
        return lambda: handler("source_sync")({}, Context())

    return {way.__name__: await walked(way) for way in (post, dispatch, sweep, requeue, check, supersede, sync)}


def made(days: float) -> Made:
    """Make a certificate that expires so many days from now."""
    now = resources.now().replace(microsecond=0)
    return CA.issued(not_before=now + (days - 90) * DAY, not_after=now + days * DAY)


async def main() -> None:
    """Print the table: `sync` sees a renewal and ends the alert about the certificate before it."""
    with dynamodb_local.running(Path(tempfile.mkdtemp())) as dynamodb, wired(dynamodb) as store:
        stack = store.names["Notifications"][-12:]
        async with (
            a_parameter_store(Webhook={"secrets": [SECRET]}) as ssm,
            Receiver(answers(204)) as receiver,
            an_endpoint(made(20)) as endpoint,
        ):
            ssm.parameters[f"/stack-{stack}/sources/tls"] = endpoint.name
            os.environ |= {
                "AWS_ENDPOINT_URL_SSM": str(ssm.client.meta.endpoint_url),
                "CHANNEL_PREFIX": PREFIX,
                "ALLOWED_PRIVATE_RANGES": "127.0.0.0/8",
                "ALLOW_PLAIN_HTTP": "yes",
                "ENVIRONMENT": "local",
                "READ_ACM": "no",
                "FALLBACK_EMAIL": "ops@example.com",
            }
            forget_wiring()
            database = Database(dynamodb, store.client, store.names["Notifications"])
            with contextlib.redirect_stdout(io.StringIO()):
                found = await ways(store, World(database, receiver), endpoint)
    lines = [f"{way:10} {files:6} {calls:19}\n" for way, (files, calls) in found.items()]
    sys.stdout.writelines([f"{'way':10} {'files':>6} {'calls across files':>19}\n", *lines])


if __name__ == "__main__":
    asyncio.run(main())
