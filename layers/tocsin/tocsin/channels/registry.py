"""The one table of channels, and what hands each notification to its own.

To add a channel: a module with a configuration, a builder and a destination; a line in the table; its name in
`channel.IMPLEMENTED`.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ValidationError

from tocsin.channels import email, sns, webhook
from tocsin.channels.aws import THREADS, THROTTLING_CODES
from tocsin.channels.channel import ChannelSettings, Clients, Clock, SendsOnly, Tools, retryable
from tocsin.channels.connection import guarded_session
from tocsin.channels.credentials import Credentials, CredentialsUnavailableError
from tocsin.delivery.attempt import NotConfigured, Refused, SendResult, Throttled
from tocsin.delivery.notification import ChannelName, Notification
from tocsin.delivery.recipient import Reach
from tocsin.network.blocking import Blocking

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

DNS_THREADS = 16
READ_SECONDS = 3.0
"""How long reading a configuration may take. It comes on top of the deadline of a try, at most once for each."""
RECHECK = timedelta(seconds=10)
"""How long an invocation takes a channel as it found it; the credentials themselves are kept longer."""

_FIELD_NAME = re.compile(r"[a-z_]{1,32}|[0-9]{1,4}")
"""What a field or an index looks like: a key of another form may be a secret in the wrong place."""

Usable = SendsOnly | NotConfigured | Refused | Throttled
"""What a name leads to: a channel, or why there is none."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the registry must know of a channel."""

    config: type[BaseModel]
    build: Callable[[Any, Tools], SendsOnly]  # Any: each takes its own configuration, which `config` has made
    destination: Callable[[Notification], str]
    default: Callable[[Tools], BaseModel | None] = lambda _tools: None
    """The configuration of a stack that has no parameter for it; None means: not configured."""


KINDS = {
    ChannelName.EMAIL: Kind(email.EmailConfig, email.EmailChannel, email.destination),
    ChannelName.WEBHOOK: Kind(webhook.WebhookConfig, webhook.WebhookChannel, webhook.destination),
    ChannelName.SNS: Kind(sns.SnsConfig, sns.SnsChannel, sns.destination, sns.default),
}


class Channels:
    """All channels of the stack. Open it once an invocation (`async with`); the credentials outlive that."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        sesv2: "Callable[[], SESV2Client]",
        sns: "Callable[[], SNSClient]",
        now: Clock,
        reach: Reach,
        default_topic_arn: str = "",
        deadline: float = 10.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take what it works with. Clients are made at their first use; give them `aws.client_config(deadline)`.

        `deadline` is in seconds, for each try. `tls` only if webhooks are to trust other authorities than the system's.
        """
        self._credentials = credentials
        self._clients = Clients(sesv2=sesv2, sns=sns)
        self._now = now
        self._settings = ChannelSettings(
            deadline=deadline,
            reach=reach,
            default_topic_arn=default_topic_arn,
        )
        self._tls = tls
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the connections and threads of one invocation."""
        async with AsyncExitStack() as opening:
            dns = opening.enter_context(closing(Blocking(DNS_THREADS, "dns")))
            self._http = await opening.enter_async_context(
                guarded_session(self._settings.reach.guard, dns, tls=self._tls)
            )
            self._reading = opening.enter_context(closing(Blocking(len(KINDS), "ssm")))
            self._tools: dict[ChannelName, Tools] = {}
            self._locks = {name: asyncio.Lock() for name in KINDS}
            self._usable: dict[ChannelName, tuple[Usable, datetime]] = {}
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Close them; wait for nothing that hangs."""
        await self._open.aclose()

    def destination(self, notification: Notification) -> str:
        """Name whom a hung delivery would hang with."""
        kind = KINDS.get(notification.channel)
        return kind.destination(notification) if kind else notification.channel.value

    async def send(self, notification: Notification) -> SendResult:
        """Try once, by the channel that the notification names."""
        kind = KINDS.get(notification.channel)
        if kind is None:
            return NotConfigured()
        match await self._channel(notification.channel, kind):
            case NotConfigured() | Refused() | Throttled() as problem:
                return problem
            case channel:
                return await channel.send(notification)

    async def _channel(self, name: ChannelName, kind: Kind) -> Usable:
        """Return the channel with its present configuration, asking for that every few seconds only."""
        async with self._locks[name]:  # a thousand notifications ask once
            usable, until = self._usable.get(name, (None, self._now()))
            if usable is None or until <= self._now():
                usable = await self._load(name, kind)
                self._usable[name] = (usable, self._now() + RECHECK)
            return usable

    async def _load(self, name: ChannelName, kind: Kind) -> Usable:
        try:
            text = await self._reading.run(lambda: self._credentials.read(name), READ_SECONDS)
        except CredentialsUnavailableError as error:
            return Throttled(str(error)) if error.code in THROTTLING_CODES else retryable(str(error))
        except TimeoutError:
            return retryable(f"the configuration of {name} can't be read: no answer within {READ_SECONDS:g} s")
        tools = self._lend(name)
        config = kind.default(tools) if text is None else _configuration(name, kind.config, text)
        match config:
            case None:
                return NotConfigured()
            case Refused():
                return config
            case _:
                return kind.build(config, tools)

    def _lend(self, name: ChannelName) -> Tools:
        """Give a channel its tools, with threads of its own, so that a hung service holds up no other."""
        if name not in self._tools:
            self._tools[name] = Tools(
                http=self._http,
                blocking=self._open.enter_context(closing(Blocking(THREADS, name))),
                clients=self._clients,
                now=self._now,
                settings=self._settings,
            )
        return self._tools[name]


def _configuration(name: ChannelName, model: type[BaseModel], text: str) -> BaseModel | Refused:
    """Read `text` as `model`; an operator can mend what is not valid, so that is retryable."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        return retryable(f"the configuration of {name} is not valid: {_problems(error)}")


def _problems(error: ValidationError) -> str:
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{_place(detail['loc'])}: {detail['msg']}" for detail in details)


def _place(location: tuple[int | str, ...]) -> str:
    parts = (str(part) for part in location)
    return ".".join(part if _FIELD_NAME.fullmatch(part) else "?" for part in parts) or "the text"
