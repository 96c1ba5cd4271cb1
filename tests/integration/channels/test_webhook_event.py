"""What a receiver gets: the signature (standardwebhooks.com) and the event."""

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from local.receiver import Receiver, Request, answers
from tests.support.channels import NOW, OLD_SECRET, SECRET, a_notification, a_webhook, refusal, sent
from tocsin.delivery.attempt import FailureClass

OTHER_SECRET = "whsec_" + base64.b64encode(b"somebody else's, 24 byte").decode()


async def delivered(secrets: tuple[str, ...] = (SECRET,), **fields: str) -> Request:
    """Return the request that a receiver gets. Signed now: the verifier compares with the real clock."""
    real_clock = partial(datetime.now, UTC)
    async with Receiver(answers(204)) as receiver, a_webhook(receiver.url(), secrets, now=real_clock) as channel:
        await channel.send(a_notification(**fields))
    return receiver.requests[0]


async def test_the_reference_implementation_verifies_the_signature() -> None:
    """Design 2: the id goes downstream as `webhook-id`; a Standard Webhooks library needs nothing else."""
    request = await delivered(message="naïve ✓ \U0001f512")
    event = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert event["data"]["message"] == "naïve ✓ \U0001f512"
    assert request.headers["webhook-id"] == a_notification().id


async def test_a_receiver_with_another_secret_refuses() -> None:
    request = await delivered()
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(request.body, dict(request.headers))


@pytest.mark.parametrize("known_to_the_receiver", [SECRET, OLD_SECRET])
async def test_while_a_secret_is_rotated_both_verify(known_to_the_receiver: str) -> None:
    request = await delivered((SECRET, OLD_SECRET))
    Webhook(known_to_the_receiver).verify(request.body, dict(request.headers))


async def test_every_try_carries_the_same_id_and_the_same_bytes() -> None:
    """Invariant I5: "copies … all with the same key". The time of the try changes, and so does its signature."""
    now = NOW
    async with Receiver(answers(503)) as receiver, a_webhook(receiver.url(), now=lambda: now) as channel:
        await channel.send(a_notification())
        now += timedelta(minutes=1)
        await channel.send(a_notification(retry_count=1, last_error="HTTP 503", updated_at=now))
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == a_notification().id
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 60


async def test_the_event_is_the_public_one() -> None:
    """Receivers are written against this shape: it changes by addition only."""
    request = await delivered(type="Custom:drill", certificate_id="c-1")
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(request.body) == {
        "type": "notification.Custom.drill",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": {
            "id": a_notification().id,
            "type": "Custom:drill",
            "severity": "warning",
            "subject": "api.example.com expires in 7 days",
            "message": "[threshold:7] renew it",
            "certificate_id": "c-1",
            "created_at": "2026-03-01T12:00:00Z",
        },
    }


async def test_a_notification_s_own_url_goes_before_the_configured_one() -> None:
    async with (
        Receiver(answers(204)) as own,
        Receiver(answers(204)) as configured,
        a_webhook(configured.url()) as channel,
    ):
        await channel.send(a_notification(recipient=own.url()))
        await channel.send(a_notification(recipient=""))
    assert (len(own.requests), len(configured.requests)) == (1, 1)


async def test_without_any_url_it_is_permanent() -> None:
    result = refusal(await sent(""))
    assert (result.failure, result.error.startswith("no url")) == (FailureClass.PERMANENT, True)
