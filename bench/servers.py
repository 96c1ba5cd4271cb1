"""A DynamoDB that answers after a fixed time, and webhook receivers beside it, in a process of their own.

Neither is measured, so both do as little as they can: the store holds the due rows that it was started with, and every
write succeeds. `python -m bench.servers ROWS HOSTS STORE_SECONDS RECEIVER_SECONDS` prints the store's port.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from subprocess import PIPE, Popen
from typing import Any

from build.toolchain import ROOT
from tocsin.delivery.attempt import FailureClass, Refused
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity
from tocsin.inventory.certificate import Certificate
from tocsin.storage.codec import shard_of, timestamp
from tocsin.storage.inventory.items import certificate_item
from tocsin.storage.notifications.item import SHARDS, encode

IMPORTS = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "layers" / "tocsin")))}
"""What lets a process of its own import us and the layer."""
PORT = "@port"
"""Stands in a row's URL for the port of the receivers, which is known only when they listen."""
ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"
Answer = Callable[[bytes, bytes], bytes]
"""Makes the body of an answer from a request's head and body."""


class Http(asyncio.Protocol):
    """As much of HTTP/1.1 as our own clients need."""

    def __init__(self, answer: Answer | None, delay: float) -> None:
        """Answer 204 without an `answer`; `delay` in seconds."""
        self._answer = answer
        self._delay = delay
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is one, of a TCP server
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            length = _length(head)
            if not end or len(rest) < length:
                return
            self._buffer = rest[length:]
            whole = ACCEPTED
            if self._answer:
                body = self._answer(head, rest[:length])
                whole = (
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, whole)


def _length(head: bytes) -> int:
    place = head.lower().find(b"content-length:")
    return int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0


class Store:
    """Due rows, in the answers that DynamoDB would give."""

    def __init__(self, rows: list[Notification], port: int) -> None:
        """Write each row as an item once; `port` is the receivers'."""
        retention = timedelta(days=90)
        named = [replace(row, recipient=row.recipient.replace(PORT, str(port))) for row in rows]
        self._items = {row.id: json.dumps(encode(row, retention)).encode() for row in named}
        self._due: dict[str, bytes] = {}
        for shard in map(str, range(SHARDS)):
            keys = [
                {"id": {"S": row.id}, "due_shard": {"S": shard}, "next_retry_at": {"S": timestamp(row.due_at)}}
                for row in named
                if row.due_at and shard_of(row.id, SHARDS) == shard
            ]
            self._due[shard] = json.dumps({"Items": keys, "Count": len(keys)}).encode()

        certificates = [_certificate(number) for number in range(len(rows))]
        self._kept = self._items | {item["pk"]["S"]: json.dumps(item).encode() for item in certificates}
        self._watched: dict[str, list[dict[str, Any]]] = {}
        for item in certificates:
            of_index = {name: item[name] for name in ("pk", "sk", "due_shard", "due_key")}
            self._watched.setdefault(item["due_shard"]["S"], []).append(of_index)

    def _query(self, asked: dict[str, Any]) -> bytes:
        """The due index of either table; every other query finds nothing."""
        values = asked["ExpressionAttributeValues"]
        if asked.get("IndexName") != "due" or ":listed" in values:  # no circuit is looked at
            return b'{"Items": [], "Count": 0}'
        if ":shard" in values:
            return self._due.get(values[":shard"]["S"], b'{"Items": [], "Count": 0}')  # nobody is to be asked
        lowest = values[":lowest"]["S"]
        behind = (keys for keys in self._watched.get(values[":partition"]["S"], ()) if keys["due_key"]["S"] >= lowest)
        found = list(islice(behind, asked["Limit"]))
        return json.dumps({"Items": found, "Count": len(found)}).encode()

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Answer one call by its operation."""
        operation = head.partition(b"DynamoDB_20120810.")[2].split(b"\r\n", 1)[0]
        asked = json.loads(body)
        match operation:
            case b"Query":
                return self._query(asked)
            case b"BatchGetItem":
                ((table, wanted),) = asked["RequestItems"].items()
                keys = [(key.get("id") or key["pk"])["S"] for key in wanted["Keys"]]
                items = b",".join(self._kept[key] for key in keys if key in self._kept)  # of circuits nothing is known
                return b'{"Responses": {"%b": [%b]}}' % (table.encode(), items)
            case b"BatchExecuteStatement":
                return json.dumps({"Responses": [{} for _ in asked["Statements"]]}).encode()
            case b"GetItem":
                found = self._items.get(asked["Key"].get("id", {}).get("S"))
                return b"{}" if found is None else b'{"Item": %b}' % found
            case _:
                return b"{}"


def _certificate(number: int) -> dict[str, Any]:
    """A certificate whose first threshold was crossed, a second after the one before."""
    now = datetime.now(UTC)
    at = now - timedelta(days=1) + timedelta(seconds=number)
    return certificate_item(
        Certificate(
            id=f"01J{number:023}",
            common_name="api.example.com",
            not_before=at - timedelta(days=60),
            expires_at=at + timedelta(days=30),
            created_at=at - timedelta(days=50),
            updated_at=at - timedelta(days=50),
            watched_since=at - timedelta(days=50),
            due_at=at,
        )
    )


def due_rows(count: int, hosts: int) -> list[Notification]:
    """Rows that failed once and are due, spread over so many hosts."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    return [
        _due_row(f"01J{number:023}", f"http://127.0.0.{number % hosts + 1}:{PORT}/hook", long_ago)
        for number in range(count)
    ]


def _due_row(id_: str, url: str, at: datetime) -> Notification:
    policy = DeliveryPolicy()
    row = Notification(
        id=id_,
        type="ExpirationWarning",
        channel=ChannelName.WEBHOOK,
        recipient=url,
        subject="Certificate api.example.com expires in 7 days",
        message="The certificate api.example.com expires in 7 days [threshold:7]. Renew it before 2026-11-29.",
        severity=Severity.WARNING,
        created_at=at,
        updated_at=at,
    ).accepted(at, policy)
    refused = Refused(FailureClass.RETRYABLE, "HTTP 503 Service Unavailable", 503)
    return row.settled(refused, started_at=at, now=at, policy=policy)


@contextmanager
def serving(rows: int, hosts: int, store_seconds: float, receiver_seconds: float = 0.0) -> Iterator[int]:
    """Run both in a process of their own; the port of the store, whose rows name that of the receivers."""
    command = [sys.executable, "-m", "bench.servers", *map(str, (rows, hosts, store_seconds, receiver_seconds))]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=os.environ | IMPORTS) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield int(process.stdout.readline())
        process.terminate()


async def _run(rows: int, hosts: int, store_seconds: float, receiver_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    receivers = await loop.create_server(lambda: Http(None, receiver_seconds), "0.0.0.0", 0)  # noqa: S104 - 127.0.0.x
    port = receivers.sockets[0].getsockname()[1]
    store = Store(due_rows(rows, hosts), port)
    served = await loop.create_server(lambda: Http(store.answer, store_seconds), "127.0.0.1", 0)
    print(served.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main(arguments: list[str]) -> None:
    """Serve until whoever started it is gone."""
    rows, hosts, store_seconds, receiver_seconds = arguments
    numbers: tuple[Any, ...] = (int(rows), int(hosts), float(store_seconds), float(receiver_seconds))
    asyncio.run(_run(*numbers))


if __name__ == "__main__":
    main(sys.argv[1:])
