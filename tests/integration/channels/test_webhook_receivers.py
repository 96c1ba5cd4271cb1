"""What becomes of a webhook at each kind of receiver. Real sockets; what is quoted is of faults.md and contract.md."""

import asyncio
import gzip
import socket
import unicodedata
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.receiver import (
    Behaviour,
    Exchange,
    Receiver,
    answers,
    drips,
    endless,
    resets,
    says,
    silent,
)
from tests.support.channels import NOW, SHORT, a_notification, a_webhook, refusal, sent
from tocsin.delivery.attempt import Delivered, FailureClass, Refused, SendResult
from tocsin.delivery.notification import LAST_ERROR_LIMIT

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
NOTICEABLY_LONGER = 15.0
"""Seconds: far above every deadline here, far below what an unbounded receiver would take."""


async def result_of(behaviour: Behaviour, **tools: Any) -> SendResult:
    async with Receiver(behaviour) as receiver, asyncio.timeout(NOTICEABLY_LONGER):
        return await sent(receiver.url(), **tools)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_only_2xx_is_success(status: int) -> None:
    """Faults: "only 2xx is success"."""
    assert await result_of(answers(status)) == Delivered(status)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (408, RETRYABLE),
        (425, RETRYABLE),
        (429, RETRYABLE),
        (500, RETRYABLE),
        (503, RETRYABLE),
        (599, RETRYABLE),
        (400, PERMANENT),
        (401, PERMANENT),
        (404, PERMANENT),
        (410, PERMANENT),
        (422, PERMANENT),
    ],
)
async def test_a_status_decides_the_class(status: int, failure: FailureClass) -> None:
    """Contract 2.11: retryable 408, 425, 429, 5xx; permanent the other 4xx. The text of the answer is kept."""
    result = refusal(await result_of(answers(status, b"because\nof this")))
    assert (result.failure, result.http_status, result.error) == (failure, status, f"HTTP {status}: because of this")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_never_followed(status: int) -> None:
    """Faults: "redirects are never followed". Not even to itself: the receiver sees one request."""
    async with Receiver(answers(status, Location="/elsewhere")) as receiver:
        result = refusal(await sent(receiver.url()))
    assert (result.failure, result.http_status) == (PERMANENT, status)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ("9" * 60, 86_400.0),  # absurd: a day at most
        ("-5", 0.0),
        ("soon", None),
    ],
)
async def test_retry_after_is_read(status: int, header: str, seconds: float | None) -> None:
    """Faults: "429 and 503 with Retry-After in seconds, as a date, absurd, negative"."""
    result = refusal(await result_of(answers(status, Retry_After=header)))
    assert (result.failure, result.retry_after) == (RETRYABLE, seconds)


async def test_a_refused_connection_is_retryable() -> None:
    """Faults: "a receiver that never accepts". Nothing went out."""
    with socket.socket() as deaf:  # bound, so that nobody else takes the port; not listening
        deaf.bind(("127.0.0.1", 0))
        result = refusal(await sent(f"http://127.0.0.1:{deaf.getsockname()[1]}/"))
    assert result.failure is RETRYABLE
    assert "can't connect" in result.error


async def test_no_connection_before_the_deadline_is_retryable() -> None:
    """Contract 2.11: a timeout before the request went out. The other side never shakes hands, so there is no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        result = refusal(await sent(f"https://127.0.0.1:{mute.getsockname()[1]}/", deadline=SHORT))
    assert (result.failure, result.error) == (RETRYABLE, f"no connection within {SHORT} s")


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(silent(), id="silent"),
        pytest.param(drips(interval=0.02), id="drips a status line"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\nX-Drip: ", interval=0.02), id="drips a header"),
        pytest.param(says(b"HTTP/1.1 100 Continue\r\n\r\n", then_closes=False), id="goes on and never ends"),
    ],
)
async def test_the_deadline_is_total(behaviour: Behaviour) -> None:
    """Faults: "the total deadline holds", also where each byte comes in time. It went out: unknown."""
    result = refusal(await result_of(behaviour, deadline=SHORT))
    assert (result.failure, result.error) == (UNKNOWN, f"no answer within {SHORT} s")


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(resets(), id="reset"),
        pytest.param(says(b""), id="closed"),
        pytest.param(says(b"HTTP/1.1 2"), id="cut in the status line"),
        pytest.param(says(b"nonsense\r\n\r\n"), id="malformed status line"),
        pytest.param(says(b"HTTP/1.1 999999 Huge\r\n\r\n"), id="a status of six digits"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: minus one\r\n\r\n"), id="malformed header"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"), id="a header of 100 KB"),
    ],
)
async def test_a_connection_that_breaks_after_the_request_is_unknown(behaviour: Behaviour) -> None:
    """Faults: "a reset after sending is unknown"; contract 2.11: the request went out, no answer came."""
    result = refusal(await result_of(behaviour))
    assert (result.failure, result.http_status) == (UNKNOWN, None)


async def test_a_reset_before_the_request_is_neither_success_nor_the_end() -> None:
    """A reset races with the request on the wire, so it is retryable or unknown; both are tried again."""
    async with Receiver(answers(204), resets_connections=True) as receiver:
        result = refusal(await sent(receiver.url()))
    assert result.failure in (RETRYABLE, UNKNOWN)
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (endless(200), Delivered(200)),
        (endless(500), RETRYABLE),
        (drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", 0.02), Delivered(200)),
        (drips(b"HTTP/1.1 503 Down\r\nContent-Length: 999\r\n\r\n", 0.02), RETRYABLE),
        (says(b"HTTP/1.1 404 No\r\nContent-Length: 999\r\n\r\nshort"), PERMANENT),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Delivered(200)),
    ],
    ids=["endless 200", "endless 500", "dripping 200", "dripping 503", "cut 404", "malformed chunk"],
)
async def test_a_status_that_came_stands_whatever_becomes_of_the_body(
    behaviour: Behaviour, expected: Delivered | FailureClass
) -> None:
    """Faults: "drips a byte a second, never ends": the deadline holds, and what is known is not thrown away."""
    result = await result_of(behaviour, deadline=SHORT)
    assert (result if isinstance(expected, Delivered) else refusal(result).failure) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    ],
)
async def test_an_answer_with_more_than_it_may_have_is_read_by_its_status(head: bytes) -> None:
    """Faults: some servers send a body with a 204. Read as no answer, it was five attempts and five copies."""
    result = await result_of(says(head + b"hello"))
    status = int(head.split()[1])
    assert result == Delivered(status) if status < 300 else refusal(result).http_status == status


@pytest.fixture
def came_in(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the bytes of bodies that the client takes in."""
    counts: list[int] = []
    feed = aiohttp.StreamReader.feed_data

    def counting(reader: aiohttp.StreamReader, data: bytes, *more: Any) -> Any:
        counts.append(len(data))
        return feed(reader, data, *more)

    monkeypatch.setattr(aiohttp.StreamReader, "feed_data", counting)
    return counts


async def test_a_body_of_10_mb_is_not_read(came_in: list[int]) -> None:
    """Faults: "answers 10 MB: at most 4 KB is read". What one read of the socket brings is all that ever comes in."""
    result = refusal(await result_of(endless(500, size=10_000_000)))
    assert 0 < sum(came_in) < 500_000
    assert (result.failure, len(result.error) <= LAST_ERROR_LIMIT) == (RETRYABLE, True)


async def test_a_compressed_body_is_neither_asked_for_nor_unpacked(came_in: list[int]) -> None:
    """A bomb of a few bytes must not become megabytes."""
    bomb = gzip.compress(b"x" * 1_000_000)
    async with Receiver(answers(500, bomb, Content_Encoding="gzip")) as receiver:
        result = refusal(await sent(receiver.url()))
    assert result.error == "HTTP 500"
    assert sum(came_in) == len(bomb)
    assert receiver.requests[0].headers["accept-encoding"] == "identity"


async def test_connections_are_used_again() -> None:
    """Design 2: "connections reused", also after an answer with a body."""
    async with Receiver(answers(503, b"down")) as receiver, a_webhook(receiver.url()) as channel:
        for _ in range(3):
            await channel.send(a_notification())
    assert (len(receiver.requests), receiver.connections) == (3, 1)


async def test_proxies_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults: "proxies from the environment ignored"."""
    async with Receiver(answers(204)) as receiver, Receiver(answers(500)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        assert await sent(receiver.url()) == Delivered(204)
    assert proxy.requests == []


async def test_cookies_are_not_kept() -> None:
    """One receiver's answer must not change what the next request carries."""
    async with (
        Receiver(answers(204, Set_Cookie="a=b")) as receiver,
        a_webhook(receiver.url(host="localhost")) as channel,
    ):
        await channel.send(a_notification())
        await channel.send(a_notification())
    assert all("cookie" not in request.headers for request in receiver.requests)


async def test_a_hung_receiver_leaves_the_others_alone() -> None:
    """Invariant I8: one row's fault never changes another row's outcome."""
    async with Receiver(silent()) as hung, Receiver(answers(204)) as healthy, a_webhook(deadline=1.0) as channel:
        rows = [a_notification(recipient=receiver.url()) for receiver in (hung, healthy) * 20]
        results = await asyncio.gather(*map(channel.send, rows))
    assert results[1::2] == [Delivered(204)] * 20
    assert {refusal(result).failure for result in results[::2]} == {UNKNOWN}


@settings(max_examples=50, deadline=None)
@given(body=st.binary(max_size=6000) | st.text(max_size=3000).map(lambda text: text.encode("utf-8", "surrogatepass")))
async def test_whatever_a_receiver_says_can_be_stored(body: bytes) -> None:
    """Faults: "lone surrogates, NUL, right-to-left, a cut in mid-emoji": stored, valid, bounded."""
    error = refusal(await result_of(answers(400, body))).error
    assert error.startswith("HTTP 400")
    assert len(error.encode()) <= LAST_ERROR_LIMIT
    assert not {unicodedata.category(character) for character in error.replace("\u200d", "")} & {"Cc", "Cf", "Cs"}


GARBLED = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 500 Down\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            b"Content-Length: 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Location: //\r\n",
            b"Set-Cookie: \x00=\xff\r\n",
            b"Retry-After: 1\r\nRetry-After: 2\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"\xff\x00",
        ]
    )
    | st.binary(max_size=20),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(parts=GARBLED)
async def test_no_answer_makes_it_raise(parts: list[bytes]) -> None:
    """Design 2: whatever the world does is classified. Each part is a packet of its own."""

    async def behave(exchange: Exchange) -> None:
        for part in parts:
            await exchange.write(part)
            await asyncio.sleep(0)
        exchange.writer.close()

    assert isinstance(await result_of(behave), Delivered | Refused)
