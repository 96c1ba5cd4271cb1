"""The one table of channels, and what hands each notification to its own.

To add a kind: a module with a document, a builder and, where its recipients are hosts of their own, what names them; a
line in the table; its name in `delivery.channel_name.ChannelKind`.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from tocsin.channels import apprise, email, eventbridge, jsm, pagerduty, slack, sns, teams, webhook
from tocsin.channels.aws import THREADS, THROTTLING_CODES
from tocsin.channels.channel import AnswersLater, ChannelSettings, Clients, Clock, SendsOnly, Tools, broken
from tocsin.channels.connection import guarded_session
from tocsin.channels.credentials import Credentials, CredentialsUnavailableError
from tocsin.channels.document import ChannelDocument
from tocsin.channels.wording import Escape, Words, as_it_is, default_words
from tocsin.delivery.attempt import Broken, NotConfigured, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.circuit import AT, Terms
from tocsin.delivery.fate import Fate, NotYet
from tocsin.delivery.hand_off import is_hand_off
from tocsin.delivery.notification import Notification
from tocsin.network.blocking import Blocking

DNS_THREADS = 16
READ_SECONDS = 3.0
"""How long reading a document may take. It comes on top of the deadline of a try, at most once for each."""
READERS = 8
"""Documents that are read at once."""
RECHECK = timedelta(seconds=10)
"""How long an invocation takes a channel as it found it; the documents themselves are kept longer."""

_MAY_BE_ROTATED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_FIELD_NAME = re.compile(r"[a-z_]{1,32}|[0-9]{1,4}")
"""What a field or an index looks like: a key of another form may be a secret in the wrong place."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the registry must know of a kind of channel."""

    document: type[ChannelDocument]
    build: Callable[[Any, Tools], SendsOnly]  # Any: each takes its own document, which `document` has made
    where: Callable[[Notification], str] = lambda _notification: ""
    """Name the host, or what else a notification's own recipient would hang with; empty: the channel's own."""
    default: Callable[[Tools], ChannelDocument | None] = lambda _tools: None
    """The document of a stack that has no parameter for it; None means: not configured."""
    escape: Escape = as_it_is
    """What it asks words with: for showing them without sending."""


KINDS: dict[ChannelKind, Kind] = {
    ChannelKind.EMAIL: Kind(email.EmailDocument, email.EmailChannel),
    ChannelKind.WEBHOOK: Kind(webhook.WebhookDocument, webhook.WebhookChannel, webhook.where),
    ChannelKind.SLACK: Kind(slack.SlackDocument, slack.SlackChannel, escape=slack.escape),
    ChannelKind.TEAMS: Kind(teams.TeamsDocument, teams.TeamsChannel, escape=teams.escape),
    ChannelKind.APPRISE: Kind(apprise.AppriseDocument, apprise.AppriseChannel),
    ChannelKind.EVENTBRIDGE: Kind(eventbridge.EventBridgeDocument, eventbridge.EventBridgeChannel, eventbridge.where),
    ChannelKind.SNS: Kind(sns.SnsDocument, sns.SnsChannel, sns.where, sns.default),
    ChannelKind.PAGERDUTY: Kind(pagerduty.PagerDutyDocument, pagerduty.PagerDutyChannel),
    ChannelKind.OPSGENIE: Kind(jsm.OpsGenieDocument, jsm.AlertsChannel, escape=jsm.without_tags),
    ChannelKind.JSM: Kind(jsm.JsmDocument, jsm.AlertsChannel, escape=jsm.without_tags),
}


@dataclass(frozen=True, slots=True)
class _Ready:
    """A channel that can send."""

    channel: SendsOnly
    terms: Terms
    text: str | None
    """The document that it was made from, as it is stored."""


_Usable = _Ready | NotConfigured | Throttled | Broken
"""What a name leads to: a channel, or why there is none."""


class Channels:
    """All channels of the stack. Open it once an invocation (`async with`); the credentials outlive that."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        clients: Clients,
        now: Clock,
        settings: ChannelSettings,
        words: Words = default_words,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take what it works with. Clients are made at their first use; give them `aws.client_config(deadline)`.

        `tls` only if channels are to trust other authorities than the system's.
        """
        self._credentials = credentials
        self._clients = clients
        self._now = now
        self._settings = settings
        self._words = words
        self._tls = tls
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the connections and threads of one invocation."""
        async with AsyncExitStack() as opening:
            dns = opening.enter_context(closing(Blocking(DNS_THREADS, "dns")))
            self._http = await opening.enter_async_context(
                guarded_session(self._settings.reach.guard, dns, tls=self._tls)
            )
            self._reading = opening.enter_context(closing(Blocking(READERS, "ssm")))
            self._tools: dict[ChannelName, Tools] = {}
            self._locks: dict[ChannelName, asyncio.Lock] = {}
            self._usable: dict[ChannelName, tuple[_Usable, datetime]] = {}
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Close them; wait for nothing that hangs."""
        await self._open.aclose()

    def destination(self, notification: Notification) -> str:
        """Name the circuit of a notification."""
        kind = KINDS.get(notification.channel.kind)
        where = kind.where(notification) if kind else ""
        return f"{notification.channel}{AT}{where}" if where else notification.channel

    async def terms(self, notification: Notification) -> Terms:
        """Say on what terms its destination is sent to; a channel that can't be used has none of its own."""
        if is_hand_off(notification):
            return Terms()
        match await self._channel(notification.channel):
            case _Ready(terms=terms):
                return terms
            case _:
                return Terms()

    async def send(self, notification: Notification) -> SendResult:
        """Try once, by the channel that the notification names. A key that was refused may have been rotated since."""
        if is_hand_off(notification):
            return await self._handed_off(notification)
        usable = await self._channel(notification.channel)
        if not isinstance(usable, _Ready):
            return usable
        result = await usable.channel.send(notification)
        if not (isinstance(result, Broken) and result.http_status in _MAY_BE_ROTATED):
            return result
        again = await self._channel(notification.channel, instead_of=usable)
        if not isinstance(again, _Ready) or again.text == usable.text:
            return result
        return await again.channel.send(notification)

    async def fate(self, notification: Notification) -> Fate:
        """Ask the service that took a notification, once, what became of it."""
        match await self._channel(notification.channel):
            case _Ready(channel=AnswersLater() as channel) if notification.receipt:
                return await channel.fate(notification.receipt)
            case _:
                return NotYet(f"{notification.channel} can't be asked")

    async def _handed_off(self, notification: Notification) -> SendResult:
        """Send by the stack's own bus: no document of an operator's says where a hand-off goes."""
        channel = eventbridge.of_stack(self._lend(notification.channel))
        return NotConfigured() if channel is None else await channel.send(notification)

    async def _channel(self, name: ChannelName, *, instead_of: _Ready | None = None) -> _Usable:
        """Return the channel with its present document, asking for that every few seconds only, or `instead_of` one."""
        async with self._locks.setdefault(name, asyncio.Lock()):  # a thousand notifications ask once
            usable, until = self._usable.get(name, (None, self._now()))
            if usable is not None and usable is instead_of:
                self._credentials.forget(name)
                usable = None
            if usable is None or until <= self._now():
                usable = await self._load(name)
                self._usable[name] = (usable, self._now() + RECHECK)
            return usable

    async def _load(self, name: ChannelName) -> _Usable:
        kind = KINDS.get(name.kind)
        if kind is None:
            return NotConfigured()
        try:
            text = await self._reading.run(lambda: self._credentials.read(name), READ_SECONDS)
        except CredentialsUnavailableError as error:
            may_pass = error.code in THROTTLING_CODES or error.is_no_answer
            return Throttled(str(error)) if may_pass else broken(str(error))
        except TimeoutError:
            return Throttled(f"the configuration of {name} can't be read: no answer within {READ_SECONDS:g} s")
        tools = self._lend(name)
        document = kind.default(tools) if text is None else _document(name, kind.document, text)
        match document:
            case None:
                return NotConfigured()
            case Broken():
                return document
            case _:
                return _Ready(kind.build(document, tools), document.terms(), text)

    def _lend(self, name: ChannelName) -> Tools:
        """Give a channel its tools, with threads of its own, so that a hung service holds up no other."""
        if name not in self._tools:
            self._tools[name] = Tools(
                http=self._http,
                blocking=self._open.enter_context(closing(Blocking(THREADS, name))),
                clients=self._clients,
                now=self._now,
                settings=self._settings,
                words=self._words,
            )
        return self._tools[name]


def _document(name: ChannelName, model: type[ChannelDocument], text: str) -> ChannelDocument | Broken:
    """Read `text` as `model`; where it is not valid the channel is broken until an operator mends it."""
    try:
        document = model.model_validate_json(text)
    except ValidationError as error:
        return broken(f"the configuration of {name} is not valid: {problems_of(error)}")
    if document.fallback == name:
        return broken(f"the configuration of {name} is not valid: fallback: is the channel itself")
    return document


def problems_of(error: ValidationError) -> str:
    """Say what is wrong with a document, by the names of its fields; no value is repeated."""
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{_place(detail['loc'])}: {detail['msg']}" for detail in details)


def _place(location: tuple[int | str, ...]) -> str:
    parts = (str(part) for part in location)
    return ".".join(part if _FIELD_NAME.fullmatch(part) else "?" for part in parts) or "the text"
