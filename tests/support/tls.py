"""TLS servers on loopback that behave, or misbehave, as a test needs; and a dialer that may reach them."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.certificates import Authority
from tocsin.network.address import AddressGuard
from tocsin.sources.tls import Dialer

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = ("127.0.0.0/8", "::1/128")
PATIENCE = 5.0
"""Seconds: a deadline that nothing on loopback meets unless it hangs."""
SHORT = 0.3
"""Seconds: the deadline of a test in which something hangs."""


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve on a free port, until the end of the block; handlers that are still at it end with it."""
    at_it: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_it.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in at_it:
            task.cancel()
        await asyncio.gather(*at_it, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """Give a port that nobody listens on, and nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def polite(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Wait until the client hangs up."""
    await reader.read()


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Accept, and never say a word."""
    await asyncio.Event().wait()


async def hangs_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close in order after the ClientHello."""
    await reader.read(1)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break off after the ClientHello."""
    await reader.read(1)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def handshakes(context: ssl.SSLContext) -> Handler:
    """Shake hands as most servers do: asyncio's own breaks off without the alert that says why."""

    async def shake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = context.wrap_bio(incoming, outgoing, server_side=True)
        while data := await reader.read(4096):
            incoming.write(data)
            with contextlib.suppress(ssl.SSLError):  # it wants more, or has written its alert
                connection.do_handshake()
            writer.write(outgoing.read())
            await writer.drain()

    return shake


def answers(text: bytes) -> Handler:
    """Answer the ClientHello in another language."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(text)
        await writer.drain()
        await reader.read()

    return answer


def drips(port: int, seconds: float) -> Handler:
    """Pass the answers of the server on `port` on, a byte each `seconds`."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_upstream = await asyncio.open_connection("127.0.0.1", port)
        try:
            to_upstream.write(await reader.read(4096))
            while byte := await upstream.read(1):
                writer.write(byte)
                await writer.drain()
                await asyncio.sleep(seconds)
        finally:
            to_upstream.transport.abort()

    return drip


def a_dialer(
    authority: Authority | None = None,
    *,
    deadline: float = PATIENCE,
    allowed: Sequence[str] = LOOPBACK,
    names: Mapping[str, Sequence[str]] | None = None,
) -> Dialer:
    """Make a dialer that trusts `authority` alone, and resolves by `names`; any other name leads to 127.0.0.1."""

    async def resolve(host: str) -> Sequence[str]:
        return (names or {}).get(host, ("127.0.0.1",))

    strict = (authority or Authority()).trusted_by()
    return Dialer(AddressGuard.allowing(allowed, reaches_itself=True), resolve, deadline=deadline, strict=strict)
