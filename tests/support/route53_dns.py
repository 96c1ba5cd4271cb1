"""A name server on loopback that answers TXT questions with what the embedded Route 53 holds (RFC 1035, over TCP)."""

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from local.loopback import HOST

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

TXT = 16
ANSWER, NO_SUCH_NAME = 0x8400, 0x8403  # a response, authoritative; the same, with the code for "no such name"
HEADER = struct.Struct(">6H")
QUESTION = struct.Struct(">2H")
LENGTH = struct.Struct(">H")
POINTER_TO_THE_QUESTION = b"\xc0\x0c"


@contextmanager
def answering(route53: "Route53Client", zone_id: str) -> Iterator[str]:
    """Serve a hosted zone for as long as the block runs; gives host:port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(prefix := self.rfile.read(LENGTH.size)) == LENGTH.size:
                asked = self.rfile.read(*LENGTH.unpack(prefix))
                reply = answer(asked, lambda name: texts(route53, zone_id, name))
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
    listed = route53.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=name, StartRecordType="TXT")
    return [
        one["Value"].strip('"')
        for record in listed["ResourceRecordSets"]
        if (record["Name"].rstrip("."), record["Type"]) == (name.rstrip("."), "TXT")
        for one in record["ResourceRecords"]
    ]


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
