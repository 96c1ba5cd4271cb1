"""Planted secrets appear nowhere: no log, error, answer, metric, row or dead letter, whatever receivers say of them.

URLs are secrets. Each channel's document holds some; its receiver answers each way there is, and repeats all that
it was sent: path, headers, body. Then all that the stack wrote and answered is searched.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.receiver import Behaviour, Exchange, Receiver, answers
from tests.integration.functions.test_deliveries import stream_of
from tests.support.channels import SECRET
from tests.support.database import Database
from tests.support.functions import Context, call, forget_wiring, handler
from tests.support.planted import PLANTED, found_in
from tests.support.rows import a_row
from tests.support.ssm import PREFIX, FakeSsm, a_parameter_store
from tocsin.bootstrap import delivery, resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Severity

KEY = PLANTED["key"]


def documents(url: Callable[[str], str]) -> dict[str, dict[str, Any]]:
    """The documents of all channels that take a URL or a key over HTTP."""
    secret = url(f"/hooks/{PLANTED['path']}?sig={PLANTED['query']}")
    return {
        "Slack:planted": {"url": secret},
        "Teams:planted": {"url": secret},
        "Webhook:planted": {"url": secret, "secrets": [PLANTED["whsec"]]},
        "PagerDuty:planted": {"url": secret, "routing_keys": [KEY]},
        "OpsGenie:planted": {"url": secret, "api_key": KEY},
        "JSM:planted": {"url": secret, "api_key": KEY},
    }


def repeats(status: int) -> Behaviour:
    """Answer with a status, and with all that was asked."""

    async def behave(exchange: Exchange) -> None:
        asked = exchange.request
        said = f"{asked.path} {dict(asked.headers)} {asked.body.decode(errors='replace')}"
        await answers(status, said.encode()[:4000])(exchange)

    return behave


@dataclass
class World:
    database: Database
    ssm: FakeSsm
    behaviour: Behaviour
    answered: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None) -> None:
        self.answered.append((await asyncio.to_thread(call, method, path, body)).body)

    async def invoke(self, function: str, event: object) -> None:
        self.answered.append(json.dumps(await asyncio.to_thread(handler(function), event, Context()), default=str))


@pytest.fixture
async def world(stack: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    holder: list[World] = []

    async def behave(exchange: Exchange) -> None:
        await holder[0].behaviour(exchange)

    async with Receiver(behave) as receiver, a_parameter_store() as ssm:
        for name, document in documents(receiver.url).items():
            ssm.parameters[name] = json.dumps(document)
        ssm.parameters["Slack:broken"] = json.dumps({"url": [PLANTED["path"]], PLANTED["query"]: KEY})
        ssm.parameters["Teams:broken"] = f'{{"url": "{PLANTED["path"]}'
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", ssm.client.meta.endpoint_url)
        monkeypatch.setenv("CHANNEL_PREFIX", PREFIX)
        monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
        monkeypatch.setattr(delivery, "_invoke", lambda _event: None)
        forget_wiring()
        holder.append(World(stack, ssm, repeats(500)))
        yield holder[0]


@pytest.mark.parametrize("status", [200, 202, 204, 302, 400, 401, 403, 404, 410, 413, 422, 429, 500, 503])
async def test_whatever_a_receiver_repeats_no_secret_gets_out(
    world: World, status: int, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A rotated key too: it is read anew after a 401, and neither the old nor the new one is told."""
    world.behaviour = repeats(status)
    now = resources.now()
    names = [*world.ssm.parameters]
    rows = [
        world.database.table.insert(
            a_row(channel=ChannelName(name), recipient="", created_at=now, certificate_id=None, severity=severity)
        )
        for name in names
        for severity in (Severity.CRITICAL, Severity.WARNING)
    ]
    await world.invoke("dispatch", stream_of(world.database, *(row.id for row in rows)))
    await world.invoke("retry_sweep", {})
    for name in names:
        await world.invoke("retry_sweep", {"circuit": name})
        await world.invoke("dispatch", {"test": _asked(name)})
    await world.ask("GET", "/api/v1/channels")
    await world.ask("GET", "/api/v1/notifications")
    for row in rows:
        await world.ask("GET", f"/api/v1/notifications/{row.id}")
    written = capsys.readouterr()
    everywhere = [written.out, written.err, caplog.text, *world.answered, json.dumps(world.database.items())]
    assert [leak for text in everywhere for leak in found_in(text)] == []
    assert any("Slack:planted" in text for text in everywhere), "it looks where something would be"


def _asked(name: str) -> dict[str, Any]:
    return {
        "id": "01J00000000000000000000000",
        "type": "Custom:test",
        "channel": name,
        "recipient": "",
        "subject": "Test",
        "message": "Test",
        "severity": "informational",
        "certificate_id": None,
    }


def test_the_search_finds_what_is_planted() -> None:
    """It can fail: plainly, escaped in a URL, in base64, and where JSON escapes it."""
    assert found_in(f"https://hooks.example.com/{PLANTED['path']}")
    assert found_in(json.dumps({"key": KEY}))
    assert not found_in("hooks.example.com refused it")
    assert SECRET not in PLANTED.values()
