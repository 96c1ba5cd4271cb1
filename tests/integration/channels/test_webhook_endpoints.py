"""A secret for each receiver (Standard Webhooks 1.0): what one of them knows signs nothing for another."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from local.receiver import Receiver, answers
from tests.support.channels import NOW, OLD_SECRET, SECRET, a_notification, some_tools
from tocsin.channels.registry import problems_of
from tocsin.channels.signature import key_of, signed_headers
from tocsin.channels.webhook import WebhookChannel, WebhookDocument
from tocsin.delivery.attempt import Delivered

OWN = "whsec_" + base64.b64encode(b"a receiver's own, 24 by.").decode()
NEXT = "whsec_" + base64.b64encode(b"its next one, 24 bytes..").decode()


def a_document(**fields: Any) -> WebhookDocument:
    return WebhookDocument.model_validate_json(json.dumps({"secrets": [SECRET]} | fields))


async def signature_of(document: WebhookDocument, recipient: str, receiver: Receiver) -> str:
    async with some_tools() as tools:
        result = await WebhookChannel(document, tools).send(a_notification(recipient=recipient))
    assert result == Delivered(204)
    return receiver.requests[-1].headers["webhook-signature"]


def signed_by(receiver: Receiver, *secrets: str) -> str:
    request = receiver.requests[-1]
    keys = [key_of(secret) for secret in secrets]
    return signed_headers(request.headers["webhook-id"], NOW, request.body, keys)["webhook-signature"]


@pytest.mark.parametrize(
    ("hosts", "secrets"),
    [
        (["127.0.0.1"], [OWN]),
        (["127.0.0.1:{port}"], [OWN]),
        (["127.0.0.1:1"], [SECRET]),
        (["hooks.example.com"], [SECRET]),
        ([], [SECRET]),
    ],
)
async def test_a_url_is_signed_by_what_its_host_knows(hosts: list[str], secrets: list[str]) -> None:
    async with Receiver(answers(204)) as receiver:
        port = receiver.url("").rpartition(":")[2].strip("/")
        endpoints = {host.replace("{port}", port): {"secrets": [OWN]} for host in hosts}
        signature = await signature_of(a_document(endpoints=endpoints), receiver.url(), receiver)
        assert signature == signed_by(receiver, *secrets)


async def test_a_port_is_closer_than_a_host() -> None:
    async with Receiver(answers(204)) as receiver:
        port = receiver.url("").rpartition(":")[2].strip("/")
        endpoints = {"127.0.0.1": {"secrets": [NEXT]}, f"127.0.0.1:{port}": {"secrets": [OWN]}}
        signature = await signature_of(a_document(endpoints=endpoints), receiver.url(), receiver)
        assert signature == signed_by(receiver, OWN)


async def test_two_at_once_while_rotating() -> None:
    async with Receiver(answers(204)) as receiver:
        document = a_document(endpoints={"127.0.0.1": {"secrets": [NEXT, OWN]}})
        assert await signature_of(document, receiver.url(), receiver) == signed_by(receiver, NEXT, OWN)


async def test_the_configured_url_is_signed_by_the_channels_own() -> None:
    """`endpoints` is for notifications that name a URL."""
    async with Receiver(answers(204)) as receiver:
        document = a_document(
            secrets=[SECRET, OLD_SECRET], url=receiver.url(), endpoints={"127.0.0.1": {"secrets": [OWN]}}
        )
        assert await signature_of(document, "", receiver) == signed_by(receiver, SECRET, OLD_SECRET)


def test_a_host_is_one_in_any_case() -> None:
    assert set(a_document(endpoints={"Hooks.Example.COM:8443": {"secrets": [OWN]}}).endpoints) == {
        "hooks.example.com:8443"
    }


@pytest.mark.parametrize(
    ("endpoints", "problem"),
    [
        ({"https://hooks.example.com": {"secrets": [OWN]}}, "endpoints: Value error, is by host"),
        ({"hooks.example.com/path": {"secrets": [OWN]}}, "endpoints: Value error, is by host"),
        ({"s3cret@hooks.example.com": {"secrets": [OWN]}}, "endpoints: Value error, is by host"),
        ({"": {"secrets": [OWN]}}, "endpoints: Value error, is by host"),
        (
            {"a.example": {"secrets": [OWN]}, "A.example": {"secrets": [OWN]}},
            "endpoints: Value error, has a host twice",
        ),
        ({"a.example": {"secrets": []}}, "endpoints.?.secrets: List should have at least 1 item"),
        ({"a.example": {"secrets": [OWN] * 5}}, "endpoints.?.secrets: List should have at most 4 items"),
        ({"a.example": {"secrets": ["s3cret"]}}, "endpoints.?.secrets.0: Value error, a secret is whsec_"),
        ({"a.example": {"s3cret": 1, "secrets": [OWN]}}, "endpoints.?.?: Extra inputs are not permitted"),
        (
            {f"{number}.example": {"secrets": [OWN]} for number in range(101)},
            "endpoints: Dictionary should have at most",
        ),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(endpoints: Any, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_document(endpoints=endpoints)
    said = problems_of(refused.value)
    assert said.startswith(problem)
    assert "s3cret" not in said
    assert OWN not in said
