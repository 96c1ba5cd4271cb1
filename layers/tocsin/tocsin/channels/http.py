"""One HTTP request of a channel: within its deadline, to where the guard permits, and what came of it.

| what happened                                                | gives                            |
|--------------------------------------------------------------|----------------------------------|
| an answer, whatever its status                               | `Answer`: the channel judges it  |
| DNS, connection and certificate errors                       | retryable                        |
| the deadline passed before the request went out              | retryable, and hung              |
| the deadline, a reset or nonsense after the request went out | unknown; at the deadline, hung   |
| a URL or an address that the guard refuses                   | permanent                        |
"""

import asyncio
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiohttp

from tocsin.channels.channel import Tools, is_retryable, permanent, refused, retryable, unknown
from tocsin.channels.connection import ForbiddenAddressError, Progress
from tocsin.channels.retry_after import retry_after
from tocsin.delivery.attempt import FailureClass, Refused
from tocsin.text import bounded

BODY_LIMIT = 4096
"""Bytes of a response that are read, for the error's text."""
BODY_SECONDS = 1.0
"""How long an answer's body may take once its status is known: it only explains."""
USER_AGENT = "Tocsin/1"
HIDDEN = "[secret]"
SECRET_LENGTH = 8
"""Characters from which a part of a URL may be a secret: "ok" is in every "hooks"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    text: str
    """The beginning of its body, foreign and not bounded for display; empty where it is encoded."""
    retry_after: float | None
    """Seconds that it asked us to wait; already parsed, never negative."""

    @property
    def is_success(self) -> bool:
        """Tell whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what RFC 9110, 15.3 calls successful

    @property
    def is_redirect(self) -> bool:
        """Tell whether it is a 3xx, which is never followed."""
        return 300 <= self.status < 400  # noqa: PLR2004 - RFC 9110, 15.4

    @property
    def error(self) -> str:
        """Say what it was. The URL is not in it."""
        return f"HTTP {self.status}: {self.text}" if self.text.strip() else f"HTTP {self.status}"

    def refused(self) -> Refused:
        """Judge it by its status alone (contract 2.11): retryable or permanent."""
        if self.is_redirect:
            return refused(FailureClass.PERMANENT, f"HTTP {self.status}: redirects are never followed", self.status)
        if is_retryable(self.status):
            return refused(FailureClass.RETRYABLE, self.error, self.status, self.retry_after)
        return refused(FailureClass.PERMANENT, self.error, self.status)


def without(secrets: Iterable[str], text: str) -> str:
    """Return foreign text as one line that repeats none of `secrets`."""
    line = bounded(text, BODY_LIMIT)  # first: what is dropped here may have stood inside of one
    for secret in sorted(secrets, key=len, reverse=True):
        line = line.replace(secret, HIDDEN)
    return line


def secrets_in(url: str) -> set[str]:
    """Give what of a URL may be a secret: its path and query, and the longer parts of both."""
    split = urlsplit(url)
    whole = (url, split.path, split.query, f"{split.path}?{split.query}")
    parts = re.split(r"[/?&=;,]", unquote(f"{split.path}/{split.query}"))
    return {part for part in (*whole, *parts) if len(part) >= SECRET_LENGTH}


async def request(
    tools: Tools, url: str, *, body: bytes | None = None, headers: Mapping[str, str], method: str = "POST"
) -> Answer | Refused:
    """Make one request within the deadline. Whether `url` may be asked at all is the caller's to check first."""
    deadline = tools.settings.deadline
    progress = Progress()
    end = asyncio.get_running_loop().time() + deadline
    sent_headers = {"accept-encoding": "identity", "user-agent": USER_AGENT, **headers}
    try:
        async with asyncio.timeout_at(end):
            response = await tools.http.request(
                method, url, data=body, headers=sent_headers, allow_redirects=False, trace_request_ctx=progress
            )
    except (TimeoutError, aiohttp.ClientError, ForbiddenAddressError) as error:
        return _failure(error, deadline, sent=progress.sent)
    async with response:
        beginning = await _beginning(response, end)
        encoded = response.headers.get("Content-Encoding", "identity").lower() != "identity"
        text = "" if encoded else beginning.decode(errors="replace")
        return Answer(response.status, text, retry_after(response.headers.get("Retry-After"), tools.now()))


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
        case TimeoutError() if sent:
            return unknown(f"no answer within {deadline:g} s", hung=True)
        case TimeoutError():
            return retryable(f"no connection within {deadline:g} s", hung=True)
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
