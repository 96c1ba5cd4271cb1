"""Contract 2.18 [T]: what an alert opened at PagerDuty is closed when its certificate is renewed, by the functions."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.loopback import free_port
from local.receiver import Behaviour, Exchange, Receiver, answers
from tests.support.engine import Clock
from tests.support.functions import Answer, Context, call, forget_wiring, handler
from tests.support.incidents import KEY, OLD_KEY, PagerDuty
from tests.support.inventory import DAY, T0
from tests.support.inventory_api import API, CERTIFICATES, POLICIES, an_id_in, body_of, check, delete, put, text_of
from tests.support.inventory_store import Store
from tests.support.ssm import PREFIX, FakeSsm, a_parameter_store
from tocsin.bootstrap import delivery, resources
from tocsin.channels.credentials import Credentials
from tocsin.delivery.linked import linked_id
from tocsin.delivery.notification import Act, Notification, Outcome, Status
from tocsin.delivery.store import Change
from tocsin.storage.notifications.table import NotificationTable

pytestmark = pytest.mark.dynamodb_local
RENEWED = T0 + 200 * DAY


@dataclass
class World:
    """A certificate that alerts by PagerDuty, 7 days before it expires; and the account there."""

    store: Store
    clock: Clock
    account: PagerDuty
    receiver: Receiver
    ssm: FakeSsm
    certificate: str
    policy: str

    @property
    def alert(self) -> Notification:
        """The alert, as it is now."""
        (row,) = (row for row in self.store.rows() if row.act is Act.TRIGGER)
        return row

    def linked(self, act: Act) -> Notification | None:
        """What does `act` to the alert, if there is that."""
        found = [row for row in self.store.rows() if row.act is act]
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def incident(self) -> str | None:
        """The state of its incident at PagerDuty."""
        return self.account.incidents.get((KEY, self.alert.id))

    @property
    def actions(self) -> list[str]:
        """What PagerDuty was told, in order."""
        return [json.loads(request.body)["event_action"] for request in self.receiver.requests]

    async def dispatch(self) -> None:
        """Run the dispatcher on what the table's stream would bring."""
        pending = {"status": {"S": "pending"}, "claimed_until": {"N": "0"}}
        items = [item for item in self.store.items("Notifications") if item.items() >= pending.items()]
        records = [{"dynamodb": {"NewImage": item, "SequenceNumber": str(n)}} for n, item in enumerate(items)]
        if records:
            await asyncio.to_thread(handler("dispatch"), {"Records": records}, Context())

    async def sweep(self, **forward: float) -> None:
        """Let time pass, and run the sweep."""
        self.clock.forward(**forward)
        await asyncio.to_thread(handler("retry_sweep"), {}, Context())

    def renew(self, expires_at: datetime = RENEWED) -> None:
        """Change when the certificate expires."""
        assert self.renewal(expires_at).status == 200

    def renewal(self, expires_at: datetime) -> Answer:
        """Try to change when it expires."""
        body = body_of(CERTIFICATES, policy_id=self.policy, expires_at=text_of(expires_at))
        return put(f"{CERTIFICATES}/{self.certificate}", body)


@pytest.fixture
async def world(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Raise the alert; nobody has sent it."""
    monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
    forget_wiring()
    account = PagerDuty((KEY,))
    async with Receiver(account, port=free_port()) as receiver:
        document = {"routing_keys": [KEY], "url": receiver.url("/v2/enqueue")}
        async with a_parameter_store(PagerDuty=document) as ssm:
            found = Credentials(ssm.client, PREFIX, resources.now)
            monkeypatch.setattr(delivery, "credentials", lambda: found)
            policy = an_id_in(POLICIES, alert_thresholds_days=[7], channels={"warning": ["PagerDuty"]})
            certificate = an_id_in(CERTIFICATES, policy_id=policy)
            clock.forward(days=38)
            assert check()["raised"] == 1
            yield World(store, clock, account, receiver, ssm, certificate, policy)


def taking(account: PagerDuty, then: Callable[[Exchange], Awaitable[None]]) -> Behaviour:
    """Take an event as the account does, but answer otherwise."""

    async def behave(exchange: Exchange) -> None:
        event = json.loads(exchange.request.body)
        account.incidents[event["routing_key"], event["dedup_key"]] = "triggered"
        await then(exchange)

    return behave


async def resetting(exchange: Exchange) -> None:
    exchange.reset()


# ── What happens beside expiry ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_failure_is_closed_by_the_renewal_and_the_renewal_opens_nothing(world: World) -> None:
    """Contract 4.10 [T]: good news opens no incident, which nobody would close."""
    events = {"RenewalFailure": "warning", "RenewalSuccess": "warning"}
    policy = body_of(POLICIES, alert_thresholds_days=[7], channels={"warning": ["PagerDuty"]}, events=events)
    assert put(f"{POLICIES}/{world.policy}", policy).status == 200
    said = body_of(CERTIFICATES, policy_id=world.policy)
    url = f"{CERTIFICATES}/{world.certificate}"
    assert put(url, said | {"renewal_status": "FAILED: CAA_ERROR"}).status == 200
    world.clock.forward(hours=1)
    assert check()["raised"] == 1
    await world.dispatch()
    assert sorted(world.account.incidents.values()) == ["triggered", "triggered"]
    assert put(url, said | {"expires_at": text_of(RENEWED)}).status == 200
    world.clock.forward(hours=1)
    assert check()["no_channel"] == 1
    await world.dispatch()
    assert sorted(world.account.incidents.values()) == ["resolved", "resolved"]
    (renewal,) = call("GET", f"{url}/explain").json["happened"]
    assert (renewal["event"], renewal["told_by"]) == ("RenewalSuccess", [])
    assert renewal["reason"].endswith("it opens no incident")


# ── A renewal, whatever became of the alert ──────────────────────────────────────────────────────────────────────────


async def test_a_renewal_closes_the_incident(world: World) -> None:
    await world.dispatch()
    assert world.incident == "triggered"
    world.renew()
    resolve = world.linked(Act.RESOLVE)
    assert resolve is not None
    assert (resolve.id, resolve.about) == (linked_id(world.alert.id, Act.RESOLVE), world.alert.id)
    assert (resolve.severity, resolve.certificate_id) == (world.alert.severity, world.certificate)
    assert (world.alert.status, world.alert.resolved_by) == (Status.SENT, resolve.id)
    await world.dispatch()
    assert world.incident == "resolved"
    done = world.linked(Act.RESOLVE)
    assert done is not None
    assert (done.status, done.outcome) == (Status.SENT, Outcome.ACCEPTED)
    assert world.actions == ["trigger", "resolve"]


@pytest.mark.parametrize("way", ["archived", "revoked", "deleted"])
async def test_so_does_whatever_else_ends_its_cycle(world: World, way: str) -> None:
    await world.dispatch()
    url = f"{CERTIFICATES}/{world.certificate}"
    if way == "deleted":
        assert delete(url).status == 204
    else:
        said = body_of(CERTIFICATES, policy_id=world.policy) | {f"{way}_at": text_of(world.clock.now)}
        assert put(url, said).status == 200
    await world.dispatch()
    assert world.incident == "resolved"
    resolve = world.linked(Act.RESOLVE)
    assert resolve is not None
    assert resolve.message.startswith(f"It is over: the certificate was {way}. This closes: [Tocsin] api.example.com")


async def test_what_is_pending_never_goes_out_and_needs_no_resolve(world: World) -> None:
    world.renew()
    await world.dispatch()
    assert (world.alert.status, world.linked(Act.RESOLVE), world.actions) == (Status.SUPERSEDED, None, [])


async def test_what_was_refused_needs_none_either(world: World) -> None:
    world.receiver.behaviour = answers(503)
    await world.dispatch()
    assert world.alert.status is Status.FAILED
    world.renew()
    await world.sweep(minutes=3)
    assert (world.alert.status, world.linked(Act.RESOLVE), world.actions) == (Status.SUPERSEDED, None, ["trigger"])


async def test_what_may_have_arrived_is_closed(world: World) -> None:
    """Its answer was lost: the row failed, and the incident is open."""
    world.receiver.behaviour = taking(world.account, resetting)
    await world.dispatch()
    assert (world.alert.status, world.incident) == (Status.FAILED, "triggered")
    world.receiver.behaviour = world.account
    world.renew()
    assert world.alert.status is Status.SUPERSEDED
    await world.dispatch()
    assert (world.incident, world.actions) == ("resolved", ["trigger", "resolve"])


async def test_a_renewal_while_the_alert_is_on_its_way_closes_it_behind(world: World) -> None:
    """The resolve is made while a worker has the alert; it goes when that is done."""
    world.receiver.on_request = lambda _request: world.renew()
    await world.dispatch()
    world.receiver.on_request = lambda _request: None
    assert (world.alert.status, world.incident) == (Status.SENT, "triggered")
    await world.dispatch()
    assert (world.incident, world.actions) == ("resolved", ["trigger", "resolve"])


async def test_a_resolve_waits_for_a_worker_that_is_silent(world: World) -> None:
    """No resolve before its trigger is at its end, and no attempt is spent for waiting."""
    row = world.alert
    held = row.claimed("of another", world.clock.now + timedelta(minutes=6), world.clock.now)
    world.store.notifications.write([Change(row, held)])
    world.renew()
    await world.dispatch()
    resolve = world.linked(Act.RESOLVE)
    assert resolve is not None
    assert (resolve.status, resolve.attempts, world.actions) == (Status.PENDING, (), [])
    assert resolve.last_error == f"{row.id}, which it is about, is still on its way"
    await world.sweep(minutes=7)  # the claim has run out: the alert ends, since it is true no more
    assert world.alert.status is Status.SUPERSEDED
    await world.sweep(minutes=20)
    resolve = world.linked(Act.RESOLVE)
    assert resolve is not None
    assert (resolve.status, world.actions) == (Status.SENT, ["resolve"]), "it may have arrived"


async def test_a_dead_alert_that_was_resolved_is_not_requeued(world: World) -> None:
    """Never a trigger after its resolve: the worker recorded its end after the certificate was renewed."""

    async def refusing(exchange: Exchange) -> None:
        await asyncio.to_thread(world.renew)
        await answers(400, b'{"errors": ["no"]}')(exchange)

    world.receiver.behaviour = refusing
    await world.dispatch()
    died = world.alert
    assert died.status is Status.DEAD
    refused = call("POST", f"{API}/notifications/{died.id}/requeue")
    assert (refused.status, world.alert.status) == (409, Status.SUPERSEDED)
    world.receiver.behaviour = world.account
    await world.dispatch()
    resolve = world.linked(Act.RESOLVE)
    assert resolve is not None
    assert (resolve.status, world.actions) == (Status.SUPERSEDED, ["trigger"]), "nothing to close"


async def test_one_resolve_however_often_a_cycle_ends(world: World) -> None:
    await world.dispatch()
    world.renew()
    await world.dispatch()
    for days in (300, 400):
        world.clock.forward(hours=1)
        world.renew(T0 + days * DAY)
        await world.dispatch()
    assert world.actions == ["trigger", "resolve"]


async def test_a_resolve_goes_by_the_key_that_opened_the_incident(world: World) -> None:
    """The key was rotated in between: by the new one PagerDuty would drop it, behind a 202."""
    await world.dispatch()
    world.account.keys = (OLD_KEY, KEY)
    document = json.loads(world.ssm.parameters["PagerDuty"]) | {"routing_keys": [OLD_KEY, KEY]}
    world.ssm.parameters["PagerDuty"] = json.dumps(document)
    world.clock.forward(hours=1)
    world.renew()
    await world.dispatch()
    assert (world.incident, world.account.dropped) == ("resolved", [])
    assert json.loads(world.receiver.requests[-1].body)["routing_key"] == KEY


# ── Acknowledged ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_marked_read_is_acknowledged_and_then_resolved(world: World) -> None:
    """Contract 2.18 [T]: once, in the same write."""
    await world.dispatch()
    url = f"{API}/notifications/{world.alert.id}/read"
    assert (call("POST", url).status, call("POST", url).status) == (200, 409)
    await world.dispatch()
    assert world.incident == "acknowledged"
    world.renew()
    await world.dispatch()
    assert (world.incident, world.actions) == ("resolved", ["trigger", "acknowledge", "resolve"])
    assert world.alert.status is Status.READ


async def test_nothing_is_acknowledged_that_is_over(world: World) -> None:
    """Marked read and renewed before anybody could say so there."""
    await world.dispatch()
    call("POST", f"{API}/notifications/{world.alert.id}/read")
    world.renew()
    await world.dispatch()
    acknowledgement = world.linked(Act.ACKNOWLEDGE)
    assert acknowledgement is not None
    assert (acknowledgement.status, acknowledgement.last_error) == (Status.SUPERSEDED, "what it is about is over")
    assert (world.incident, world.actions) == ("resolved", ["trigger", "resolve"])


# ── Crashes, and what is true again ──────────────────────────────────────────────────────────────────────────────────


async def test_what_a_crash_leaves_open_the_expiry_check_closes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is written, and nothing behind it."""
    await world.dispatch()

    def crash(*_: Any) -> bool:
        raise RuntimeError("the process dies here")

    with monkeypatch.context() as patch:
        patch.setattr(NotificationTable, "resolve", crash)
        assert world.renewal(RENEWED).status == 500
    assert (world.linked(Act.RESOLVE), check()["ended_again"]) == (None, 0), "whoever changed it may still be at it"
    world.clock.forward(minutes=6)
    assert check()["ended_again"] == 1
    assert check()["ended_again"] == 0
    await world.dispatch()
    assert (world.incident, world.actions) == ("resolved", ["trigger", "resolve"])


async def test_a_change_that_was_not_written_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was remembered that the cycle ends; then the certificate could not be written."""
    await world.dispatch()
    stale = put(f"{CERTIFICATES}/{world.certificate}", body_of(CERTIFICATES, expires_at=text_of(RENEWED)), '"7"')
    assert stale.status == 412
    certificates = type(world.store.inventory.certificates)

    def crash(*_: Any) -> bool:
        raise RuntimeError("the process dies here")

    with monkeypatch.context() as patch:
        patch.setattr(certificates, "update", crash)
        assert world.renewal(RENEWED).status == 500
    world.clock.forward(minutes=6)
    assert check()["ended_again"] == 1
    assert (world.linked(Act.RESOLVE), world.incident) == (None, "triggered")
    world.renew()
    await world.dispatch()
    assert world.incident == "resolved"


async def test_what_is_true_again_opens_another_incident_and_that_is_closed_too(world: World) -> None:
    """A cycle that returns is not silent: its incident was closed, so nobody is told any more."""
    await world.dispatch()
    for _ in range(2):
        world.clock.forward(hours=1)
        world.renew()
        await world.dispatch()
        assert world.incident == "resolved"
        world.clock.forward(hours=1)
        world.renew(T0 + 45 * DAY)
        assert check()["raised"] == 1
        await world.dispatch()
        assert world.incident == "triggered"
    assert world.actions == ["trigger", "resolve"] * 2 + ["trigger"]


async def test_a_resolve_that_still_waits_does_not_close_what_is_true_again(world: World) -> None:
    await world.dispatch()
    world.clock.forward(hours=1)
    world.renew()
    world.clock.forward(hours=1)
    world.renew(T0 + 45 * DAY)
    assert check()["raised"] == 1
    await world.dispatch()
    resolve = world.linked(Act.RESOLVE)
    assert resolve is not None
    assert (resolve.status, resolve.last_error) == (Status.SUPERSEDED, "what it is about is true again")
    await world.sweep(minutes=2)  # the alert's new life waited for the resolve, which a worker had at the same time
    assert (world.incident, world.actions) == ("triggered", ["trigger", "trigger"])


async def test_an_alert_in_a_worker_s_hands_is_raised_anew_only_behind_it(world: World) -> None:
    """Two workers can't have the same row: the next check looks again."""

    async def back_and_forth(exchange: Exchange) -> None:
        await asyncio.to_thread(world.renew)
        world.clock.forward(seconds=1)
        await asyncio.to_thread(world.renew, T0 + 45 * DAY)
        assert (await asyncio.to_thread(check))["raised"] == 0
        await world.account(exchange)

    world.receiver.behaviour = back_and_forth
    await world.dispatch()
    world.receiver.behaviour = world.account
    assert check()["raised"] == 1
    await world.dispatch()
    await world.sweep(minutes=2)
    assert (world.incident, world.actions) == ("triggered", ["trigger", "trigger"])
