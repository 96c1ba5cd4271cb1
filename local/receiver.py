"""A receiver of webhooks on this machine that misbehaves on demand: for the tests, and for the demo's story.

    python -m local.receiver --port 9099 --mode 503 --recover-after 3

Tests choose a behaviour in code: `async with Receiver(answers(204)) as receiver: ...`.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

from local.loopback import HOST

CHUNK = b"x" * 65_536
HEAD_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


@dataclass(slots=True)
class Exchange:
    """One request and the connection on which it is answered."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    receiver: "Receiver"

    async def write(self, data: bytes) -> None:
        """Send `data`, and count what the connection has taken."""
        self.writer.write(data)
        await self.writer.drain()
        self.receiver.bytes_sent += len(data)

    async def wait_for_the_end(self) -> None:
        """Do nothing until the other side leaves."""
        await self.reader.read()

    def reset(self) -> None:
        """End the connection as a crash does: not FIN but RST."""
        reset(self.writer)


Behaviour = Callable[[Exchange], Awaitable[None]]


@dataclass
class Receiver:
    """A server on loopback. A behaviour answers each request; it may be replaced while the server runs."""

    behaviour: Behaviour
    tls: ssl.SSLContext | None = None
    port: int = 0
    """0: a free one."""
    resets_connections: bool = False
    """Whether connections are reset before anything is read."""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    bytes_sent: int = 0
    on_request: Callable[[Request], None] = lambda _request: None

    async def __aenter__(self) -> Self:
        """Listen."""
        self._serving: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, HOST, self.port, ssl=self.tls, limit=HEAD_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Stop listening and drop every connection."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path: str = "/hook", host: str = HOST) -> str:
        """Return an address of this receiver."""
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.resets_connections:
                reset(writer)
            while not writer.transport.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                self.on_request(request)
                await self.behaviour(Exchange(request, reader, writer, self))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side left, which is its right
        finally:
            writer.transport.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def answers(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer at once. Underscores in the names of headers stand for hyphens."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(_head(status, len(body), **headers) + body)

    return behave


def silent() -> Behaviour:
    """Read the request and never answer."""
    return Exchange.wait_for_the_end


def drips(beginning: bytes = b"HTTP/1.1 200 ", interval: float = 1.0) -> Behaviour:
    """Answer with `beginning`, then one byte in each `interval` (seconds), for ever."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(beginning)
        while not exchange.writer.transport.is_closing():
            await asyncio.sleep(interval)
            await exchange.write(b"2")

    return behave


def endless(status: int, size: int = 2**62) -> Behaviour:
    """Answer with a body of `size` bytes, by default more than anybody can read."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(_head(status, size))
        left = size
        while left > 0 and not exchange.writer.transport.is_closing():
            await exchange.write(CHUNK[:left])
            left -= len(CHUNK)

    return behave


def says(raw: bytes, *, then_closes: bool = True) -> Behaviour:
    """Answer with these bytes, whatever they mean."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(raw)
        if then_closes:
            exchange.writer.close()
            await exchange.writer.wait_closed()
        else:
            await exchange.wait_for_the_end()

    return behave


def resets() -> Behaviour:
    """Read the request, then reset the connection."""

    async def behave(exchange: Exchange) -> None:
        exchange.reset()

    return behave


def in_turn(first: Sequence[Behaviour], afterwards: Behaviour) -> Behaviour:
    """Behave in each of these ways once, then always in the last."""
    waiting = list(first)

    async def behave(exchange: Exchange) -> None:
        await (waiting.pop(0) if waiting else afterwards)(exchange)

    return behave


def _head(status: int, length: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever"]
    if length or status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


MODES: Mapping[str, Callable[[], Behaviour]] = {
    "ok": lambda: answers(204),
    "400": lambda: answers(400, b"no such hook"),
    "429": lambda: answers(429, b"slow down", Retry_After="2"),
    "503": lambda: answers(503, b"down for maintenance"),
    "redirect": lambda: answers(302, Location="http://127.0.0.1/"),
    "silent": silent,
    "drip": drips,
    "endless": lambda: endless(500),
    "nonsense": lambda: says(b"nonsense\r\n\r\n"),
    "reset": resets,
}
"""The ways to behave that have a name on the command line."""


def _print(request: Request) -> None:
    try:
        data = json.loads(request.body)["data"]
        what = f"{data['severity']} {data['type']}: {data['subject']}"
    except (ValueError, KeyError, TypeError):
        what = f"{len(request.body)} bytes"
    print(f"{request.path} {request.headers.get('webhook-id', '-')} {what}", flush=True)


def shows(path: str) -> ssl.SSLContext:
    """Make what shows the certificate of a file, which holds its key as well."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def _run(arguments: argparse.Namespace) -> None:
    bad = MODES[arguments.mode]()
    behaviour = in_turn([bad] * arguments.recover_after, answers(204)) if arguments.recover_after else bad
    tls = shows(arguments.tls) if arguments.tls else None
    async with Receiver(behaviour, tls, arguments.port, on_request=_print) as receiver:
        print(receiver.url(), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="a receiver of webhooks that misbehaves on demand")
    parser.add_argument("--port", type=int, default=9099)
    parser.add_argument("--mode", choices=MODES, default="ok")
    parser.add_argument("--recover-after", type=int, default=0, help="requests after which it answers well (0: never)")
    parser.add_argument("--tls", metavar="PEM", help="a file with a certificate and its key: listen with TLS")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
