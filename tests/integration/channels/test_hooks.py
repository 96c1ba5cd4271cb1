"""What holds for Slack and Teams alike: a secret URL in the document, and what becomes of it."""

import json
import socket
from typing import Any

import pytest

from local.receiver import Behaviour, Receiver, answers, resets, silent
from tests.support.channels import LOOPBACK, SHORT, a_notification, refusal
from tests.support.hooks import (
    HOSTILE,
    Channel,
    as_a_workflow,
    as_slack,
    brokenness,
    power_automate,
    slack,
    teams,
)
from tests.unit.network.test_address import FORBIDDEN
from tocsin.channels.slack import SlackDocument
from tocsin.channels.teams import TeamsDocument
from tocsin.delivery.attempt import FailureClass, SendResult, Throttled
from tocsin.delivery.recipient import Reach
from tocsin.network.address import AddressGuard

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
SECRET = "aB3dE5gH7jK9mN1pQ3sT5vW7"
"""A token as it stands in such a URL."""
METADATA = "169.254.169.254"
FORMS = [
    "http://me:s3cret@127.0.0.1:{}/",
    "http://127.0.0.1.:{}/",
    "http://2130706433:{}/",
    "http://0x7f000001:{}/",
    "http://0177.0.0.1:{}/",
    "http://\uff11\uff12\uff17.0.0.1:{}/",
    "ftp://127.0.0.1:{}/",
    "127.0.0.1:{}/",
]

both = pytest.mark.parametrize("channel", [slack, teams])


async def result_of(channel: Channel, behaviour: Behaviour, **tools: Any) -> SendResult:
    async with Receiver(behaviour) as receiver, channel(receiver.url(f"/hook/{SECRET}"), **tools) as opened:
        result: SendResult = await opened.send(a_notification())
    return result


# ── Where it may go ──────────────────────────────────────────────────────────────────────────────────────────────────


@both
@pytest.mark.parametrize("address", FORBIDDEN)
async def test_an_address_that_no_request_may_reach_breaks_the_channel(channel: Channel, address: str) -> None:
    """Faults: "Addresses a webhook must never reach", in the document: no message could ever go there."""
    host = f"[{address.replace('%', '%25')}]" if ":" in address else address
    async with channel(f"http://{host}/{SECRET}", reach=Reach(plain_http=True)) as opened:
        error = brokenness(await opened.send(a_notification())).error
    assert error.startswith("the document's url: ")
    assert SECRET not in error


@both
@pytest.mark.parametrize("form", FORMS)
async def test_a_url_of_a_forbidden_form_is_not_tried(channel: Channel, form: str) -> None:
    """Even where its address is permitted."""
    async with Receiver(answers(200, b"ok")) as receiver, channel(form.format(receiver.port)) as opened:
        error = brokenness(await opened.send(a_notification())).error
    assert receiver.connections == 0
    assert "s3cret" not in error


@both
async def test_plain_http_is_refused_unless_the_stack_allows_it(channel: Channel) -> None:
    async with channel("http://hooks.example.com/x", reach=Reach()) as opened:
        assert "https://" in brokenness(await opened.send(a_notification())).error


@both
async def test_the_hosts_that_notifications_may_name_are_no_limit_for_the_operators_own(channel: Channel) -> None:
    """`AllowedWebhookHosts` is about what callers of the API name."""
    guard = AddressGuard.allowing(LOOPBACK, reaches_itself=True)
    reach = Reach(guard=guard, plain_http=True, webhook_hosts=("hooks.example.com",))
    async with Receiver(answers(503)) as receiver, channel(receiver.url(), reach=reach) as opened:
        assert refusal(await opened.send(a_notification())).http_status == 503


@both
async def test_a_name_that_leads_inside_breaks_the_channel(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults: "check every resolved address"."""

    def getaddrinfo(_host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (METADATA, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with channel(f"http://innocent.example/{SECRET}", allowed=("127.0.0.1/32",)) as opened:
        error = brokenness(await opened.send(a_notification())).error
    assert "no address that a webhook may reach" in error


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed_and_breaks_the_channel(channel: Channel, status: int) -> None:
    """The document's URL is not the webhook's: every message would be answered so."""
    async with (
        Receiver(answers(status, Location=f"/elsewhere/{SECRET}")) as receiver,
        channel(receiver.url()) as opened,
    ):
        broken = brokenness(await opened.send(a_notification()))
    assert len(receiver.requests) == 1
    assert SECRET not in broken.error


# ── What is retried ──────────────────────────────────────────────────────────────────────────────────────────────────


@both
@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
async def test_a_provider_in_trouble_is_tried_again(channel: Channel, status: int) -> None:
    """Contract 2.11: retryable."""
    result = refusal(await result_of(channel, answers(status, b"upstream", Retry_After="17")))
    assert (result.failure, result.http_status, result.retry_after) == (RETRYABLE, status, 17.0)


@both
async def test_the_providers_own_limit_spends_no_attempt(channel: Channel) -> None:
    """Contract 2.11: throttling; comes back after what was asked for."""
    result = await result_of(channel, answers(429, b"rate_limited", Retry_After="30"))
    assert isinstance(result, Throttled)
    assert result.retry_after == 30.0


@both
async def test_no_answer_is_unknown(channel: Channel) -> None:
    """Contract 2.11: the request went out, no answer came."""
    hung = refusal(await result_of(channel, silent(), deadline=SHORT))
    reset = refusal(await result_of(channel, resets()))
    assert (hung.failure, hung.hung, reset.failure, reset.hung) == (UNKNOWN, True, UNKNOWN, False)


@both
async def test_a_refused_connection_is_retryable(channel: Channel) -> None:
    with socket.socket() as deaf:  # bound, so that nobody else takes the port; not listening
        deaf.bind(("127.0.0.1", 0))
        async with channel(f"http://127.0.0.1:{deaf.getsockname()[1]}/") as opened:
            assert refusal(await opened.send(a_notification())).failure is RETRYABLE


# ── What is sent, and what is told ───────────────────────────────────────────────────────────────────────────────────


@both
async def test_every_try_sends_the_same_bytes(channel: Channel) -> None:
    """Contract 2.10: a copy is the same message; what the row gains by failing is not in it."""
    async with Receiver(answers(503)) as receiver, channel(receiver.url()) as opened:
        for tried in (0, 1, 4):
            await opened.send(a_notification(retry_count=tried, last_error=f"HTTP 503, {tried} times"))
    assert len({request.body for request in receiver.requests}) == 1
    assert b"01J00000000000000000000000" in receiver.requests[0].body


@both
@pytest.mark.parametrize("text", HOSTILE)
async def test_any_text_gets_through(channel: Channel, text: str) -> None:
    """A text that a provider refuses would be a dead letter for what somebody wrote into it."""
    behaviour = as_slack if channel is slack else as_a_workflow
    async with Receiver(behaviour) as receiver, channel(receiver.url()) as opened:
        result = await opened.send(
            a_notification(message=text, subject=text[:256], certificate_id=text[:256] or None, fallback_of=text[:256])
        )
    assert type(result).__name__ == ("Delivered" if channel is slack else "Accepted"), result


@both
@pytest.mark.parametrize("status", [200, 202, 204, 302, 400, 403, 404, 410, 413, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(f"no route for /hook/{SECRET}", id="in a sentence"),
        pytest.param(SECRET, id="alone"),
        pytest.param(json.dumps({"error": {"code": SECRET, "message": SECRET}}), id="as a code"),
        pytest.param(json.dumps({"error": {"code": "NotFound", "message": f"/hook/{SECRET}"}}), id="in a message"),
    ],
)
async def test_a_receiver_that_repeats_the_secret_is_not_repeated(channel: Channel, status: int, said: str) -> None:
    """Errors are stored and shown: no URL and no key is in them."""
    assert SECRET not in repr(await result_of(channel, answers(status, said.encode())))


@both
async def test_a_secret_that_looks_like_a_code_is_not_repeated(channel: Channel) -> None:
    secret = "correcthorsebatterystaple"
    for body in (secret.encode(), json.dumps({"error": {"code": secret}}).encode()):
        async with Receiver(answers(404, body)) as receiver, channel(receiver.url(f"/{secret}")) as opened:
            assert secret not in repr(await opened.send(a_notification()))


@pytest.mark.parametrize("document", [SlackDocument, TeamsDocument])
def test_a_document_does_not_show_its_url(document: Any) -> None:
    assert SECRET not in repr(document.model_validate_json(json.dumps({"url": f"https://x.example/{SECRET}"})))
    with pytest.raises(ValueError, match="url") as refused:
        document.model_validate_json(json.dumps({"url": "", "urls": SECRET}))
    assert SECRET not in str(refused.value)


async def test_power_automates_own_words_are_left_out() -> None:
    """Its messages name the workflow, which is half of the URL."""
    result = brokenness(await result_of(teams, power_automate(404, "WorkflowNotFound", "The workflow 'b2e1' is gone.")))
    assert (result.error, result.http_status) == ("HTTP 404: WorkflowNotFound", 404)
