"""Many workers at once over the same rows of the deployed table; the deployed sweep runs beside them."""

import asyncio
import random
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from local.receiver import Receiver
from local.stack import Stack
from tests.support.channels import not_used, reaching
from tests.support.rows import REFUSED, a_row, settled
from tests.support.waiting import until
from tocsin.channels.channel import ChannelSettings, Clients
from tocsin.channels.credentials import Credentials
from tocsin.channels.registry import Channels
from tocsin.delivery.notification import DeliveryPolicy, Notification
from tocsin.delivery.record import Tally
from tocsin.delivery.send import Delivery, Worker
from tocsin.delivery.store import Fetched
from tocsin.delivery.sweep import sweep
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import SHARDS, encode
from tocsin.storage.notifications.table import NotificationTable

pytestmark = pytest.mark.e2e
RETENTION = timedelta(days=1)
POLICY = DeliveryPolicy()


def now() -> datetime:
    return datetime.now(UTC)


class RealWorker:
    """One worker with everything real: its own clients, channels, clock and claim tokens."""

    def __init__(self, stack: Stack) -> None:
        self.client = stack.client("dynamodb")
        self.name = stack.outputs["NotificationsTable"]
        self.table = NotificationTable(self.client, self.name, RETENTION)
        self.worker = Worker(now, lambda: 60.0, random.random, lambda: secrets.token_urlsafe(9))
        self.credentials = Credentials(stack.client("ssm"), f"/{stack.name}/channels", now)

    async def deliver(self, found: Fetched) -> Tally:
        async with Channels(
            self.credentials,
            clients=Clients(sesv2=not_used, sns=not_used, events=not_used, lambda_=not_used),
            now=now,
            settings=ChannelSettings(reach=reaching()),
        ) as channels:
            return await Delivery(self.table, channels, POLICY, self.worker, lambda _event, _change: None).run(
                found.rows
            )

    def sweep(self, job: str) -> None:
        lease = Lease(self.client, self.name, job, holder=job)
        asyncio.run(
            sweep(
                lease,
                self.table,
                self.deliver,
                shards=range(SHARDS),
                hand_over=None,
                now=now(),
                seconds=60,
            )
        )


def fill(stack: Stack, rows: Sequence[Notification]) -> None:
    puts = [{"PutRequest": {"Item": encode(row, RETENTION)}} for row in rows]
    for start in range(0, len(puts), 25):
        stack.client("dynamodb").batch_write_item(
            RequestItems={stack.outputs["NotificationsTable"]: puts[start : start + 25]}
        )


def at_once(*jobs: Callable[[], object]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_sweeps_and_a_dispatcher_deliver_each_row_once(stack: Stack, receiver: Receiver) -> None:
    """Contract 2.10 [T]: two workers can't send the same row at the same time."""
    created = now() - timedelta(minutes=2)
    rows = [
        settled(a_row(id=str(ULID()), recipient=receiver.url(), created_at=created), REFUSED, now=created)
        for _ in range(500)
    ]
    first, second, dispatcher = RealWorker(stack), RealWorker(stack), RealWorker(stack)
    fill(stack, rows)
    at_once(
        lambda: first.sweep("first"),
        lambda: second.sweep("second"),
        lambda: asyncio.run(dispatcher.deliver(Fetched(tuple(rows)))),
    )
    ids = {row.id for row in rows}
    until(
        lambda: len({request.headers["webhook-id"] for request in receiver.requests} & ids), is_right=lambda n: n == 500
    )
    until(lambda: {first.table.get(row.id).status.value for row in rows}, is_right=lambda seen: seen == {"sent"})
    copies = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert {id_: n for id_, n in copies.items() if n != 1} == {}
    assert {first.table.get(row.id).retry_count for row in rows} == {1}
