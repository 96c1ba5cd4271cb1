"""A worker in a process of its own that is killed at a named step: `python -m tests.support.doomed_worker`.

Arguments: DynamoDB's endpoint, the table, the row's id, the receiver's URL, the present (ISO), and the step:
`claimed` (between claim and send) or `sent` (between send and record).
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import datetime

from tests.support.channels import a_webhook
from tests.support.database import a_client
from tests.support.rows import POLICY, RETENTION
from tocsin.channels.webhook import WebhookChannel
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification
from tocsin.delivery.send import Delivery, Worker
from tocsin.delivery.store import Change
from tocsin.storage.notifications.table import NotificationTable

KILLED = 9


class Failpoint:
    """A channel that kills its process before it sends, or just after."""

    def __init__(self, channel: WebhookChannel, step: str) -> None:
        self._channel = channel
        self._step = step

    def destination(self, notification: Notification) -> str:
        return notification.recipient

    async def send(self, notification: Notification) -> SendResult:
        if self._step == "claimed":
            os._exit(KILLED)
        result = await self._channel.send(notification)
        if self._step == "sent":
            os._exit(KILLED)
        return result


def ignore(_event: object, _change: Change) -> None:
    pass


async def main(arguments: Sequence[str]) -> None:
    endpoint, name, id_, url, present, step = arguments
    now = datetime.fromisoformat(present)
    worker = Worker(lambda: now, lambda: 60.0, lambda: 0.0, lambda: f"claim-{os.getpid()}")
    with a_client(endpoint) as client:
        table = NotificationTable(client, name, RETENTION)
        async with a_webhook(url) as channel:
            await Delivery(table, Failpoint(channel, step), POLICY, worker, ignore).run([table.get(id_)])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
