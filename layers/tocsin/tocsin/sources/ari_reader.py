"""Asks ACME servers, by GET: where their renewal information is, and what it says. Only where the guard permits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

import aiohttp

from tocsin.channels.connection import ForbiddenAddressError
from tocsin.delivery.recipient import Reach
from tocsin.sources.ari import Advice, UnreadableAdviceError, address_of, advice_of, renewal_info_of
from tocsin.sources.failure import FailureKind, SourceFailure

DEADLINE = 10.0
"""Seconds that one answer may take, from first to last byte."""
BODY_LIMIT = 64 * 1024
"""Bytes of an answer; a directory has some hundred."""
_AGENT = "Tocsin/1 (ACME renewal information)"


class Unknown:
    """A server that does not know a certificate: another one may."""


@dataclass(frozen=True, slots=True)
class _Got:
    body: bytes
    retry_after: str | None


@dataclass(slots=True)
class AriReader:
    """Reads for the length of one run, in which each directory is read once."""

    session: aiohttp.ClientSession
    reach: Reach
    now: Callable[[], datetime]
    _known: dict[str, str | SourceFailure] = field(default_factory=dict)

    async def advice(self, directory: str, ari_id: str) -> Advice | Unknown | SourceFailure:
        """Ask the server of a directory about one certificate."""
        where = await self._renewal_info(directory)
        if isinstance(where, SourceFailure):
            return where
        address = address_of(where, ari_id)
        if address is None:
            return Unknown()
        got = await self._get(address)
        if not isinstance(got, _Got):
            return got
        try:
            return advice_of(got.body, ari_id, got.retry_after, self.now())
        except UnreadableAdviceError as error:
            return SourceFailure(FailureKind.UNREADABLE, error.detail, ari_id)

    async def _renewal_info(self, directory: str) -> str | SourceFailure:
        if directory not in self._known:
            self._known[directory] = await self._read_directory(directory)
        return self._known[directory]

    async def _read_directory(self, directory: str) -> str | SourceFailure:
        got = await self._get(directory)
        if isinstance(got, SourceFailure):
            return got
        if isinstance(got, Unknown):
            return SourceFailure(FailureKind.UNREADABLE, "there is no directory at this address")
        try:
            return renewal_info_of(got.body)
        except UnreadableAdviceError as error:
            return SourceFailure(FailureKind.UNREADABLE, error.detail)

    async def _get(self, url: str) -> _Got | Unknown | SourceFailure:
        """GET once, within the deadline and the limit. Redirects are not followed: they lead where nobody checked."""
        if problem := self.reach.endpoint_problem(url):
            return SourceFailure(FailureKind.FORBIDDEN_ADDRESS, problem)
        headers = {"accept-encoding": "identity", "user-agent": _AGENT}
        try:
            async with asyncio.timeout(DEADLINE), self.session.get(url, allow_redirects=False, headers=headers) as got:
                body = await _bounded(got)
        except ForbiddenAddressError:
            return SourceFailure(FailureKind.FORBIDDEN_ADDRESS, "the host leads to no address that may be reached")
        except TimeoutError:
            return SourceFailure(FailureKind.TIMEOUT, f"no answer within {DEADLINE:g} s")
        except aiohttp.ClientError as error:
            return SourceFailure(FailureKind.UNREACHABLE, type(error).__name__)
        return _judged(got.status, body, got.headers.get("Retry-After"))


def _judged(status: int, body: bytes | None, retry_after: str | None) -> _Got | Unknown | SourceFailure:
    """Say what an answer is. A certificate of another authority is not found, or its id makes no sense there."""
    if body is None:
        return SourceFailure(FailureKind.UNREADABLE, f"an answer of more than {BODY_LIMIT // 1024} KB")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST):
        return Unknown()
    if status != HTTPStatus.OK:
        return SourceFailure(FailureKind.UNREACHABLE, f"HTTP {status}")
    return _Got(body, retry_after)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes | None:
    """Read a body; null: it is larger than anybody needs."""
    read = bytearray()
    async for chunk in answer.content.iter_any():
        read += chunk
        if len(read) > BODY_LIMIT:
            return None
    return bytes(read)
