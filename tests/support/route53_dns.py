"""A name server on loopback that answers TXT questions with what the embedded Route 53 holds (RFC 1035, over TCP)."""

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from local.loopback import HOST

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

TXT = 16
ANSWER, NO_SUCH_NAME = 0x8400, 0x8403  # a response, authoritative; the same, with the code for "no such name"
HEADER = struct.Struct(">6H")
QUESTION = struct.Struct(">2H")
LENGTH = struct.Struct(">H")
EVERY = 0.5
"""Seconds between two looks at the zone."""
AT_ONCE = 1.0
"""Seconds that the zone has to say how it is."""
POINTER_TO_THE_QUESTION = b"\xc0\x0c"


class Zone:
    """A hosted zone as it is now; where it does not say so in time, as it was a moment ago.

    Pebble waits two seconds for an answer, and asks once: a Route 53 that is busy just then must not fail a renewal.
    """

    def __init__(self, route53: "Route53Client", zone_id: str) -> None:
        self._route53 = route53
        self._zone_id = zone_id
        self._last: dict[str, list[str]] = {}
        self._is_over = threading.Event()
        self._threads = ThreadPoolExecutor(4, "zone")

    def __enter__(self) -> Self:
        self._threads.submit(self._follow)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._is_over.set()
        self._threads.shutdown()

    def texts(self, name: str) -> list[str]:
        """Give the values of a name's TXT record."""
        asked = self._threads.submit(texts, self._route53, self._zone_id, name)
        try:
            return asked.result(AT_ONCE)
        except TimeoutError:
            return self._last.get(name) or asked.result()

    def _follow(self) -> None:
        while not self._is_over.wait(EVERY):
            with suppress(BotoCoreError, ClientError):
                self._last = every_text(self._route53, self._zone_id)


@contextmanager
def answering(route53: "Route53Client", zone_id: str) -> Iterator[str]:
    """Serve a hosted zone for as long as the block runs; gives host:port."""
    with Zone(route53, zone_id) as zone, _serving(zone) as address:
        yield address


@contextmanager
def _serving(zone: Zone) -> Iterator[str]:

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(prefix := self.rfile.read(LENGTH.size)) == LENGTH.size:
                asked = self.rfile.read(*LENGTH.unpack(prefix))
                reply = answer(asked, zone.texts)
                self.wfile.write(LENGTH.pack(len(reply)) + reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="name server")
        thread.start()
        try:
            yield f"{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def texts(route53: "Route53Client", zone_id: str, name: str) -> list[str]:
    """Give the values of a name's TXT record, as they are in the zone now."""
    return every_text(route53, zone_id).get(name.rstrip("."), [])


def every_text(route53: "Route53Client", zone_id: str) -> dict[str, list[str]]:
    """Give the values of each TXT record of a zone of one page, by its name without the last dot."""
    listed = route53.list_resource_record_sets(HostedZoneId=zone_id)
    assert not listed["IsTruncated"]
    return {
        record["Name"].rstrip("."): [one["Value"].strip('"') for one in record["ResourceRecords"]]
        for record in listed["ResourceRecordSets"]
        if record["Type"] == "TXT"
    }


def answer(asked: bytes, look_up: Callable[[str], list[str]]) -> bytes:
    """Answer one message with one question, which asks for the text at a name."""
    identity, *_ = HEADER.unpack_from(asked)
    labels, at = [], HEADER.size
    while length := asked[at]:
        labels.append(asked[at + 1 : at + 1 + length].decode())
        at += 1 + length
    kind, _internet = QUESTION.unpack_from(asked, at + 1)
    question = asked[HEADER.size : at + 1 + QUESTION.size]
    found = look_up(".".join(labels).lower()) if kind == TXT else []
    records = b"".join(_record(value.encode()) for value in found)
    flags = ANSWER if found else NO_SUCH_NAME
    return HEADER.pack(identity, flags, 1, len(found), 0, 0) + question + records


def _record(value: bytes) -> bytes:
    assert len(value) < 256, "a text of more than one string"
    data = bytes([len(value)]) + value
    return POINTER_TO_THE_QUESTION + struct.pack(">HHIH", TXT, 1, 0, len(data)) + data
