"""GET /channels: which there are, how each does, and what waits; no secret. Testing one mends its circuit."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from local.receiver import Behaviour, Receiver, answers
from tests.integration.functions.test_deliveries import stream_of
from tests.support.channels import SECRET
from tests.support.database import Database
from tests.support.functions import Context, call, forget_wiring, handler
from tests.support.rows import POLICY, a_row
from tests.support.ssm import PREFIX, FakeSsm, a_parameter_store
from tocsin.bootstrap import delivery, resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import HELD_LOOK, LINGER
from tocsin.delivery.notification import Notification, Severity, Status

PATH = "/api/v1/channels"


@dataclass
class World:
    """A Slack channel with a name, its receiver, and the functions."""

    database: Database
    ssm: FakeSsm
    receiver: Receiver
    started: list[dict[str, Any]]
    """What functions started of themselves."""
    behaviour: Behaviour

    async def invoke(self, function: str, event: object) -> Any:
        return await asyncio.to_thread(handler(function), event, Context())

    async def get(self, path: str) -> Any:
        return (await asyncio.to_thread(call, "GET", path)).json

    async def channel(self, name: str = "Slack:payments") -> Any:
        return next(one for one in (await self.get(PATH))["items"] if one["name"] == name)

    def a_row(self, **fields: Any) -> Notification:
        now = resources.now()
        boring = {"channel": ChannelName("Slack:payments"), "recipient": "", "created_at": now, "certificate_id": None}
        return self.database.table.insert(a_row(**(boring | fields)))

    async def dispatch(self, *rows: Notification) -> None:
        await self.invoke("dispatch", stream_of(self.database, *(row.id for row in rows)))

    async def tick(self) -> None:
        """Sweep, and run what the sweep starts."""
        self.started.clear()
        await self.invoke("retry_sweep", {})
        for event in list(self.started):
            await self.invoke("retry_sweep", event)


@pytest.fixture
async def world(stack: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    holder: list[World] = []

    async def behave(exchange: Any) -> None:
        await holder[0].behaviour(exchange)

    async with Receiver(behave) as receiver, a_parameter_store() as ssm:
        ssm.parameters["Slack:payments"] = json.dumps({"url": receiver.url("/services/T0/B0/s3cret-of-slack")})
        ssm.parameters["Webhook"] = json.dumps({"secrets": [SECRET]})
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", ssm.client.meta.endpoint_url)
        monkeypatch.setenv("CHANNEL_PREFIX", PREFIX)
        monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
        started: list[dict[str, Any]] = []
        monkeypatch.setattr(delivery, "_invoke", lambda event: started.append(dict(event)))
        forget_wiring()
        holder.append(World(stack, ssm, receiver, started, answers(200, b"ok")))
        yield holder[0]


REVOKED = answers(404, b"no_service")


async def test_all_channels_are_listed_with_their_health(world: World) -> None:
    """More than ten with a name work, and one that never sent anything is well."""
    for number in range(30):
        world.ssm.parameters[f"Slack:team-{number:02}"] = "{}"
    found = {one["name"]: one for one in (await world.get(PATH))["items"]}
    assert {"Email", "Webhook", "Slack", "JSM", "Apprise", "Slack:payments", "Slack:team-29"} <= found.keys()
    assert (found["Slack"]["configured"], found["Slack:team-29"]["configured"]) == (False, True)
    assert {one["state"] for one in found.values()} == {"closed"}
    assert found["Webhook"]["circuits"] == []


async def test_a_delivery_is_seen(world: World) -> None:
    await world.dispatch(world.a_row())
    seen = await world.channel()
    assert (seen["state"], seen["last_failed_at"]) == ("closed", None)
    assert seen["last_delivered_at"] is not None


async def test_a_revoked_url_holds_its_channel_and_what_waits_is_counted(world: World) -> None:
    """Shown as deferred with the reason and the time; no attempt is spent, and nobody is told a secret."""
    world.behaviour = REVOKED
    rows = [world.a_row() for _ in range(5)]
    await world.dispatch(*rows)
    seen = await world.channel()
    assert (seen["state"], len(seen["circuits"])) == ("held", 1)
    circuit = seen["circuits"][0]
    assert (circuit["name"], circuit["state"], circuit["waiting"]) == ("Slack:payments", "held", 5)
    assert "no_service" in circuit["reason"]
    assert circuit["since"] < circuit["next_look_at"]
    shown = await world.get(f"/api/v1/notifications/{rows[0].id}")
    assert (shown["status"], shown["retry_count"], shown["attempts"]) == ("pending", 0, [])
    assert shown["deferred"]["by"] == "Slack:payments"
    assert shown["deferred"]["until"] is not None
    assert "no_service" in shown["deferred"]["reason"]
    listed = await world.get("/api/v1/notifications?deferred=true")
    assert {one["id"] for one in listed["items"]} == {row.id for row in rows}
    assert "s3cret" not in json.dumps([seen, shown, listed])


async def test_what_is_mended_goes_out_at_the_next_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "When it is mended everything goes out": a new URL is seen without a deploy, and without a test."""
    world.behaviour = REVOKED
    rows = [world.a_row() for _ in range(5)]
    await world.dispatch(*rows)
    await world.tick()
    assert world.started == [], "not yet"
    began = resources.now()
    monkeypatch.setattr(resources, "now", lambda: began + HELD_LOOK + timedelta(seconds=1))
    await world.tick()
    assert world.started == [{"circuit": "Slack:payments"}]
    assert {world.database.table.get(row.id).status for row in rows} == {Status.PENDING}
    world.behaviour = answers(200, b"ok")
    monkeypatch.setattr(resources, "now", lambda: began + 3 * HELD_LOOK)
    await world.tick()
    assert {world.database.table.get(row.id).status for row in rows} == {Status.SENT}
    assert (await world.channel())["state"] == "closed"
    monkeypatch.setattr(resources, "now", lambda: began + 4 * HELD_LOOK + LINGER)
    await world.tick()
    assert (await world.channel())["circuits"] == [], "nobody looks at it any more"


async def test_a_test_that_arrives_closes_the_circuit(world: World) -> None:
    """Whoever mends a channel tests it; what waits need not wait for the next look."""
    world.behaviour = REVOKED
    row = world.a_row()
    await world.dispatch(row)
    asked = {
        "id": "01J00000000000000000000000",
        "type": "Custom:test",
        "channel": "Slack:payments",
        "recipient": "",
        "subject": "Test",
        "message": "Test",
        "severity": Severity.INFORMATIONAL,
        "certificate_id": None,
    }
    assert (await world.invoke("dispatch", {"test": asked}))["result"] == "broken"
    world.behaviour = answers(200, b"ok")
    assert (await world.invoke("dispatch", {"test": asked}))["result"] == "delivered"
    assert (await world.channel())["state"] == "closed"
    await world.tick()
    assert world.database.table.get(row.id).status is Status.SENT


async def test_a_renewal_ends_what_waits(world: World) -> None:
    """A row that waits is owed like any other: it can be superseded, and is in no index then."""
    world.behaviour = REVOKED
    row = world.a_row()
    await world.dispatch(row)
    waiting = world.database.table.get(row.id)
    from tocsin.delivery.store import Change

    world.database.table.replace(Change(waiting, waiting.superseded("renewed", resources.now())))
    assert (await world.channel())["circuits"][0]["waiting"] == 0
    assert row.id not in world.database.indexed("due")
    assert POLICY.throttle_budget == timedelta(hours=24)
