"""Templates as they are stored: read at once and seldom, and never a reason for anything but other words."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tests.support.channels import NOW, a_notification, some_tools
from tests.support.ssm import TEMPLATES, FakeSsm, a_client, a_parameter_store
from tocsin.channels.email import EmailChannel, EmailDocument
from tocsin.channels.sns import SnsChannel, SnsDocument
from tocsin.channels.templates import KEEP, KEEP_FAILURE, MOST, SAY_AGAIN, Templates, TemplateWords
from tocsin.channels.wording import Links, Wording, as_it_is
from tocsin.delivery.attempt import Accepted
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification
from tocsin.network.blocking import Blocking

SLACK = ChannelName("Slack:payments")
DEFAULT = Wording("api.example.com expires in 7 days", "[threshold:7] renew it")


@dataclass
class World:
    """Words from a store of parameters, by a clock that the test moves."""

    ssm: FakeSsm
    templates: Templates
    words: TemplateWords
    clock: list[datetime]
    heard: list[tuple[str, str, bool]] = field(default_factory=list)

    async def __call__(self, **fields: Any) -> Wording:
        return await self.words(a_notification(**fields), as_it_is)

    def later(self, by: timedelta) -> None:
        self.clock[0] += by


@asynccontextmanager
async def a_world(templates: dict[str, Any] | None = None) -> AsyncIterator[World]:
    clock = [NOW]
    heard: list[tuple[str, str, bool]] = []

    def failed(row: Notification, problem: str, is_new: bool) -> None:
        heard.append((row.channel, problem, is_new))

    async with a_parameter_store() as ssm:
        ssm.templates = {
            place: text if isinstance(text, str) else json.dumps(text) for place, text in (templates or {}).items()
        }
        kept = Templates(ssm.client, TEMPLATES, lambda: clock[0])
        with closing(Blocking(1, "templates")) as reading:
            yield World(ssm, kept, TemplateWords(kept, reading, Links(), failed), clock, heard)


ALL = {
    "Slack/payments/Custom.disk": {"body": "own type"},
    "Slack/payments/default": {"body": "own default"},
    "Slack/Revocation": {"body": "kind's type"},
    "Slack/default": {"body": "kind's default"},
}


@pytest.mark.parametrize(
    ("channel", "type_", "said"),
    [
        ("Slack:payments", "Custom:disk", "own type"),
        ("Slack:payments", "Revocation", "own default"),
        ("Slack:other", "Revocation", "kind's type"),
        ("Slack", "Revocation", "kind's type"),
        ("Slack", "Custom:disk", "kind's default"),
        ("Slack:other", "Custom:disk", "kind's default"),
        ("Teams", "Custom:disk", DEFAULT.body),
    ],
)
async def test_the_closest_one_applies(channel: str, type_: str, said: str) -> None:
    async with a_world(ALL) as world:
        assert (await world(channel=ChannelName(channel), type=type_)).body == said
        assert world.heard == []


async def test_one_that_applies_and_fails_is_not_replaced_by_another() -> None:
    """The default's words, and why: an operator shall see that it fails, not guess which one is used."""
    async with a_world({"Slack/Revocation": {"body": "{{ s3cret }}"}, "Slack/default": {"body": "x"}}) as world:
        said = await world(channel=ChannelName.SLACK, type="Revocation")
        assert (said.subject, said.body) == (DEFAULT.subject, DEFAULT.body)
        assert said.problem is not None
        assert said.problem.startswith("Slack/Revocation: body line 1: there is no such variable")
        assert "s3cret" not in said.problem


async def test_all_are_read_at_once_and_for_five_minutes() -> None:
    async with a_world({f"Slack/Custom.{number}": {"body": str(number)} for number in range(25)}) as world:
        said = await asyncio.gather(
            *(world(channel=ChannelName.SLACK, type=f"Custom:{number}") for number in range(25) for _ in range(4))
        )
        assert {one.body for one in said} == {str(number) for number in range(25)}
        assert world.ssm.reads == ["templates"] * 3  # pages of ten
        world.ssm.templates["Slack/Custom.1"] = json.dumps({"body": "other"})
        world.later(KEEP - timedelta(seconds=1))
        assert (await world(channel=ChannelName.SLACK, type="Custom:1")).body == "1"
        world.later(timedelta(seconds=1))
        assert (await world(channel=ChannelName.SLACK, type="Custom:1")).body == "other"


async def test_a_stack_without_templates_pays_one_read() -> None:
    async with a_world() as world:
        for type_ in ("Revocation", "RenewalSuccess", "Custom:disk"):
            assert await world(channel=SLACK, type=type_) == DEFAULT
        assert world.ssm.reads == ["templates"]
        world.later(KEEP)
        await world()
        assert world.ssm.reads == ["templates"] * 2


async def test_more_than_anybody_has_are_not_read() -> None:
    async with a_world({f"Slack/Custom.{number:03}": {"body": "x"} for number in range(MOST + 30)}) as world:
        await world()
        assert len(world.ssm.reads) == MOST / 10


async def test_what_can_not_be_read_costs_the_words_only() -> None:
    """A failed read stands for ten seconds, so that a thousand notifications don't wait for it in turn."""
    async with a_world({"Slack/default": {"body": "x"}}) as world:
        world.ssm.failing["templates"] = "AccessDeniedException"
        for _ in range(3):
            said = await world(channel=SLACK)
            assert said.problem == "the templates can't be read: AccessDeniedException"
            assert said.body == DEFAULT.body
        assert world.ssm.reads == ["templates"]
        del world.ssm.failing["templates"]
        world.later(KEEP_FAILURE)
        assert (await world(channel=SLACK)).body == "x"


async def test_those_of_before_stand_in_for_what_can_not_be_read() -> None:
    async with a_world({"Slack/default": {"body": "x"}}) as world:
        await world(channel=SLACK)
        world.ssm.failing["templates"] = "ThrottlingException"
        world.later(KEEP)
        assert await world(channel=SLACK) == Wording(DEFAULT.subject, "x")


async def test_a_store_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.channels.templates.READ_SECONDS", 0.1)
    async with a_world() as world:
        world.ssm.hanging = True
        said = await asyncio.gather(*(world() for _ in range(20)))
        assert {one.problem for one in said} == {"the templates can't be read: no answer within 0.1 s"}
        assert {one.body for one in said} == {DEFAULT.body}


async def test_what_is_no_answer_of_ssm_at_all() -> None:
    async with a_world() as world:
        client = a_client("ssm", "http://127.0.0.1:1")
        templates = Templates(client, TEMPLATES, lambda: NOW)
        templates.read()
        world.words._templates = templates
        assert (await world()).problem == "the templates can't be read: EndpointConnectionError"


async def test_each_failure_is_counted_and_each_minute_one_is_logged() -> None:
    async with a_world({"Slack/default": "s3cret", "Teams/default": {"body": "{% s3cret %}"}}) as world:
        for _ in range(3):
            await world(channel=ChannelName.SLACK)
        await world(channel=ChannelName.TEAMS)
        world.later(SAY_AGAIN)
        await world(channel=ChannelName.SLACK)
    slack, teams = "Slack/default: the template is no JSON", "Teams/default: body line 1: can't be read as a template"
    assert world.heard == [
        ("Slack", slack, True),
        ("Slack", slack, False),
        ("Slack", slack, False),
        ("Teams", teams, True),
        ("Slack", slack, True),
    ]


def test_jinja_is_loaded_only_where_there_is_a_template() -> None:
    """It would cost each cold start tens of milliseconds."""
    text = "import sys, tocsin.channels.templates, tocsin.channels.registry; print('jinja2' in sys.modules)"
    layer = str(Path(tocsin.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=os.environ | {"PYTHONPATH": layer},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


# ── What the channels make of it ─────────────────────────────────────────────────────────────────────────────────────


class Recording:
    """A client of SES and SNS that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def send_email(self, **asked: Any) -> dict[str, str]:
        self.asked = asked
        return {"MessageId": "m-1"}

    publish = send_email


async def test_a_mail_has_html_where_a_template_does() -> None:
    template = {"subject": "{{ severity }}", "body": "{{ message }}!", "html": "<p>{{ message }}</p>"}
    client = Recording()
    async with (
        a_world({"Email/default": template}) as world,
        some_tools(sesv2=lambda: client, words=world.words) as tools,
    ):
        mail = a_notification(channel=ChannelName.EMAIL, recipient="ops@example.com", message="<b>")
        channel = EmailChannel(EmailDocument(sender="tocsin@example.com"), tools)
        assert await channel.send(mail) == Accepted(200, "m-1")
    simple = client.asked["Content"]["Simple"]
    assert simple["Subject"]["Data"] == "warning"
    assert simple["Body"]["Text"]["Data"].startswith("<b>!\n")
    assert simple["Body"]["Html"]["Data"] == "<p>&lt;b&gt;</p>"


async def test_a_topic_gets_a_templates_words() -> None:
    client = Recording()
    async with (
        a_world({"SNS/default": {"subject": "é {{ id }}", "body": "{{ message }}!"}}) as world,
        some_tools(sns=lambda: client, words=world.words) as tools,
    ):
        topic = "arn:aws:sns:eu-west-1:123456789012:alerts"
        row = a_notification(channel=ChannelName.SNS)
        assert await SnsChannel(SnsDocument(topic_arn=topic), tools).send(row) == Accepted(200, "m-1")
    assert client.asked["Subject"] == f"? {row.id}"
    assert client.asked["Message"] == "[threshold:7] renew it!"


async def test_a_template_that_fails_costs_no_attempt() -> None:
    client = Recording()
    async with (
        a_world({"SNS/default": {"body": "{% for %}"}}) as world,
        some_tools(sns=lambda: client, words=world.words) as tools,
    ):
        document = SnsDocument(topic_arn="arn:aws:sns:eu-west-1:123456789012:alerts")
        result = await SnsChannel(document, tools).send(a_notification(channel=ChannelName.SNS))
    assert result == Accepted(200, "m-1")
    assert client.asked["Message"] == DEFAULT.body
