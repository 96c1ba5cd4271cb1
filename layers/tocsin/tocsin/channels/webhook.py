"""Webhook: a signed POST (Standard Webhooks 1.0), to the URL of the notification or of the channel's configuration.

| what happened                                                        | class     |
|----------------------------------------------------------------------|-----------|
| 2xx                                                                  | accepted  |
| 408, 425, 429, 5xx; DNS, connection and certificate errors           | retryable |
| the deadline passed before the request went out                      | retryable |
| the deadline, a reset or nonsense after the request went out         | unknown   |
| the other 4xx; a URL or an address that the guard refuses            | permanent |
| 3xx: an answer that somebody configured; following it is never safe,  | permanent |
| and repeating it changes nothing until somebody corrects the URL     |           |
"""

import asyncio
import json
import os
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from tocsin.channels.channel import Tools, is_retryable, permanent, refused, retryable, unknown
from tocsin.channels.connection import ForbiddenAddressError, Progress
from tocsin.channels.retry_after import retry_after
from tocsin.channels.signature import key_of, signed_headers
from tocsin.delivery.attempt import Accepted, FailureClass, Refused, SendResult
from tocsin.delivery.notification import Notification

BODY_LIMIT = 4096
"""Bytes of a response that are read, for the error's text."""
BODY_SECONDS = 1.0
"""How long an answer's body may take once its status is known: it only explains."""

_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)


def _checked(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


class WebhookConfig(BaseModel):
    """The channel's parameter. A URL often is a secret itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secrets: Annotated[list[Annotated[SecretStr, AfterValidator(_checked)]], Field(min_length=1, max_length=4)]
    """Newest first; more than one while a secret is being rotated."""
    url: SecretStr = SecretStr("")
    """Where notifications go that name no URL of their own."""


class WebhookChannel:
    """Posts each notification as one signed event; the same bytes and the same `webhook-id` on every try."""

    def __init__(self, config: WebhookConfig, tools: Tools) -> None:
        """Keep the keys; nothing is opened yet."""
        self._keys = [key_of(secret.get_secret_value()) for secret in config.secrets]
        self._default_url = config.url
        self._reach = tools.settings.reach
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Post it once."""
        url = notification.recipient or self._default_url.get_secret_value()
        if not url:
            return permanent("no url: neither the notification nor the channel's configuration has one")
        if problem := self._reach.url_problem(url):
            return permanent(problem)
        return await self._post(url, notification)

    async def _post(self, url: str, notification: Notification) -> SendResult:
        progress = Progress()
        end = asyncio.get_running_loop().time() + self._tools.settings.deadline
        try:
            async with asyncio.timeout_at(end):
                response = await self._request(url, notification, progress)
        except (TimeoutError, aiohttp.ClientError, ForbiddenAddressError) as error:
            return _failure(error, self._tools.settings.deadline, sent=progress.sent)
        async with response:
            return self._verdict(response, await _beginning(response, end))

    async def _request(self, url: str, notification: Notification, progress: Progress) -> aiohttp.ClientResponse:
        body = event_body(notification)
        headers = {
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "Tocsin-Webhook/1",
            **signed_headers(notification.id, self._tools.now(), body, self._keys),
        }
        return await self._tools.http.post(
            url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=progress
        )

    def _verdict(self, response: aiohttp.ClientResponse, beginning: bytes) -> SendResult:
        status = response.status
        if status in _SUCCESS:
            return Accepted(status)
        if status in _REDIRECT:
            return refused(FailureClass.PERMANENT, f"HTTP {status}: redirects are never followed", status)
        encoded = response.headers.get("Content-Encoding", "identity").lower() != "identity"
        text = "" if encoded else beginning.decode(errors="replace")
        error = f"HTTP {status}: {text}" if text.strip() else f"HTTP {status}"
        if is_retryable(status):
            wait = retry_after(response.headers.get("Retry-After"), self._tools.now())
            return refused(FailureClass.RETRYABLE, error, status, wait)
        return refused(FailureClass.PERMANENT, error, status)


def destination(notification: Notification) -> str:
    """Name the host and port; all that go to the configured URL share one name."""
    if not notification.recipient:
        return "Webhook"
    try:
        split = urlsplit(notification.recipient)
        port = split.port or (80 if split.scheme == "http" else 443)
    except ValueError:
        return "Webhook:invalid"
    return f"Webhook:{split.hostname or 'invalid'}:{port}"


def event_body(notification: Notification) -> bytes:
    """Return the event as receivers see it. Made of what never changes, so every try sends the same bytes."""
    created_at = notification.created_at.isoformat().replace("+00:00", "Z")
    event = {
        "type": f"notification.{notification.type.replace(':', '.')}",
        "timestamp": created_at,
        "data": {
            "id": notification.id,
            "type": notification.type,
            "severity": notification.severity,
            "subject": notification.subject,
            "message": notification.message,
            "certificate_id": notification.certificate_id,
            "created_at": created_at,
        },
    }
    return json.dumps(event, separators=(",", ":")).encode()


async def _beginning(response: aiohttp.ClientResponse, end: float) -> bytes:
    """Read up to BODY_LIMIT bytes, until `end` by the loop's clock at most: the status stands whatever becomes of them.

    Reading a short body to its end also lets the connection be used again.
    """
    read = bytearray()
    try:
        async with asyncio.timeout_at(min(end, asyncio.get_running_loop().time() + BODY_SECONDS)):
            while len(read) < BODY_LIMIT and (chunk := await response.content.read(BODY_LIMIT - len(read))):
                read += chunk
    except (TimeoutError, aiohttp.ClientError):
        pass  # too slow, cut off or malformed: what came is enough
    return bytes(read)


def _failure(error: Exception, deadline: float, *, sent: bool) -> Refused:
    """Classify what went wrong. Texts are our own: aiohttp's carry the URL, which may be a secret."""
    match error:
        case ForbiddenAddressError() | aiohttp.InvalidURL():
            return permanent("the host leads to no address that a webhook may reach")
        case aiohttp.ClientConnectorError():
            return retryable(_connecting(error))
        case TimeoutError():
            return (
                unknown(f"no answer within {deadline:g} s")
                if sent
                else retryable(f"no connection within {deadline:g} s")
            )
    return unknown("the connection broke before an answer came") if sent else retryable("the connection broke")


def _connecting(error: aiohttp.ClientConnectorError) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the receiver's certificate is not valid: {getattr(error.certificate_error, 'verify_message', '')}"
        case aiohttp.ClientConnectorDNSError():
            return "the receiver's name can't be resolved"
        case aiohttp.ClientConnectorSSLError():
            return "the receiver could not agree on TLS"
    # The system's words for the number: asyncio's own text carries the address.
    return f"can't connect: {os.strerror(error.os_error.errno) if error.os_error.errno else 'the connection failed'}"
