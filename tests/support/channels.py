"""What the channels' tests build on: a notification, and channels with everything boring filled in."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from tocsin.channels.channel import ChannelSettings, Clients, Tools
from tocsin.channels.connection import guarded_session
from tocsin.channels.webhook import WebhookChannel, WebhookDocument
from tocsin.channels.wording import Words, default_words
from tocsin.delivery.attempt import Refused, SendResult
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Severity
from tocsin.delivery.recipient import Reach
from tocsin.network.address import AddressGuard
from tocsin.network.blocking import Blocking

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOOPBACK = ("127.0.0.0/8", "::1/128")
PATIENCE = 5.0
"""Seconds: a deadline that nothing on loopback meets unless it hangs."""
SHORT = 0.3
"""Seconds: the deadline of a test in which something hangs."""
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"the former key, 24 bytes").decode()


def a_notification(**fields: Any) -> Notification:
    """Make a notification of which only what the test names matters."""
    boring: dict[str, Any] = {
        "id": "01J00000000000000000000000",
        "type": "ExpirationWarning",
        "channel": ChannelName.WEBHOOK,
        "recipient": "",
        "subject": "api.example.com expires in 7 days",
        "message": "[threshold:7] renew it",
        "severity": Severity.WARNING,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Notification(**(boring | fields))


def reaching(networks: Sequence[str] = LOOPBACK) -> Reach:
    """Give the reach of a stack on an embedded AWS."""
    return Reach(guard=AddressGuard.allowing(networks, reaches_itself=True), plain_http=True)


def not_used() -> Any:
    """Stand for a client that the test must not need."""
    raise AssertionError("this client must not be made")


@asynccontextmanager
async def some_tools(
    allowed: Sequence[str] = LOOPBACK,
    *,
    reach: Reach | None = None,
    deadline: float = PATIENCE,
    tls: ssl.SSLContext | None = None,
    now: Callable[[], datetime] = lambda: NOW,
    sesv2: Callable[[], Any] = not_used,
    sns: Callable[[], Any] = not_used,
    events: Callable[[], Any] = not_used,
    lambda_: Callable[[], Any] = not_used,
    threads: int = 4,
    words: Words = default_words,
    **settings: Any,
) -> AsyncIterator[Tools]:
    """Open what a channel works with."""
    said = ChannelSettings(deadline=deadline, reach=reach or reaching(allowed), **settings)
    clients = Clients(sesv2=sesv2, sns=sns, events=events, lambda_=lambda_)
    with closing(Blocking(4, "dns")) as dns, closing(Blocking(threads, "aws")) as blocking:
        async with guarded_session(said.reach.guard, dns, tls=tls) as http:
            yield Tools(http=http, blocking=blocking, clients=clients, now=now, settings=said, words=words)


@asynccontextmanager
async def a_webhook(url: str = "", secrets: Sequence[str] = (SECRET,), **tools: Any) -> AsyncIterator[WebhookChannel]:
    """Open a webhook channel whose configuration names `url`."""
    config = WebhookDocument(secrets=[SecretStr(secret) for secret in secrets], url=SecretStr(url))
    async with some_tools(**tools) as lent:
        yield WebhookChannel(config, lent)


async def sent(recipient: str, **tools: Any) -> SendResult:
    """Post one notification to `recipient`, and return how that ended."""
    async with a_webhook(**tools) as channel:
        return await channel.send(a_notification(recipient=recipient))


def refusal(result: SendResult) -> Refused:
    """Return `result`, which must be a refusal."""
    assert isinstance(result, Refused), result
    return result
