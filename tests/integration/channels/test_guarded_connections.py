"""The guard at the socket (faults.md, "Addresses a webhook must never reach")."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from local.receiver import Receiver, answers
from tests.support.channels import a_notification, a_webhook, refusal, sent, some_tools
from tocsin.channels.connection import ForbiddenAddressError, GuardedResolver
from tocsin.delivery.attempt import Delivered, FailureClass
from tocsin.network.address import AddressGuard
from tocsin.network.blocking import Blocking

ONLY_LOOPBACK = ("127.0.0.1/32",)
METADATA = "169.254.169.254"


def resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the system's resolver give these answers in turn; return the list of the names that it is asked for."""
    asked: list[str] = []
    remaining: Iterator[list[str]] = iter(answers)

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(remaining)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_name_that_leads_inside_is_refused_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults: "check every resolved address"; permanent, since no retry makes it right."""
    asked = resolves_to(monkeypatch, [METADATA])
    result = refusal(await sent("http://innocent.example/latest", allowed=ONLY_LOOPBACK))
    assert (result.failure, asked) == (FailureClass.PERMANENT, ["innocent.example"])
    assert "no address that a webhook may reach" in result.error


async def test_only_the_permitted_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver(answers(204)) as receiver:
        resolves_to(monkeypatch, [METADATA, "127.0.0.1", "10.0.0.1"])
        assert await sent(receiver.url(host="mixed.example"), allowed=ONLY_LOOPBACK) == Delivered(204)


async def test_a_name_that_answers_differently_the_second_time_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults: "connect to the one that was checked": that address gets the request, and there is one look-up."""
    async with Receiver(answers(204)) as receiver:
        asked = resolves_to(monkeypatch, ["127.0.0.1"], [METADATA])
        assert await sent(receiver.url(host="rebind.example"), allowed=ONLY_LOOPBACK) == Delivered(204)
    assert asked == ["rebind.example"]


async def test_the_next_look_up_is_checked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is kept for seconds; when it is asked for again, it is checked again."""
    async with Receiver(answers(204, Connection="close")) as receiver:
        resolves_to(monkeypatch, ["127.0.0.1"], [METADATA])
        async with a_webhook(receiver.url(host="rebind.example"), allowed=ONLY_LOOPBACK) as channel:
            first = await channel.send(a_notification())
            connector: Any = channel._tools.http.connector
            connector.clear_dns_cache()
            second = await channel.send(a_notification())
    assert first == Delivered(204)
    assert refusal(second).failure is FailureClass.PERMANENT


async def test_a_literal_address_is_refused_before_anything_else() -> None:
    """aiohttp resolves no literals, so the resolver never sees them."""
    async with Receiver(answers(204)) as receiver:
        result = refusal(await sent(receiver.url(), allowed=()))
    assert (result.failure, receiver.connections) == (FailureClass.PERMANENT, 0)


@pytest.mark.parametrize("form", ["http://me:s3cret@127.0.0.1:{}/", "http://127.0.0.1.:{}/", "http://2130706433:{}/"])
async def test_a_url_of_a_forbidden_form_is_not_tried(form: str) -> None:
    """Even where its address is permitted: what came past the door (an old row, the configuration) is checked again."""
    async with Receiver(answers(204)) as receiver:
        result = refusal(await sent(form.format(receiver.port)))
    assert (result.failure, receiver.connections) == (FailureClass.PERMANENT, 0)
    assert "s3cret" not in result.error


async def test_the_resolver_answers_with_permitted_addresses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, [METADATA, "127.0.0.1"])
    with closing(Blocking(1, "dns")) as blocking:
        found = await GuardedResolver(AddressGuard.allowing(ONLY_LOOPBACK, reaches_itself=True), blocking).resolve(
            "mixed.example", 80
        )
    assert [address["host"] for address in found] == ["127.0.0.1"]


async def test_the_socket_itself_refuses_a_literal() -> None:
    """The second lock on the same door: no request of this session gets past it, whoever forgot to check its URL."""
    async with Receiver(answers(204)) as receiver, some_tools(allowed=()) as tools:
        with pytest.raises(ForbiddenAddressError):
            await tools.http.post(receiver.url())
    assert receiver.connections == 0


async def test_the_socket_itself_refuses_what_a_resolver_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    async def careless(_self: GuardedResolver, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    monkeypatch.setattr(GuardedResolver, "resolve", careless)
    async with Receiver(answers(204)) as receiver:
        result = refusal(await sent(receiver.url(host="innocent.example"), allowed=()))
    assert (result.failure, receiver.connections) == (FailureClass.PERMANENT, 0)


async def test_a_name_that_does_not_resolve_is_retryable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 2.11: connection errors are retryable. `.invalid` never exists (RFC 6761)."""

    def fails(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    result = refusal(await sent("http://nowhere.invalid/"))
    assert (result.failure, result.error) == (FailureClass.RETRYABLE, "the receiver's name can't be resolved")


async def test_a_hung_look_up_ends_at_the_deadline_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver's thread can't be interrupted; it is left behind, and the next name has a thread of its own."""
    let_go = threading.Event()

    def hangs(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host == "hung.example":
            let_go.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async with Receiver(answers(204)) as receiver, a_webhook(deadline=1.0) as channel:
        monkeypatch.setattr(socket, "getaddrinfo", hangs)
        try:
            hung = asyncio.create_task(channel.send(a_notification(recipient=receiver.url(host="hung.example"))))
            assert await channel.send(a_notification(recipient=receiver.url(host="quick.example"))) == Delivered(204)
            assert refusal(await hung).failure is FailureClass.RETRYABLE
        finally:
            let_go.set()
