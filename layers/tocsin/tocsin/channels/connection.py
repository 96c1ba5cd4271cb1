"""HTTP connections that can only reach what the guard permits.

Two places, because aiohttp resolves no host that is written as an address: the resolver drops what is forbidden, with
a clear error; and the socket is made for the very address that is connected to, so a later answer can't help.
"""

import socket
import ssl
from functools import partial
from types import SimpleNamespace

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from tocsin.network.address import AddressGuard
from tocsin.network.blocking import Blocking

KEEPALIVE_SECONDS = 4
"""How long an idle connection is kept. Below the 5 s of Node's and uvicorn's servers: a POST on a connection that its
server has just closed has an unknown result, and can't be repeated blindly."""
BUFFER_BYTES = 4096
"""Bytes of a response that may wait unread before reading from the socket pauses (at twice this)."""
RECEIVE_BYTES = 65_536
"""Bytes that the kernel holds for us: an answer of 10 MB must not be taken off the wire to be thrown away."""
_END_OF_HEAD = b"\r\n\r\n"
_FLAGS = socket.AI_ADDRCONFIG


class ForbiddenAddressError(Exception):
    """The host leads to an address that a webhook may not reach."""


class GuardedResolver(AbstractResolver):
    """Resolves names by the system's resolver, and answers only with addresses that the guard permits."""

    def __init__(self, guard: AddressGuard, blocking: Blocking) -> None:
        """Resolve on the threads of `blocking`."""
        self._guard = guard
        self._blocking = blocking

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the permitted addresses of `host`; raise ForbiddenAddressError if it has none."""
        found = await self._blocking.run(lambda: _addresses(host, port, family))
        permitted = [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in found
            if self._guard.permits(address)
        ]
        if not permitted:
            raise ForbiddenAddressError(host)
        return permitted

    async def close(self) -> None:
        """Hold nothing: the threads belong to whoever lent them."""


def _addresses(host: str, port: int, family: int) -> list[tuple[int, str]]:
    """Ask the system's resolver, in a thread."""
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=_FLAGS)
    return [(kind, str(address[0])) for kind, _, _, _, address in found]


class Progress:
    """How far one request came: hand it over as `trace_request_ctx`."""

    sent = False
    """Whether its first byte was handed to the connection."""


async def _mark_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _headers: object) -> None:
    if isinstance(context.trace_request_ctx, Progress):
        context.trace_request_ctx.sent = True


def _tracing() -> aiohttp.TraceConfig:
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_mark_sent)
    return tracing


class _HeadFirst(ResponseHandler):
    """Parses the head of an answer before what comes with it.

    Some servers send a 204 or 304 with a body, or more than they announced. aiohttp's parser then forgets the whole
    piece, status and all; the answer would count as none, and the notification be sent again.
    """

    def data_received(self, data: bytes) -> None:
        """Take what the socket brought."""
        head, end, rest = data.partition(_END_OF_HEAD)
        if rest:
            super().data_received(head + end)
        super().data_received(rest or data)


def guarded_session(
    guard: AddressGuard, blocking: Blocking, *, tls: ssl.SSLContext | None = None
) -> aiohttp.ClientSession:
    """Open the HTTP session of one invocation: no proxies, cookies, decompression or limits but the caller's own."""

    def guarded_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not guard.permits(str(address[0])):
            raise ForbiddenAddressError(str(address[0]))
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        return opened

    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(guard, blocking),
        socket_factory=guarded_socket,
        ssl=True if tls is None else tls,
        limit=0,  # whoever sends bounds how many at once
        keepalive_timeout=KEEPALIVE_SECONDS,
    )
    connector._factory = partial(_HeadFirst, loop=connector._loop)  # type: ignore[assignment]  # noqa: SLF001 - aiohttp has no public way to this; it is one all the same
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the deadline of each try covers all of it
        trust_env=False,
        auto_decompress=False,
        read_bufsize=BUFFER_BYTES,
        trace_configs=[_tracing()],
    )
