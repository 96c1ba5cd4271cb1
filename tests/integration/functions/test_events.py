"""Every event of a certificate through the functions: seen by a source, told once, explained (contract 4.10 [T])."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.functions.test_source_sync import Parameters, a_made, an_endpoint, endpoints, sync
from tests.support.engine import Clock
from tests.support.functions import call
from tests.support.inventory import DAY, T0
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    IMPORT,
    OWNERS,
    POLICIES,
    an_id_in,
    body_of,
    check,
    created,
    put,
    read,
    text_of,
    unchanged_by,
)
from tests.support.inventory_store import Store
from tocsin.delivery.notification import Status

pytestmark = pytest.mark.dynamodb_local
__all__ = ["endpoints"]  # a fixture


def told(store: Store) -> list[str]:
    """Name the events that were told, by their severity."""
    return [f"{row.severity} {row.type}" for row in store.rows() if row.type != "ExpirationWarning"]


@pytest.fixture
def hourly(clock: Clock) -> Callable[[int], None]:
    def run(hours: int) -> None:
        for _ in range(hours):
            clock.forward(hours=1)
            assert check()["failed"] == 0

    return run


async def test_the_server_that_nobody_reloaded(
    store: Store, clock: Clock, endpoints: Parameters, hourly: Callable[[int], None]
) -> None:
    """From a real server: renewed in a file, not served, told after the grace; reloaded, and told that it is served."""
    policy = an_id_in(POLICIES, deployment_grace_hours=4, alert_thresholds_days=[7])
    owner = an_id_in(OWNERS)
    old, new = a_made(60), a_made(120, serial=0xDEF)
    mine = {"owner_id": owner, "policy_id": policy}
    (row,) = call("POST", IMPORT, {"pem": old.pem, **mine}).json["items"]
    async with an_endpoint(old) as endpoint:
        endpoints.list(endpoint.name)
        await sync()
        (place,) = (one for one in read(CERTIFICATES)["items"] if one["source"] == "tls")
        said = {name: place[name] for name in ("common_name", "expires_at", "not_before", "names", "serial", "issuer")}
        said |= {"fingerprint_sha256": place["fingerprint_sha256"], **mine}
        assert put(f"{CERTIFICATES}/{place['id']}", said).status == 200
        hourly(1)
        assert told(store) == []

        (renewed,) = call("POST", IMPORT, {"pem": new.pem}).json["items"]
        assert (renewed["result"], renewed["certificate"]["id"]) == ("renewed", row["certificate"]["id"])
        hourly(2)
        found = read(f"{CERTIFICATES}/{place['id']}/explain")
        assert found["awaited"]["origin"] == f"certificate/{row['certificate']['id']}"
        assert found["awaited"]["until"] == text_of(clock.now.replace(hour=clock.now.hour + 2))
        await sync()
        hourly(3)
        assert told(store) == ["informational RenewalSuccess", "critical DeploymentFailure"]
        found = read(f"{CERTIFICATES}/{place['id']}/explain")
        assert found["awaited"]["failed_at"] is not None
        (failure,) = found["happened"]
        assert (failure["event"], failure["reason"], len(failure["told_by"])) == ("DeploymentFailure", "", 1)

        endpoint.renew(new)
        await sync()
    hourly(3)
    assert sorted(told(store)[2:]) == ["informational DeploymentSuccess", "informational RenewalSuccess"]
    ended = {row.type: row.status for row in store.rows() if row.certificate_id == place["id"]}
    assert ended["DeploymentFailure"] is Status.SUPERSEDED
    found = read(f"{CERTIFICATES}/{place['id']}/explain")
    assert found["awaited"] is None
    assert sorted(one["event"] for one in found["happened"]) == ["DeploymentSuccess", "RenewalSuccess"]
    hourly(24)
    assert len(told(store)) == 4
    actions = [one["action"] for one in read(f"{API}/audit-events?limit=100")["items"]]
    assert actions.count("certificate_event_alerted") == 4


def test_a_revocation_is_told_critically_and_what_was_due_is_not(
    store: Store, clock: Clock, hourly: Callable[[int], None]
) -> None:
    url = f"{CERTIFICATES}/{an_id_in(CERTIFICATES, owner_id=an_id_in(OWNERS))}"
    clock.forward(days=15)
    hourly(1)
    body = body_of(CERTIFICATES, owner_id=read(url)["owner_id"], revoked_at=text_of(clock.now))
    assert put(url, body).status == 200
    hourly(3)
    assert told(store) == ["critical Revocation"]
    assert {row.type: row.status for row in store.rows()} == {
        "ExpirationWarning": Status.SUPERSEDED,
        "Revocation": Status.PENDING,
    }
    assert [one["event"] for one in read(f"{url}/explain")["happened"]] == ["Revocation"]
    assert read(url)["status"] == "Revoked"


def test_a_revocation_that_had_no_channel_is_told_when_it_gets_one(
    store: Store, clock: Clock, hourly: Callable[[int], None]
) -> None:
    policy = an_id_in(POLICIES, channels={"critical": []})
    mine = {"owner_id": an_id_in(OWNERS), "policy_id": policy}
    url = f"{CERTIFICATES}/{an_id_in(CERTIFICATES, **mine)}"
    assert put(url, body_of(CERTIFICATES, revoked_at=text_of(clock.now), **mine)).status == 200
    hourly(2)
    (happened,) = read(f"{url}/explain")["happened"]
    assert (happened["told_by"], happened["reason"]) == ([], "no channel for severity critical")
    assert put(f"{POLICIES}/{policy}", body_of(POLICIES)).status == 200
    hourly(3)
    assert told(store) == ["critical Revocation"]
    assert store.indexed("due") == set()


# What a policy says of events.


@pytest.mark.usefixtures("store")
def test_a_policy_says_how_much_events_matter() -> None:
    policy = created(POLICIES, events={"RenewalSuccess": None, "Revocation": "warning"}, deployment_grace_hours=48).json
    assert policy["events"] == {
        "RenewalSuccess": None,
        "RenewalFailure": "critical",
        "Revocation": "warning",
        "DeploymentSuccess": "informational",
        "DeploymentFailure": "critical",
        "PolicyViolation": "warning",
    }
    assert policy["deployment_grace_hours"] == 48
    same = {name: policy[name] for name in ("name", "events", "deployment_grace_hours")}
    assert put(f"{POLICIES}/{policy['id']}", same).json["events"] == policy["events"]  # what is shown is taken
    assert created(POLICIES).json["deployment_grace_hours"] == 6


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"events": {"Renewal": "warning"}}, "events.Renewal"),
        ({"events": {"Revocation": "loud"}}, "events.Revocation"),
        ({"events": ["Revocation"]}, "events"),
        ({"deployment_grace_hours": 0}, "deployment_grace_hours"),
        ({"deployment_grace_hours": 721}, "deployment_grace_hours"),
        ({"deployment_grace_hours": "6"}, "deployment_grace_hours"),
        ({"deployment_grace_hours": 1.5}, "deployment_grace_hours"),
    ],
)
def test_what_a_policy_can_not_say_is_refused(store: Store, fields: dict[str, Any], field: str) -> None:
    answer = unchanged_by(store, call, "POST", POLICIES, body_of(POLICIES, **fields))
    assert answer.status == 422
    assert [problem["field"] for problem in answer.json["errors"]] == [field]


def test_who_is_told_later_is_told_of_what_still_is(store: Store, clock: Clock, hourly: Callable[[int], None]) -> None:
    """A failure that nobody was to be told of is told when a policy says so; a renewal of long ago is not."""
    policy = an_id_in(POLICIES, events={"RenewalSuccess": None, "RenewalFailure": None})
    mine = {"owner_id": an_id_in(OWNERS), "policy_id": policy}
    good, bad = (an_id_in(CERTIFICATES, **mine) for _ in range(2))
    hourly(1)
    put(f"{CERTIFICATES}/{good}", body_of(CERTIFICATES, expires_at=text_of(T0 + 135 * DAY), **mine))
    put(f"{CERTIFICATES}/{bad}", body_of(CERTIFICATES, renewal_status="FAILED", **mine))
    hourly(2)
    assert told(store) == []
    assert put(f"{POLICIES}/{policy}", body_of(POLICIES)).status == 200
    hourly(2)
    assert told(store) == ["critical RenewalFailure"]
    (late,) = read(f"{CERTIFICATES}/{good}/explain")["happened"]
    assert "before the policy told of such by this channel" in late["reason"]


# What callers create by hand.


def test_a_callers_own_notification_of_such_a_type_is_its_own(
    store: Store, clock: Clock, hourly: Callable[[int], None]
) -> None:
    """Its id is drawn, or made of its key, never given; so it stands for none of the check's, and is never reviewed."""
    id_ = an_id_in(CERTIFICATES, owner_id=an_id_in(OWNERS))
    body = {
        "type": "RenewalSuccess",
        "channel": "Email",
        "recipient": "ada@example.com",
        "message": "I renewed it by hand.",
        "severity": "informational",
        "certificate_id": id_,
    }
    key = {"Content-Type": "application/json", "Idempotency-Key": f"{id_}\n{text_of(T0)}\nRenewalSuccess\n\nEmail"}
    own = call("POST", f"{API}/notifications", body, key)
    assert own.status == 202
    url = f"{CERTIFICATES}/{id_}"
    put(url, body_of(CERTIFICATES, owner_id=read(url)["owner_id"], expires_at=text_of(T0 + 135 * DAY)))
    hourly(2)
    assert told(store) == ["informational RenewalSuccess"] * 2
    (happened,) = read(f"{url}/explain")["happened"]
    assert len(happened["told_by"]) == 1
    assert own.json["id"] not in happened["told_by"]
    put(url, body_of(CERTIFICATES, owner_id=read(url)["owner_id"]))  # back: only what was said of it is over
    statuses = {row.id: row.status for row in store.rows()}
    assert statuses[own.json["id"]] is Status.PENDING
    assert statuses[happened["told_by"][0]] is Status.SUPERSEDED
