"""Renewals end to end, in this process: by the API, by a PEM file, and while an alert is on its way.

Contract 4.9 [T]: before a retry or a requeue of an expiry alert the fact is checked again: a renewed certificate makes
it `superseded`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from local.loopback import free_port
from local.receiver import Receiver, Request, answers
from tests.support.certificates import Authority, Made
from tests.support.channels import SECRET
from tests.support.engine import Clock
from tests.support.functions import Answer, Context, call, forget_wiring, handler
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
    delete,
    measured,
    put,
    read,
    text_of,
    unchanged_by,
    walked,
)
from tests.support.inventory_store import Store
from tests.support.rows import ACCEPTED, REFUSED, REJECTED, settled
from tests.support.ssm import PREFIX, a_parameter_store
from tocsin.bootstrap import delivery, resources
from tocsin.channels.credentials import Credentials
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import Change

pytestmark = pytest.mark.dynamodb_local
CA = Authority()


def a_made(not_after: datetime = T0 + 20 * DAY, **fields: Any) -> Made:
    """Make a certificate of 90 days."""
    return CA.issued(not_before=not_after - 90 * DAY, not_after=not_after, **fields)


def imported(*certificates: Made, **said: str) -> list[dict[str, Any]]:
    """Import certificates in one file, each with its private key."""
    pem = "".join(one.key_pem + one.pem for one in certificates)
    answer = call("POST", IMPORT, {"pem": pem, **said})
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def statuses(store: Store) -> dict[str, Status]:
    """Give the status of each alert, by its threshold."""
    return {row.message.partition("]")[0].partition(":")[2]: row.status for row in store.rows()}


def settle(store: Store, clock: Clock, *results: Any) -> None:
    """Let the alerts take these results, in the order of their creation."""
    for row, result in zip(store.rows(), results, strict=False):
        if result is not None:
            store.notifications.replace(Change(row, settled(row, result, clock.now)))


def test_both_certificates_of_a_file_are_taken(store: Store, clock: Clock) -> None:
    """Issue 3, "Bad input gets": two certificates in one file (both taken)."""
    first, second = imported(a_made(), a_made(common_name="b.example.com", names=("b.example.com",), serial=2))
    assert (first["result"], second["result"]) == ("created", "created")
    assert {item["common_name"] for item in walked(CERTIFICATES, 1)} == {"api.example.com", "b.example.com"}
    both = imported(
        a_made(T0 + 40 * DAY, common_name="c.example.com", names=("c.example.com",)),
        a_made(T0 + 50 * DAY, common_name="c.example.com", names=("c.example.com",)),
    )
    assert len({one["certificate"]["id"] for one in both}) == 2
    assert len(walked(CERTIFICATES)) == 4


def test_what_is_read_off_a_certificate(store: Store, clock: Clock) -> None:
    owner = an_id_in(OWNERS)
    (item,) = imported(a_made(), owner_id=owner, policy_id="p")
    found = item["certificate"]
    assert (found["source"], found["chain_verified"], found["chain_problem"]) == ("import", None, "not checked")
    assert (found["not_before"], found["expires_at"]) == (text_of(T0 - 70 * DAY), text_of(T0 + 20 * DAY))
    assert (found["serial"], found["issuer"], found["names"]) == ("abc", "CN=Test CA", ["api.example.com"])
    assert (found["owner_id"], found["team_id"], found["policy_id"]) == (owner, None, "p")
    assert found == read(f"{CERTIFICATES}/{found['id']}")


def test_a_private_key_is_neither_echoed_nor_stored(store: Store, clock: Clock) -> None:
    """Issue 3, item 4: import takes PEM text; what is secret in it stays out."""
    certificate = a_made()
    secrets = certificate.key_pem.splitlines()[1:-1]
    answer = call("POST", IMPORT, {"pem": certificate.key_pem + certificate.pem})
    assert answer.status == 200
    everything = answer.body + repr([store.items(table) for table in store.names])
    assert not [line for line in secrets if line in everything]
    assert "PRIVATE" not in everything


def test_the_same_file_twice_changes_nothing(store: Store, clock: Clock) -> None:
    certificate = a_made()
    imported(certificate)
    clock.forward(hours=1)
    again = unchanged_by(store, call, "POST", IMPORT, {"pem": certificate.pem, "owner_id": "another"})
    (item,) = again.json["items"]
    assert (item["result"], item["certificate"]["version"]) == ("unchanged", 1)


def test_a_renewed_file_updates_the_row_and_supersedes_the_old_alerts(store: Store, clock: Clock) -> None:
    """Contract 4.9 [T], issue 3: in mid-cycle, the old alerts stop, the dead ones too; the new cycle alerts again."""
    owner = an_id_in(OWNERS)
    (item,) = imported(a_made(T0 + 31 * DAY), owner_id=owner)
    id_ = item["certificate"]["id"]
    clock.forward(days=31)
    assert check()["raised"] == 4
    settle(store, clock, REJECTED, REFUSED)
    assert sorted(row.status for row in store.rows()) == ["dead", "failed", "pending", "pending"]

    (renewed,) = imported(a_made(clock.now + 10 * DAY, serial=0xDEF), owner_id="another")
    assert renewed["result"] == "renewed"
    row = renewed["certificate"]
    assert (row["id"], row["version"], row["serial"]) == (id_, 2, "def")
    assert row["owner_id"] == owner
    assert {alert.status for alert in store.rows()} == {Status.SUPERSEDED}
    (reason,) = {alert.last_error for alert in store.rows()}
    assert reason == "the certificate was renewed: it expires at 2026-04-11 12:00:00 UTC now"
    (event,) = read(f"{API}/audit-events?action=certificate_renewed")["items"]
    assert event["resource"] == f"certificate/{id_}"
    assert event["detail"]["serial"] == "abc -> def"

    assert check()["raised"] == 2
    assert {alert.type for alert in store.rows() if alert.status is Status.PENDING} == {
        "ExpirationWarning",
        "RenewalSuccess",
    }
    (outdated,) = imported(a_made(T0 + 31 * DAY))
    assert outdated["result"] == "outdated"
    assert outdated["certificate"]["version"] == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires_at": text_of(T0 + 200 * DAY)}, "the certificate was renewed: it expires at 2026-09-17"),
        ({"expires_at": text_of(T0 + 30 * DAY)}, "the certificate was replaced: it expires at 2026-03-31"),
        ({"archived_at": text_of(T0)}, "the certificate was archived"),
        ({"revoked_at": text_of(T0)}, "the certificate was revoked"),
        (None, "the certificate was deleted"),
    ],
)
def test_a_change_by_an_operator_ends_the_cycle(
    store: Store, clock: Clock, capsys: pytest.CaptureFixture[str], change: dict[str, str] | None, reason: str
) -> None:
    """Contract 1: `pending`, `failed`, `dead` become superseded when the fact is no longer true. [T]"""
    url = f"{CERTIFICATES}/{an_id_in(CERTIFICATES, owner_id=an_id_in(OWNERS))}"
    clock.forward(days=40)
    assert check()["raised"] == 3
    settle(store, clock, REJECTED, REFUSED)
    clock.forward(seconds=1)
    capsys.readouterr()
    answer = delete(url) if change is None else put(url, body_of(CERTIFICATES) | change)
    assert answer.status in (200, 204)
    assert measured(capsys.readouterr().out)["Superseded"] == 3
    assert {row.status for row in store.rows()} == {Status.SUPERSEDED}
    for row in store.rows():
        assert (row.last_error or "").startswith(reason)
        refused = unchanged_by(store, call, "POST", f"{API}/notifications/{row.id}/requeue")
        assert refused.status == 409


def test_a_change_that_leaves_the_fact_true_leaves_the_alerts(store: Store, clock: Clock) -> None:
    """Contract 4.5 [T]: a failed or stuck renewal does *not* silence the alert."""
    owner = an_id_in(OWNERS)
    url = f"{CERTIFICATES}/{an_id_in(CERTIFICATES, owner_id=owner)}"
    clock.forward(days=15)
    check()
    put(url, body_of(CERTIFICATES, owner_id=owner, renewal_status="FAILED: CAA_ERROR"))
    assert statuses(store) == {"30": Status.PENDING}
    assert (check()["raised"], store.told()) == (1, ["RenewalFailure"])
    clock.forward(days=16)
    assert check()["raised"] == 1
    assert "FAILED: CAA_ERROR" in store.rows()[-1].message


def a_dead_alert(store: Store, clock: Clock) -> Notification:
    """Raise the alert of threshold 30, and let it die."""
    an_id_in(CERTIFICATES, owner_id=an_id_in(OWNERS))
    clock.forward(days=15)
    check()
    settle(store, clock, REJECTED)
    (row,) = store.rows()
    return row


def test_a_dead_alert_that_is_true_is_requeued(store: Store, clock: Clock) -> None:
    row = a_dead_alert(store, clock)
    answer = call("POST", f"{API}/notifications/{row.id}/requeue")
    assert (answer.status, answer.json["status"], answer.json["retry_count"]) == (200, "pending", 0)


def test_a_dead_alert_of_a_renewed_certificate_is_not_requeued(store: Store, clock: Clock) -> None:
    """Contract 4.9 [T]: 409, and it becomes superseded: also where whoever renewed it could not finish."""
    row = a_dead_alert(store, clock)
    certificate = store.inventory.certificates.get(row.certificate_id or "")
    store.now = clock.now
    store.change(certificate, expires_at=T0 + 200 * DAY)
    assert statuses(store) == {"30": Status.DEAD}
    refused = call("POST", f"{API}/notifications/{row.id}/requeue")
    assert (refused.status, refused.headers["content-type"]) == (409, "application/problem+json")
    assert "the certificate was renewed: it expires at 2026-09-17 12:00:00 UTC now" in refused.json["detail"]
    shown = read(f"{API}/notifications/{row.id}")
    assert (shown["status"], shown["last_error"]) == (
        "superseded",
        "the certificate was renewed: it expires at 2026-09-17 12:00:00 UTC now",
    )
    assert [attempt["number"] for attempt in shown["attempts"]] == [1]
    assert unchanged_by(store, call, "POST", f"{API}/notifications/{row.id}/requeue").status == 409


# ── On its way ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def receiver(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """Let the channel Webhook lead to a receiver that answers 503."""
    monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
    forget_wiring()
    fake = Receiver(answers(503), port=free_port())
    async with fake, a_parameter_store(Webhook={"secrets": [SECRET], "url": fake.url()}) as ssm:
        found = Credentials(ssm.client, PREFIX, resources.now)
        monkeypatch.setattr(delivery, "credentials", lambda: found)
        yield fake


def a_webhook_policy() -> str:
    """Alert 7 days before expiry, through the channel Webhook."""
    return an_id_in(POLICIES, alert_thresholds_days=[7], channels={"warning": ["Webhook"]})


async def run(function: str, event: dict[str, Any]) -> None:
    """Run a function beside the receiver."""
    await asyncio.to_thread(handler(function), event, Context())


async def dispatch(store: Store) -> None:
    """Run the dispatcher on what the table's stream would bring."""
    items = [item for item in store.items("Notifications") if item.get("status") == {"S": "pending"}]
    await run("dispatch", {"Records": [{"dynamodb": {"NewImage": item, "SequenceNumber": "1"}} for item in items]})


def message(request: Request) -> str:
    """Read what the receiver was told."""
    body = json.loads(request.body)
    return str(body["data"]["message"])


async def test_a_late_retry_says_what_is_so_when_it_is_sent(store: Store, clock: Clock, receiver: Receiver) -> None:
    """Issue 3, item 3: the text of a late delivery is right at the time it is sent."""
    an_id_in(CERTIFICATES, policy_id=a_webhook_policy())
    clock.forward(days=38)
    assert check()["raised"] == 1
    await dispatch(store)
    clock.forward(days=4, hours=1)
    receiver.behaviour = answers(204)
    await run("retry_sweep", {})
    first, late = map(message, receiver.requests)
    assert first.startswith("[threshold:7] The certificate api.example.com expires in 7 days, at 2026-04-15 12:00:00")
    assert late.startswith(
        "[threshold:7] The certificate api.example.com expires in 2 days 23 hours, at 2026-04-15 12:"
    )
    (row,) = read(f"{API}/notifications")["items"]
    assert (row["status"], row["message"], row["retry_count"]) == ("sent", late, 1)


async def test_a_requeued_alert_says_what_is_so_when_it_is_sent(store: Store, clock: Clock, receiver: Receiver) -> None:
    an_id_in(CERTIFICATES, policy_id=a_webhook_policy())
    clock.forward(days=38)
    check()
    receiver.behaviour = answers(400)
    await dispatch(store)
    clock.forward(days=8)
    (row,) = read(f"{API}/notifications?status=dead")["items"]
    assert call("POST", f"{API}/notifications/{row['id']}/requeue").status == 200
    receiver.behaviour = answers(204)
    await dispatch(store)
    assert message(receiver.requests[-1]).startswith("[threshold:7] The certificate api.example.com expired 1 day ago,")


async def test_a_renewal_before_a_retry_stops_it(store: Store, clock: Clock, receiver: Receiver) -> None:
    """Contract 4.9 [T]: whoever renewed it could not finish; the sweep asks again before it sends."""
    id_ = an_id_in(CERTIFICATES, policy_id=a_webhook_policy())
    clock.forward(days=38)
    check()
    await dispatch(store)
    store.now = clock.now
    store.change(store.inventory.certificates.get(id_), expires_at=T0 + 200 * DAY)
    clock.forward(minutes=2)
    await run("retry_sweep", {})
    assert len(receiver.requests) == 1
    assert statuses(store) == {"7": Status.SUPERSEDED}


async def test_a_renewal_while_an_alert_is_on_its_way_stops_the_retry(
    store: Store, clock: Clock, receiver: Receiver
) -> None:
    """A claimed row is its worker's: the renewal leaves it alone, and the next worker finds out."""
    policy = a_webhook_policy()
    id_ = an_id_in(CERTIFICATES, policy_id=policy)
    clock.forward(days=38)
    check()
    renewed: list[Answer] = []

    def renew(_request: Request) -> None:
        body = body_of(CERTIFICATES, policy_id=policy, expires_at=text_of(T0 + 200 * DAY))
        renewed.append(put(f"{CERTIFICATES}/{id_}", body))

    receiver.on_request = renew
    await dispatch(store)
    assert [answer.status for answer in renewed] == [200]
    assert statuses(store) == {"7": Status.FAILED}
    clock.forward(minutes=2)
    await run("retry_sweep", {})
    assert len(receiver.requests) == 1
    assert statuses(store) == {"7": Status.SUPERSEDED}


@pytest.mark.parametrize("way", ["archived and back", "another expiry and back", "deleted and imported again"])
def test_what_becomes_true_again_is_alerted_again(store: Store, clock: Clock, way: str) -> None:
    """Contract 4.9 [T]: superseded while it was not true; but nobody was told, so the cycle's return is alerted."""
    pem = {"pem": a_made(T0 + 5 * DAY).pem, "owner_id": an_id_in(OWNERS)}
    row = call("POST", IMPORT, pem).json["items"][0]["certificate"]
    url = f"{CERTIFICATES}/{row['id']}"
    assert check()["raised"] == 1
    (alert,) = store.rows()

    said = {"common_name": row["common_name"], "expires_at": row["expires_at"], "owner_id": row["owner_id"]}
    clock.forward(hours=1)
    if way.startswith("deleted"):
        assert delete(url).status == 204
    elif way.startswith("archived"):
        assert put(url, said | {"archived_at": text_of(clock.now)}).status == 200
    else:
        assert put(url, said | {"expires_at": text_of(T0 + 95 * DAY)}).status == 200
    assert {found.status for found in store.rows()} == {Status.SUPERSEDED}
    assert check()["raised"] == (1 if way.startswith("another") else 0)  # that it was renewed

    clock.forward(hours=1)
    back = call("POST", IMPORT, pem) if way.startswith("deleted") else put(url, said)
    assert back.status == 200
    assert check()["raised"] == 1
    assert check()["raised"] == 0
    assert [(row.id, row.status) for row in store.rows() if row.type == "ExpirationWarning"] == [
        (alert.id, Status.PENDING)
    ]


def test_what_arrived_is_not_sent_again_when_its_cycle_returns(store: Store, clock: Clock) -> None:
    """Contract 4.3 [T]: one alert for certificate, expiry, threshold and channel; this one was delivered."""
    owner = an_id_in(OWNERS)
    said = {"common_name": "api.example.com", "expires_at": text_of(T0 + 5 * DAY), "owner_id": owner}
    url = f"{CERTIFICATES}/{an_id_in(CERTIFICATES, **said)}"
    assert check()["raised"] == 1
    settle(store, clock, ACCEPTED)
    for change, told in (({"expires_at": text_of(T0 + 95 * DAY)}, 1), ({}, 0)):
        clock.forward(hours=1)
        assert put(url, said | change).status == 200
        assert check()["raised"] == told
    assert {found.type: found.status for found in store.rows()} == {
        "ExpirationWarning": Status.SENT,
        "RenewalSuccess": Status.SUPERSEDED,
    }
