"""JSM says what became of a request when it is asked: the sweep starts an inquiry, and the row says what is known."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from local.receiver import Behaviour, Receiver, Request, answers, silent
from tests.integration.functions.test_deliveries import stream_of
from tests.support.database import Database
from tests.support.functions import Context, call, forget_wiring, handler
from tests.support.incidents import API_KEY, Alerts
from tests.support.rows import a_row
from tests.support.ssm import PREFIX, a_parameter_store
from tocsin.bootstrap import delivery, resources
from tocsin.delivery.channel_name import ChannelName, Target
from tocsin.delivery.notification import Act, Notification, Outcome, Severity, Status


@dataclass
class World:
    """An account of JSM, and the functions."""

    database: Database
    account: Alerts
    receiver: Receiver
    started: list[dict[str, Any]]
    clock: list[timedelta]
    behaviour: Behaviour

    @property
    def questions(self) -> list[Request]:
        return [request for request in self.receiver.requests if request.method == "GET"]

    def a_row(self, **fields: Any) -> Notification:
        now = resources.now()
        boring = {"channel": ChannelName.JSM, "recipient": "", "created_at": now, "certificate_id": None}
        return self.database.table.insert(a_row(**(boring | {"updated_at": now} | fields)))

    async def sent(self, **fields: Any) -> Notification:
        """Give a row that JSM took."""
        row = self.a_row(**fields)
        await self.invoke("dispatch", stream_of(self.database, row.id))
        taken = self.database.table.get(row.id)
        assert (taken.status, taken.outcome) == (Status.SENT, Outcome.ACCEPTED)
        return taken

    async def invoke(self, function: str, event: object) -> Any:
        return await asyncio.to_thread(handler(function), event, Context())

    async def later(self, minutes: float = 2) -> list[Any]:
        """Let the next sweep come, and what it starts; give what that says."""
        self.clock[0] += timedelta(minutes=minutes)
        self.started.clear()
        await self.invoke("retry_sweep", {})
        return [await self.invoke("retry_sweep", event) for event in list(self.started)]


@pytest.fixture
async def world(stack: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    account, holder, clock = Alerts(), list[World](), [timedelta(0)]

    async def behave(exchange: Any) -> None:
        await holder[0].behaviour(exchange)

    async with Receiver(behave) as receiver, a_parameter_store() as ssm:
        ssm.parameters["JSM"] = json.dumps({"api_key": API_KEY, "url": receiver.url("/v2/alerts")})
        ssm.parameters["Slack"] = json.dumps({"url": receiver.url("/slack")})
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", ssm.client.meta.endpoint_url)
        monkeypatch.setenv("CHANNEL_PREFIX", PREFIX)
        monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
        started: list[dict[str, Any]] = []
        monkeypatch.setattr(delivery, "_invoke", lambda event: started.append(dict(event)))
        began = resources.now()
        monkeypatch.setattr(resources, "now", lambda: began + clock[0])
        forget_wiring()
        holder.append(World(stack, account, receiver, started, clock, account))
        yield holder[0]


async def test_what_jsm_did_is_delivered(world: World) -> None:
    """Contract 2.14, 2.19 [T]: accepted is what is known at first; the request's status lifts it."""
    row = await world.sent()
    assert await world.later(0.5) == []
    assert world.questions == []
    world.account.work()
    assert await world.later() == [{"asked": 1, "known": 1}]
    after = world.database.table.get(row.id)
    assert (after.status, after.outcome, after.due_at) == (Status.SENT, Outcome.DELIVERED, None)
    assert [request.path for request in world.questions] == [f"/v2/alerts/requests/{row.receipt.partition(':')[2]}"]  # type: ignore[union-attr] # it has one
    assert await world.later(60) == []


async def test_what_jsm_could_not_do_is_dead_with_the_reason_and_falls_back(world: World) -> None:
    """Contract 2.14, 2.16 [T]: a request that failed reached nobody."""
    row = await world.sent(fallback=Target.parse("Slack"))
    identity = next(iter(world.account.waiting))
    world.account.work()
    world.account.done[identity] |= {"success": False, "isSuccess": False, "status": "Team quota is used up"}
    await world.later()
    after = world.database.table.get(row.id)
    assert (after.status, after.outcome, after.last_error) == (Status.DEAD, Outcome.BOUNCED, "Team quota is used up")
    stand_in = world.database.table.get(after.fell_back_to or "")
    assert (stand_in.channel, stand_in.fallback_of) == (ChannelName.SLACK, row.id)
    assert await world.later(60) == []


async def test_a_request_that_is_not_worked_on_is_asked_again_and_less_often(world: World) -> None:
    """Asked for an hour; it stays `accepted`, which is all that is known."""
    row = await world.sent()
    for _ in range(60):
        await world.later()
    after = world.database.table.get(row.id)
    assert (after.status, after.outcome, after.due_at) == (Status.SENT, Outcome.ACCEPTED, None)
    assert 5 <= len(world.questions) <= 8, "after 2 minutes, and each time after twice as long"
    assert after.updated_at == row.updated_at


async def test_a_hung_service_is_asked_again_and_costs_the_sweep_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ATTEMPT_DEADLINE", 0.2)
    row = await world.sent()
    world.behaviour = silent()
    assert await world.later() == [{"asked": 1, "known": 0}]
    waits = world.database.table.get(row.id)
    assert (waits.outcome, waits.due_at is not None) == (Outcome.ACCEPTED, True)
    world.behaviour = world.account
    world.account.work()
    await world.later(10)
    assert world.database.table.get(row.id).outcome is Outcome.DELIVERED


async def test_an_alert_that_a_person_closed_first_is_no_dead_letter(world: World) -> None:
    """That it could not be closed once more reached nobody later."""
    row = await world.sent()
    world.account.work()
    world.account.alerts.clear()
    close = await world.sent(act=Act.RESOLVE, about=row.id)
    world.account.work()
    await world.later()
    assert world.database.table.get(row.id).outcome is Outcome.DELIVERED
    after = world.database.table.get(close.id)
    assert (after.status, after.outcome, after.due_at) == (Status.SENT, Outcome.ACCEPTED, None)


async def test_what_was_marked_read_meanwhile_is_lifted_too(world: World) -> None:
    row = await world.sent(severity=Severity.CRITICAL)
    assert (await asyncio.to_thread(call, "POST", f"/api/v1/notifications/{row.id}/read")).status == 200
    world.account.work()
    await world.later()
    after = world.database.table.get(row.id)
    assert (after.status, after.outcome) == (Status.READ, Outcome.DELIVERED)


async def test_a_key_that_was_revoked_meanwhile_says_nothing_of_what_was_taken(world: World) -> None:
    row = await world.sent()
    world.account.key = "another"
    world.behaviour = answers(401, b"{}")
    assert await world.later() == [{"asked": 1, "known": 0}]
    assert world.database.table.get(row.id).outcome is Outcome.ACCEPTED
