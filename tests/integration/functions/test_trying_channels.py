"""Trying a channel over HTTP: the API asks dispatch by Lambda's own protocol, and dispatch reads and sends for real."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from local.receiver import Behaviour, Receiver, answers, silent
from tests.support import widget_rules
from tests.support.channels import SECRET
from tests.support.database import Database
from tests.support.emf import blobs_in
from tests.support.functions import Answer, Context, call, forget_wiring, handler
from tests.support.ssm import PREFIX, FakeSsm, a_parameter_store
from tests.support.trying import FakeLambda
from tocsin.bootstrap import delivery, resources, trial

CHANNELS = "/api/v1/channels"
FIELDS = {"result", "http_status", "error", "retry_after", "duration_ms"}


@dataclass
class World:
    """The stack's parameters, its dispatch, and the one receiver of webhooks."""

    ssm: FakeSsm
    lambda_: FakeLambda
    receiver: Receiver
    database: Database

    async def post(self, path: str, body: object = None) -> Answer:
        return await asyncio.to_thread(call, "POST", f"{CHANNELS}/{path}", body)

    def configure(self, **channels: Mapping[str, Any]) -> None:
        self.ssm.parameters |= {name: json.dumps(document) for name, document in channels.items()}

    async def events(self) -> list[dict[str, Any]]:
        answer = await asyncio.to_thread(call, "GET", "/api/v1/audit-events?action=channel_tested")
        found: list[dict[str, Any]] = answer.json["items"]
        return found


@pytest.fixture
async def world(stack: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    lambda_ = FakeLambda()
    async with a_parameter_store() as ssm, Receiver(lambda_) as aws, Receiver(answers(204)) as receiver:
        for name, value in {
            "AWS_ENDPOINT_URL_SSM": ssm.client.meta.endpoint_url,
            "AWS_ENDPOINT_URL_LAMBDA": aws.url(""),
            "CHANNEL_PREFIX": PREFIX,
            "ENVIRONMENT": "local",
            "ALLOWED_PRIVATE_RANGES": "127.0.0.0/8",
            "ALLOW_PLAIN_HTTP": "yes",
        }.items():
            monkeypatch.setenv(name, value)
        forget_wiring()
        world = World(ssm, lambda_, receiver, stack)
        world.configure(Webhook={"secrets": [SECRET], "url": receiver.url()})
        yield world


# ── A test ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_message_is_really_sent(world: World) -> None:
    answer = await world.post("Webhook/test")
    assert answer.status == 200, answer.body
    assert answer.json.keys() == FIELDS
    assert answer.json | {"duration_ms": 0} == {
        "result": "delivered",
        "http_status": 204,
        "error": None,
        "retry_after": None,
        "duration_ms": 0,
    }
    (request,) = world.receiver.requests
    event = json.loads(request.body)
    assert event["type"] == "notification.Custom.test"
    assert event["data"]["id"] == request.headers["webhook-id"]
    assert [name for name, _ in world.lambda_.asked] == [f"{resources.settings().stack}-dispatch:live"]


async def test_it_is_no_notification_and_the_trail_names_who_asked(world: World) -> None:
    """Contract 3.7 [T]: who did it."""
    await world.post("Webhook/test", {"severity": "critical"})
    assert (await asyncio.to_thread(call, "GET", "/api/v1/notifications")).json["items"] == []
    (line,) = await world.events()
    (request,) = world.receiver.requests
    assert line["resource"] == "channel/Webhook"
    assert line["actor"].startswith("arn:aws:")
    assert line["detail"] == {"message_id": request.headers["webhook-id"]}
    assert json.loads(request.body)["data"]["severity"] == "critical"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (answers(503, b"down", retry_after="7"), ("retryable", 503, "HTTP 503: down", 7.0)),
        (answers(400, b"no"), ("permanent", 400, "HTTP 400: no", None)),
    ],
)
async def test_what_the_provider_said_is_handed_back(world: World, behaviour: Behaviour, said: object) -> None:
    async with Receiver(behaviour) as other:
        found = (await world.post("Webhook/test", {"recipient": other.url()})).json
    assert (found["result"], found["http_status"], found["error"], found["retry_after"]) == said


async def test_a_broken_channel_says_so(world: World) -> None:
    world.configure(Webhook={"secrets": []})
    found = (await world.post("Webhook/test")).json
    assert found["result"] == "broken"
    assert found["error"].startswith("the configuration of Webhook is not valid: secrets:")


@pytest.mark.parametrize("name", ["Webhook%3Apayments", "Webhook:payments", "Webhook%3apayments", "Webhook.payments"])
async def test_a_name_may_be_encoded(world: World, name: str) -> None:
    world.configure(**{"Webhook:payments": {"secrets": [SECRET], "url": world.receiver.url()}})
    assert (await world.post(f"{name}/test")).json["result"] == "delivered"
    (line,) = await world.events()
    assert line["resource"] == "channel/Webhook:payments"


@pytest.mark.parametrize("name", ["Webhook:other", "Slack"])
async def test_a_channel_that_is_not_configured_is_404(world: World, name: str) -> None:
    answer = await world.post(f"{name}/test")
    assert answer.status == 404
    assert f"the channel {name} is not configured" in answer.json["detail"]


@pytest.mark.parametrize("route", ["test", "preview"])
@pytest.mark.parametrize(
    "name", ["Fax", "webhook", "Webhook:", "Webhook:a b", "Webhook:a:b", "Webhook%253Aa", "Webhook%00"]
)
async def test_a_bad_name_is_422(world: World, name: str, route: str) -> None:
    answer = await world.post(f"{name.replace(' ', '%20')}/{route}")
    assert (answer.status, answer.fields) == (422, {"name"})
    assert world.lambda_.asked == []


@pytest.mark.parametrize(
    ("channel", "body", "fields"),
    [
        ("Email", None, {"recipient"}),
        ("Email", {"recipient": "ops"}, {"recipient"}),
        ("Webhook", {"recipient": "ftp://hooks.example.com"}, {"recipient"}),
        ("Webhook", {"recipient": "http://169.254.169.254/"}, {"recipient"}),
        ("Webhook", {"severity": "urgent"}, {"severity"}),
        ("Webhook", {"message": "mine"}, {"message"}),
        ("Webhook", {"recipient": "x" * 2049}, {"recipient"}),
    ],
)
async def test_a_recipient_is_checked_as_at_creation(
    world: World, channel: str, body: object, fields: set[str]
) -> None:
    answer = await world.post(f"{channel}/test", body)
    assert (answer.status, answer.fields) == (422, fields)
    assert (world.lambda_.asked, await world.events()) == ([], [])


async def test_a_paused_stack_sends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 2.13 [T]."""
    monkeypatch.setenv("PAUSED", "yes")
    forget_wiring()
    assert (await world.post("Webhook/test")).status == 409
    assert (world.lambda_.asked, world.receiver.requests) == ([], [])


def raises(code: str, status: int) -> Behaviour:
    return answers(status, json.dumps({"Type": "User", "Message": "s3cret"}).encode(), x_amzn_errortype=code)


@pytest.mark.parametrize(
    "behaviour",
    [
        raises("TooManyRequestsException", 429),
        raises("ResourceNotFoundException", 404),
        raises("ServiceException", 500),
        answers(200, b'{"errorMessage": "s3cret"}', x_amz_function_error="Unhandled"),
    ],
)
async def test_a_dispatch_that_can_not_be_asked_is_503(world: World, behaviour: Behaviour) -> None:
    world.lambda_.instead = behaviour
    answer = await world.post("Webhook/test")
    assert answer.status == 503
    assert "s3cret" not in answer.body
    assert len(world.lambda_.asked) == 1  # a second try could be a second message


async def test_a_dispatch_that_takes_too_long_is_504(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "WAIT_SECONDS", 0.3)
    world.lambda_.instead = silent()
    answer = await world.post("Webhook/test")
    assert answer.status == 504
    assert "nobody knows" in answer.json["detail"]
    assert len(world.lambda_.asked) == 1


# ── A preview ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_preview_shows_the_words_and_sends_nothing(world: World) -> None:
    answer = await world.post("Webhook%3Apayments/preview", {"type": "Revocation", "message": "It is revoked."})
    assert answer.status == 200, answer.body
    assert answer.json == {
        "subject": "[Tocsin] Revocation",
        "body": "It is revoked.",
        "html": None,
        "template": None,
        "problem": None,
    }
    assert world.receiver.requests == []


async def test_a_preview_needs_no_body(world: World) -> None:
    assert (await world.post("Slack/preview")).json["subject"] == "[Tocsin] Custom:preview"


async def test_a_preview_names_the_stored_template(world: World) -> None:
    world.ssm.templates["Email/default"] = json.dumps({"html": "<p>{{ message }}</p>"})
    found = (await world.post("Email/preview", {"message": "<b>"})).json
    assert (found["html"], found["body"]) == ("<p>&lt;b&gt;</p>", "<b>")
    assert found["template"] == f"/{resources.settings().stack}/templates/Email/default"


async def test_a_preview_shows_why_a_stored_template_is_not_used(world: World) -> None:
    world.ssm.templates["SNS/default"] = json.dumps({"body": "{% for %}s3cret"})
    found = (await world.post("SNS/preview", {"message": "Plain."})).json
    assert (found["body"], found["problem"]) == ("Plain.", "SNS/default: body line 1: can't be read as a template")


async def test_a_draft_is_shown_instead_of_what_is_stored(world: World) -> None:
    world.ssm.templates["Email/default"] = json.dumps({"subject": "stored", "body": "stored"})
    draft = {"subject": "{{ severity|upper }} {{ certificate_id }}"}
    said = {"severity": "critical", "certificate_id": "c-1", "message": "Now.", "template": draft}
    found = (await world.post("Email/preview", said)).json
    assert (found["subject"], found["body"], found["template"]) == ("CRITICAL c-1", "Now.", None)
    assert world.ssm.reads == []


@pytest.mark.parametrize(
    ("draft", "fields"),
    [
        ({"body": "{% for a in b %}{% endfor %}"}, {"template.body"}),
        (
            {"subject": "{{ nope }}", "body": "{{", "html": "{{ message() }}"},
            {f"template.{f}" for f in ("subject", "body", "html")},
        ),
        ({"body": "{{ message < 1 }}"}, {"template.body"}),
        ({"body": "x" * 16_000, "html": "x" * 16_000}, {"template"}),
        ({"text": "x"}, {"template.text"}),
        ({"body": 5}, {"template.body"}),
        ({"body": "\ud800"}, {"template.body"}),
    ],
)
async def test_a_draft_that_is_refused_names_its_field(world: World, draft: object, fields: set[str]) -> None:
    answer = await world.post("Email/preview", {"template": draft})
    assert (answer.status, answer.fields) == (422, fields), answer.body


async def test_html_is_for_mail(world: World) -> None:
    answer = await world.post("Slack/preview", {"template": {"html": "<p>"}})
    assert (answer.status, answer.fields) == (422, {"template.html"})


# ── And when it is really sent ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_template_that_fails_is_counted_and_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with delivery.open_words() as words:
        world.ssm.templates["Webhook/default"] = "s3cret"
        row = trial._read(
            {"id": "1", "type": "Custom:x", "channel": "Webhook"}
            | dict.fromkeys(("recipient", "subject", "message"), "")
            | {"severity": "critical", "certificate_id": None}
        )
        for _ in range(2):
            assert (await words(row, str)).problem == "Webhook/default: the template is no JSON"
    resources.recorder().metrics.flush()
    out = capsys.readouterr().out
    assert [sum(blob.values["TemplateFailed"]) for blob in blobs_in(out) if "TemplateFailed" in blob.values] == [2]
    assert out.count("template not used") == 1
    assert "s3cret" not in out


async def pressed(world: World, channel: str, **form: str) -> widget_rules.Read:
    """Press Test beside a channel of the dashboard's widget."""
    context = {"forms": {"all": form}}
    settings = resources.settings()

    async def shown(function: str, event: dict[str, Any]) -> widget_rules.Read:
        html = await asyncio.to_thread(handler(function), event | {"widgetContext": context}, Context())
        return widget_rules.read(html, settings.widget_look, settings.widget_act)

    page = await shown("widget", {"place": {"tab": "channels"}})
    assert not page.problems
    button = next(one for one in page.actions if one.params.get("channel") == channel)
    assert button.confirmation == f"Send 1 test message by {channel}?"
    after = await shown("widget_act", button.params)
    assert not after.problems
    return after


async def test_the_widget_tests_a_channel_and_says_what_came_of_it(world: World) -> None:
    """The same message, the same line of the trail, by the widget's request instead of a caller's name."""
    after = await pressed(world, "Webhook", reason="was it mended?")
    assert "Test of Webhook: delivered, HTTP 204, after" in after.text
    assert after.text.index("Test of Webhook") < after.text.index("Last delivered")
    assert len(world.receiver.requests) == 1
    (line,) = await world.events()
    assert line["actor"] == "widget:request-1"
    assert line["detail"]["reason"] == "was it mended?"


async def test_the_widget_asks_whom_a_mail_goes_to(world: World) -> None:
    world.configure(Email={"sender": "tocsin@example.com"})
    assert "Nothing was done: recipient must be one e-mail address" in (await pressed(world, "Email")).text
    await pressed(world, "Email", **{"recipient Email": "ops@example.com"})
    (_, asked) = world.lambda_.asked[-1]
    assert asked["test"]["recipient"] == "ops@example.com"
