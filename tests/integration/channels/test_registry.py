"""The registry: which channel takes a notification, and what becomes of one whose channel can't be had."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tocsin
from local.receiver import Exchange, Receiver, answers
from tests.support.channels import NOW, OLD_SECRET, SECRET, a_notification, not_used, reaching, refusal
from tests.support.ssm import PREFIX, FakeSsm, a_parameter_store
from tocsin.channels.aws import THREADS
from tocsin.channels.channel import ChannelSettings, Clients
from tocsin.channels.credentials import KEEP, KEEP_FAILURE, KEEP_MISSING, Credentials
from tocsin.channels.registry import RECHECK, Channels
from tocsin.delivery.attempt import Accepted, Broken, Delivered, FailureClass, NotConfigured, Throttled
from tocsin.delivery.channel_name import ChannelKind, ChannelName

LAYER = str(Path(tocsin.__file__).parents[1])
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def some_channels(ssm: FakeSsm, now: Clock, keep: timedelta = KEEP, **stack: Any) -> Channels:
    makers = ("sesv2", "sns", "events", "lambda_")
    clients = Clients(**{name: stack.pop(name, not_used) for name in makers})
    settings = ChannelSettings(reach=reaching(), **stack)
    return Channels(Credentials(ssm.client, PREFIX, now, keep), clients=clients, now=now, settings=settings)


@asynccontextmanager
async def stack_with(clock: Clock | None = None, **parameters: Any) -> AsyncIterator[tuple[Channels, FakeSsm]]:
    async with a_parameter_store(**parameters) as ssm, some_channels(ssm, clock or Clock()) as channels:
        yield channels, ssm


def webhook_config(url: str, secrets: Sequence[str] = (SECRET,)) -> dict[str, Any]:
    return {"secrets": list(secrets), "url": url}


async def test_a_notification_goes_out_by_its_channel() -> None:
    async with Receiver(answers(204)) as receiver, stack_with(Webhook=webhook_config(receiver.url())) as (channels, _):
        assert await channels.send(a_notification()) == Delivered(204)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("channel", [*map(ChannelName, ChannelKind), ChannelName("Slack:payments")])
async def test_a_channel_without_a_parameter_is_not_configured(channel: ChannelName) -> None:
    """Contract 2.6: such a row is promoted, never silently; a channel only says so."""
    async with stack_with() as (channels, _):
        assert await channels.send(a_notification(channel=channel)) == NotConfigured()


async def test_a_missing_parameter_is_asked_for_again_after_a_minute() -> None:
    """Configuring a channel needs no deploy; and missing it costs one read a minute, not one a row."""
    clock = Clock()
    async with Receiver(answers(204)) as receiver, stack_with(clock) as (channels, ssm):
        for _ in range(5):
            await channels.send(a_notification())
        ssm.parameters["Webhook"] = json.dumps(webhook_config(receiver.url()))
        clock.now += KEEP_MISSING - timedelta(seconds=1)
        assert await channels.send(a_notification()) == NotConfigured()
        assert ssm.reads == ["Webhook"]
        clock.now += RECHECK
        assert await channels.send(a_notification()) == Delivered(204)


async def test_a_thousand_notifications_read_the_configuration_once() -> None:
    async with (
        Receiver(answers(204)) as receiver,
        stack_with(Webhook=webhook_config(receiver.url())) as (channels, ssm),
    ):
        results = await asyncio.gather(*(channels.send(a_notification()) for _ in range(100)))
    assert results == [Delivered(204)] * 100
    assert ssm.reads == ["Webhook"]


async def test_a_rotated_secret_is_used_without_a_deploy() -> None:
    """Design 3: "cached for minutes: rotated without a deploy". Here they are kept for no time at all."""
    clock = Clock()
    async with (
        Receiver(answers(204)) as receiver,
        a_parameter_store(Webhook=webhook_config(receiver.url())) as ssm,
        some_channels(ssm, clock, keep=timedelta(0)) as channels,
    ):
        await channels.send(a_notification())
        ssm.parameters["Webhook"] = json.dumps(webhook_config(receiver.url(), [OLD_SECRET]))
        clock.now += RECHECK
        await channels.send(a_notification())
    first, second = (request.headers["webhook-signature"] for request in receiver.requests)
    assert first != second


async def test_a_refused_key_that_was_rotated_is_used_within_the_same_try() -> None:
    """A changed credential takes effect at once after a 401 or 403: nobody waits for what is kept to run out."""
    slack = a_notification(channel=ChannelName("Slack:payments"))

    async def behave(exchange: Exchange) -> None:
        is_old = exchange.request.path == "/old"
        await answers(403, b"invalid_token")(exchange) if is_old else await answers(200, b"ok")(exchange)

    async with (
        Receiver(behave) as receiver,
        stack_with() as (channels, ssm),
    ):
        ssm.parameters["Slack:payments"] = json.dumps({"url": receiver.url("/old")})
        assert isinstance(await channels.send(slack), Broken)
        assert ssm.reads == ["Slack:payments"] * 2, "it looked whether there is a new one"
        ssm.parameters["Slack:payments"] = json.dumps({"url": receiver.url("/new")})
        assert await channels.send(slack) == Delivered(200)
    assert [request.path for request in receiver.requests] == ["/old", "/old", "/new"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fallback", "Webhook"),  # to itself
        ("fallback", "Fax ops"),
        ("fallback", "Slack:a/b"),
        ("fallback_after_minutes", 0),
        ("per_minute", 0),
        ("per_minute", 1_000_000),
    ],
)
async def test_what_every_document_may_say_is_checked(field: str, value: Any) -> None:
    """A clear error that names the field, and nothing lost: the channel is held."""
    async with stack_with(Webhook=webhook_config("") | {field: value}) as (channels, _):
        result = await channels.send(a_notification())
    assert isinstance(result, Broken)
    assert result.error.startswith(f"the configuration of Webhook is not valid: {field}: ")


async def test_terms_are_the_document_s_and_else_the_provider_s() -> None:
    documents: dict[str, Any] = {
        "Slack": {"url": "https://a.example/"},
        "Slack:slow": {"url": "https://a.example/", "per_minute": 5},
    }
    async with stack_with(**documents) as (channels, _):
        limits = [
            (await channels.terms(a_notification(channel=ChannelName(name)))).per_minute
            for name in ("Slack", "Slack:slow", "Slack:none", "Webhook")
        ]
    assert limits == [60, 5, None, None]


async def test_credentials_outlive_an_invocation() -> None:
    """Design 3: "cached for minutes". An invocation has a session of its own, and asks SSM for nothing."""
    async with Receiver(answers(204)) as receiver, a_parameter_store(Webhook=webhook_config(receiver.url())) as ssm:
        channels = some_channels(ssm, Clock())
        for _ in range(3):
            async with channels:
                assert await channels.send(a_notification()) == Delivered(204)
    assert ssm.reads == ["Webhook"]


async def test_an_unreadable_parameter_stops_its_own_channel_only() -> None:
    """Invariant I8. The channel is broken until somebody mends it; the error names AWS's code but none of its text."""
    async with (
        Receiver(answers(204)) as receiver,
        stack_with(Webhook=webhook_config(receiver.url())) as (channels, ssm),
    ):
        ssm.failing["Email"] = "AccessDeniedException"
        mail = a_notification(channel=ChannelName.EMAIL, recipient="a@example.com")
        results = [await channels.send(mail) for _ in range(3)]
        assert await channels.send(a_notification()) == Delivered(204)
    assert set(results) == {Broken("the configuration of Email can't be read: AccessDeniedException")}
    assert ssm.reads.count("Email") == 1


async def test_a_failed_read_is_not_repeated_by_every_invocation() -> None:
    """An SSM that throttles must not be asked by every record of the stream; after seconds, it is."""
    clock = Clock()
    async with a_parameter_store() as ssm:
        ssm.failing["Webhook"] = "ThrottlingException"
        channels = some_channels(ssm, clock)
        for wait in (timedelta(0), timedelta(0), KEEP_FAILURE):
            clock.now += wait
            async with channels:
                result = await channels.send(a_notification())
                assert result == Throttled("the configuration of Webhook can't be read: ThrottlingException")
    assert ssm.reads == ["Webhook"] * 2


async def test_a_hung_service_holds_up_no_other() -> None:
    """Invariant I8: SES keeps its own threads busy, and those of nobody else."""
    let_go = threading.Event()

    class Hanging:
        def send_email(self, **_: Any) -> None:
            let_go.wait(30)

    class Sns:
        def publish(self, **_: Any) -> dict[str, str]:
            return {"MessageId": "m-1"}

    async with (
        a_parameter_store(Email={"sender": "tocsin@example.com"}) as ssm,
        some_channels(ssm, Clock(), sesv2=Hanging, sns=Sns, default_topic_arn=TOPIC, deadline=1.0) as channels,
    ):
        mail = a_notification(channel=ChannelName.EMAIL, recipient="ops@example.com")
        try:
            mails = asyncio.gather(*(channels.send(mail) for _ in range(THREADS)))
            assert await channels.send(a_notification(channel=ChannelName.SNS)) == Accepted(200, "m-1")
            assert {refusal(result).failure for result in await mails} == {FailureClass.UNKNOWN}
        finally:
            let_go.set()


async def test_a_hung_ssm_costs_no_attempt_and_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try must end in time even if its configuration never comes."""
    monkeypatch.setattr("tocsin.channels.registry.READ_SECONDS", 0.2)
    async with stack_with() as (channels, ssm):
        ssm.hanging = True
        async with asyncio.timeout(5):
            results = await asyncio.gather(*(channels.send(a_notification()) for _ in range(50)))
    assert set(results) == {Throttled("the configuration of Webhook can't be read: no answer within 0.2 s")}


@pytest.mark.parametrize(
    ("parameter", "field"),
    [
        ("not json s3cret", "the text"),
        ("", "the text"),
        ('"s3cret"', "the text"),
        ({"secrets": ["s3cret"]}, "secrets.0"),
        ({"secrets": ["whsec_s3cret"]}, "secrets.0"),
        ({"secrets": [7_777_777]}, "secrets.0"),
        ({"secrets": []}, "secrets"),
        ({"secrets": "s3cret"}, "secrets"),
        ({"url": "https://s3cret.example"}, "secrets"),
        ({"secrets": [SECRET], "ulr": "https://s3cret.example"}, "ulr"),
        ({"secrets": [SECRET], "whsec_S3CRETs3cret": 1}, "?"),  # a secret where a field's name should be
        ({"secrets": [SECRET], "url": ["s3cret"]}, "url"),
    ],
)
async def test_an_invalid_configuration_names_the_field_and_never_the_value(parameter: Any, field: str) -> None:
    """Design 3: a secret is "never in … an error". Whoever reads the error can mend the parameter: held till then."""
    async with stack_with(Webhook=parameter) as (channels, _):
        result = await channels.send(a_notification())
    assert isinstance(result, Broken)
    assert result.error.startswith(f"the configuration of Webhook is not valid: {field}: ")
    assert "s3cret" not in result.error.lower()
    assert SECRET not in result.error


async def test_what_is_configured_is_known_without_reading_a_secret() -> None:
    """`GET /channels`: names, and nothing decrypted; any number of them, though SSM lists ten at a time."""
    named = [f"Slack:team-{number:02}" for number in range(25)]
    async with a_parameter_store(**{name: {} for name in ("Webhook", "Nonsense", *named)}) as ssm:
        credentials = Credentials(ssm.client, PREFIX, lambda: NOW)
        assert await asyncio.to_thread(credentials.configured) == [*named, "Webhook"]
    assert ssm.reads == []


@pytest.mark.parametrize(
    ("channel", "recipient", "destination"),
    [
        (ChannelName.WEBHOOK, "https://Hooks.example.com/T0/s3cret?k=s3cret", "Webhook@hooks.example.com:443"),
        (ChannelName.WEBHOOK, "http://example.com:8080/", "Webhook@example.com:8080"),
        (ChannelName.WEBHOOK, "http://me:s3cret@example.com/", "Webhook@example.com:80"),
        (ChannelName.WEBHOOK, "http://[::1]/", "Webhook@::1:80"),
        (ChannelName.WEBHOOK, "", "Webhook"),
        (ChannelName.WEBHOOK, "http://[s3cret", "Webhook@invalid"),
        (ChannelName.WEBHOOK, "s3cret", "Webhook@invalid:443"),
        (ChannelName.EMAIL, "ops@example.com", "Email"),
        (ChannelName.SNS, TOPIC, f"SNS@{TOPIC}"),
        (ChannelName.SNS, "", "SNS"),
        (ChannelName.SLACK, "", "Slack"),
        (ChannelName("Webhook:payments"), "", "Webhook:payments"),
        (ChannelName("Webhook:payments"), "https://example.com/", "Webhook:payments@example.com:443"),
    ],
)
async def test_a_destination_is_whom_a_delivery_hangs_with(
    channel: ChannelName, recipient: str, destination: str
) -> None:
    """The name of its circuit; it appears in logs, so it holds no secret."""
    async with stack_with() as (channels, _):
        assert channels.destination(a_notification(channel=channel, recipient=recipient)) == destination


def test_the_api_imports_nothing_that_sends() -> None:
    """What it needs of the channels costs its cold start no HTTP client."""
    script = "import sys, tocsin.channels.credentials, tocsin.delivery.recipient; sys.exit('aiohttp' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"PYTHONPATH": LAYER})


def test_the_same_channels_serve_one_event_loop_after_another() -> None:
    """Each invocation of a function has a loop of its own; what is cached between them must not care."""
    opened: list[Channels] = []

    async def invocation() -> None:
        async with Receiver(answers(204)) as receiver, a_parameter_store(Webhook={"secrets": [SECRET]}) as ssm:
            channels = opened[0] if opened else some_channels(ssm, Clock())
            opened.append(channels)
            async with channels:
                rows = [a_notification(recipient=receiver.url())] * 10
                assert await asyncio.gather(*map(channels.send, rows)) == [Delivered(204)] * 10

    asyncio.run(invocation())
    asyncio.run(invocation())
    assert len(opened) == 2
