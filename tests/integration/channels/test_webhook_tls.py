"""Webhooks over TLS, with certificates made for the test."""

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from local.receiver import Receiver, answers
from tests.support.channels import refusal, sent
from tocsin.delivery.attempt import Delivered, FailureClass


def server_side(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_valid_certificate_is_accepted() -> None:
    authority = trustme.CA()
    async with Receiver(answers(204), tls=server_side(authority, "localhost")) as receiver:
        assert await sent(receiver.url(host="localhost"), tls=client_side(authority)) == Delivered(204)


@pytest.mark.parametrize(
    ("certificate_for", "trusted", "why"),
    [
        ("localhost", False, "unable to get local issuer certificate"),
        ("other.example.com", True, "Hostname mismatch"),
    ],
)
async def test_a_bad_certificate_is_retryable_and_says_why(certificate_for: str, trusted: bool, why: str) -> None:
    """Faults: "a bad certificate": nothing went out, and whoever owns the receiver can mend it."""
    authority = trustme.CA()
    context = client_side(authority if trusted else trustme.CA())
    async with Receiver(answers(204), tls=server_side(authority, certificate_for)) as receiver:
        result = refusal(await sent(receiver.url(host="localhost"), tls=context))
    assert result.failure is FailureClass.RETRYABLE
    assert "certificate is not valid" in result.error
    assert why in result.error
    assert receiver.requests == []


async def test_an_expired_certificate_is_not_accepted() -> None:
    """The very thing that Tocsin warns of."""
    authority = trustme.CA()
    tls = server_side(authority, "localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    async with Receiver(answers(204), tls=tls) as receiver:
        result = refusal(await sent(receiver.url(host="localhost"), tls=client_side(authority)))
    assert "certificate has expired" in result.error


async def test_a_receiver_without_tls_is_retryable() -> None:
    """A server of plain HTTP answers the handshake in its own language."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = refusal(await sent(f"https://127.0.0.1:{port}/"))
    assert (result.failure, result.error) == (FailureClass.RETRYABLE, "the receiver could not agree on TLS")
