"""Renewal jobs through the real functions, on DynamoDB Local: a promise that is asked for, handed off, watched.

Contract 4.11 [T]: a renewal counts as done only when a source has seen the new certificate.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.receiver import Receiver, answers
from tests.support.certificates import Authority
from tests.support.database import counted_calls
from tests.support.engine import Clock
from tests.support.functions import Answer, Context, call, forget_wiring, handler, wired
from tests.support.interruptions import KilledError, dying_at
from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    OWNERS,
    POLICIES,
    an_id_in,
    body_of,
    check,
    delete,
    put,
    read,
    text_of,
    unchanged_by,
    walked,
)
from tests.support.inventory_store import Store
from tests.support.rows import a_row, an_id
from tests.support.ssm import PREFIX, a_parameter_store
from tocsin.bootstrap import inventory, renewals, resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Status
from tocsin.errors import PreconditionFailedError
from tocsin.expiry.alert import CYCLE_LENGTH
from tocsin.inventory.certificate import Source
from tocsin.inventory.contacts import People
from tocsin.inventory.lookup import Resolved

pytestmark = pytest.mark.dynamodb_local
JOBS = f"{API}/renewal-jobs"
TAKEN = json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]}).encode()


@dataclass
class Bus:
    """EventBridge, as far as PutEvents goes."""

    receiver: Receiver

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Give all entries that were put, the first one first."""
        return [entry for request in self.receiver.requests for entry in json.loads(request.body)["Entries"]]

    @property
    def details(self) -> list[dict[str, Any]]:
        return [json.loads(entry["Detail"]) for entry in self.entries]


@pytest.fixture
async def bus(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """Let hand-offs arrive at a server of ours."""
    async with a_parameter_store() as ssm, Receiver(answers(200, TAKEN)) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", ssm.client.meta.endpoint_url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", receiver.url(""))
        monkeypatch.setenv("CHANNEL_PREFIX", PREFIX)
        forget_wiring()
        yield Bus(receiver)


async def invoke(function: str, event: object) -> Any:
    """Call a function from a thread: it runs an event loop of its own, and the bus needs this one."""
    return await asyncio.to_thread(handler(function), event, Context())


async def sweep() -> Any:
    """Sweep, as the schedule does: it delivers what no stream has brought."""
    return await invoke("retry_sweep", {})


def hand_offs(store: Store) -> list[Notification]:
    return [row for row in store.rows() if row.type == "RenewalRequested"]


def renew(certificate_id: str, **said: Any) -> Answer:
    return call("POST", f"{CERTIFICATES}/{certificate_id}/renew", said)


def report(job_id: str, state: str, **said: Any) -> Answer:
    return call("POST", f"{JOBS}/{job_id}/report", {"state": state, **said})


def renewed(certificate_id: str, expires_at: datetime = T0 + 90 * DAY) -> Answer:
    """Let a source see another certificate there."""
    url = f"{CERTIFICATES}/{certificate_id}"
    answer = put(url, body_of(CERTIFICATES, expires_at=text_of(expires_at), owner_id=read(url)["owner_id"]))
    assert answer.status == 200, answer.body
    return answer


async def test_asked_for_handed_off_reported_seen(store: Store, clock: Clock, bus: Bus) -> None:
    """Contract 4.11 [T]: asked for, one event, a report, and done when a source has seen it: not before."""
    certificate_id = an_id_in(CERTIFICATES, names=["www.example.com"], serial="0a")
    asked = renew(certificate_id, reason="the key is old")
    assert asked.status == 202, asked.body
    job = asked.json
    assert asked.headers["location"] == f"/api/v1/renewal-jobs/{job['id']}"
    assert (job["state"], job["attempts"], job["deadline"]) == ("requested", 1, text_of(T0 + 24 * HOUR))
    clock.now += timedelta(minutes=3)
    await sweep()
    (entry,) = bus.entries
    assert entry["DetailType"] == "Renewal Requested"
    assert entry["Source"].startswith("tocsin.stack-")
    assert entry["EventBusName"] == entry["Source"].removeprefix("tocsin.")
    (detail,) = bus.details
    (row,) = hand_offs(store)
    assert detail["id"] == row.id
    assert (detail["job_id"], detail["attempt"], detail["certificate_id"]) == (job["id"], 1, certificate_id)
    assert (detail["names"], detail["serial"], detail["reason"]) == (["www.example.com"], "0a", "the key is old")
    assert row.status is Status.SENT
    assert report(job["id"], "started").json["state"] == "started"
    check()
    assert read(f"{JOBS}/{job['id']}")["state"] == "started"
    renewed(certificate_id)
    check()
    assert read(f"{JOBS}/{job['id']}")["state"] == "succeeded"
    await sweep()
    assert len(bus.entries) == 1


async def test_nobody_can_report_success(store: Store, clock: Clock, bus: Bus) -> None:
    """Contract 4.11 [T]: success is only what a source has seen."""
    job = renew(an_id_in(CERTIFICATES)).json
    answer = report(job["id"], "succeeded")
    assert answer.status == 422
    assert "when a source has seen" in answer.json["detail"]


def job_of(certificate_id: str) -> dict[str, Any]:
    """Read the one job of a certificate."""
    (job,) = read(f"{JOBS}?certificate_id={certificate_id}")["items"]
    found: dict[str, Any] = job
    return found


def told(store: Store, type_: str = "RenewalFailure") -> list[str]:
    return [row.message for row in store.rows() if row.type == type_]


def an_owned_certificate(**fields: Any) -> str:
    return an_id_in(CERTIFICATES, owner_id=an_id_in(OWNERS), **fields)


def a_renewing_policy(**fields: Any) -> str:
    return an_id_in(POLICIES, **{"renew_before": 50} | fields)


def check_at(clock: Clock, at: datetime) -> dict[str, Any]:
    clock.now = at
    return check()


def test_asked_for_twice_it_is_the_same_job(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: a cycle has one job, and an attempt one event."""
    certificate_id = an_id_in(CERTIFICATES)
    first, second = renew(certificate_id, reason="a"), renew(certificate_id, reason="b")
    assert (first.status, second.status) == (202, 200)
    assert second.json == first.json
    assert len(hand_offs(store)) == 1
    assert len(store.events("renewal_requested")) == 2, "one line of the job, one of its certificate"


def test_two_requests_at_once_make_one_job_and_one_event(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: whoever is second finds the job of the first."""
    certificate_id = an_id_in(CERTIFICATES)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: renew(certificate_id, reason=str(number)), range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [202]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(hand_offs(store)) == 1


@pytest.mark.parametrize("fields", [{"archived_at": text_of(T0)}])
def test_what_is_put_away_is_not_renewed(store: Store, clock: Clock, fields: dict[str, str]) -> None:
    """Issue 10: a job for an archived certificate is 409, and nothing is written."""
    certificate_id = an_id_in(CERTIFICATES, **fields)
    answer = unchanged_by(store, renew, certificate_id)
    assert (answer.status, "is archived" in answer.json["detail"]) == (409, True)


def test_a_replaced_certificate_is_not_renewed(store: Store, clock: Clock) -> None:
    certificate = store.add(a_certificate(replaced_at=T0, replaced_by="01JOTHER000000000000000000"))
    answer = renew(certificate.id)
    assert (answer.status, "01JOTHER" in answer.json["detail"]) == (409, True)


def test_a_revoked_certificate_is_in_need_of_renewal(store: Store, clock: Clock) -> None:
    certificate_id = an_id_in(CERTIFICATES, revoked_at=text_of(T0))
    assert renew(certificate_id).status == 202
    check_at(clock, T0 + 25 * HOUR)
    assert job_of(certificate_id)["state"] == "overdue"


@pytest.mark.parametrize(
    ("method", "url", "body", "status"),
    [
        ("POST", f"{CERTIFICATES}/unknown/renew", None, 404),
        ("GET", f"{JOBS}/unknown", None, 404),
        ("POST", f"{JOBS}/unknown/cancel", None, 404),
        ("POST", f"{JOBS}/unknown/report", {"state": "started"}, 404),
        ("POST", f"{JOBS}/unknown/report", {"state": "requested"}, 422),
        ("POST", f"{JOBS}/unknown/report", {"state": "started", "pem": "-----BEGIN CERTIFICATE-----"}, 422),
        ("POST", f"{JOBS}/unknown/report", {"state": "started", "detail": "a\nb"}, 422),
        ("GET", f"{JOBS}?state=unknown", None, 422),
        ("POST", f"{CERTIFICATES}/unknown/renew", {"deadline": "2026-02-01T00:00:00Z"}, 422),
        ("POST", f"{CERTIFICATES}/unknown/renew", {"reason": "x" * 513}, 422),
        ("POST", POLICIES, {"name": "a", "renew_before": 0}, 422),
        ("POST", POLICIES, {"name": "a", "renew_before": "101%"}, 422),
        ("POST", POLICIES, {"name": "a", "renew_before": "soon"}, 422),
        ("POST", POLICIES, {"name": "a", "renewal_deadline_hours": 0}, 422),
    ],
)
def test_bad_input_writes_nothing(store: Store, clock: Clock, method: str, url: str, body: object, status: int) -> None:
    assert unchanged_by(store, call, method, url, body).status == status


def test_overdue_is_a_critical_failure_told_once_and_a_late_success_ends_it(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: the commonest outage: all is said to be well, and the old one is still served."""
    certificate_id = an_owned_certificate()
    job_id = renew(certificate_id).json["id"]
    check_at(clock, T0 + HOUR)
    assert report(job_id, "started", detail="all is well").json["state"] == "started"
    check_at(clock, T0 + 23 * HOUR)
    assert told(store) == []
    for hours in (24, 25, 48):
        check_at(clock, T0 + hours * HOUR)
    job = job_of(certificate_id)
    assert (job["state"], job["finished_at"]) == ("overdue", text_of(T0 + 24 * HOUR))
    (message,) = told(store)
    assert "no source has seen that. Last report: started: all is well." in message
    assert job_id in message
    assert {row.severity for row in store.rows() if row.type == "RenewalFailure"} == {"critical"}
    renewed(certificate_id)
    check()
    assert job_of(certificate_id)["state"] == "succeeded"
    (success,) = told(store, "RenewalSuccess")
    assert f"Renewal job {job_id}." in success
    assert read(f"{CERTIFICATES}/{certificate_id}")["renewal"] is None


def test_what_failed_is_handed_off_again_until_attempts_are_spent(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: after 1, 2, 4, 8 hours; five attempts; one RenewalFailure."""
    certificate_id = an_owned_certificate()
    job_id = renew(certificate_id, deadline=text_of(T0 + 40 * HOUR)).json["id"]
    at, pauses = T0, []
    for hours in range(40):
        at = T0 + hours * HOUR
        check_at(clock, at)
        if job_of(certificate_id)["state"] == "requested":
            pauses.append(hours)
            assert report(job_id, "failed", detail="no DNS").json["state"] == "failed"
    assert pauses == [0, 1, 3, 7, 15]
    assert [row.created_at for row in hand_offs(store)] == [T0 + hours * HOUR for hours in pauses]
    job = job_of(certificate_id)
    assert (job["state"], job["attempts"], job["next_hand_off_at"]) == ("failed", 5, None)
    check_at(clock, T0 + 50 * HOUR)
    assert job_of(certificate_id)["state"] == "failed"
    (message,) = told(store)
    assert "Whoever renews it says: failed: no DNS. It is handed off again at" in message
    assert renew(certificate_id).status == 202, "people may ask for more"
    assert job_of(certificate_id)["attempts"] == 6


def test_a_failure_that_waits_for_its_next_attempt_is_overdue_at_the_deadline(store: Store, clock: Clock) -> None:
    certificate_id = an_owned_certificate()
    job_id = renew(certificate_id, deadline=text_of(T0 + 2 * HOUR)).json["id"]
    assert report(job_id, "failed").json["next_hand_off_at"] == text_of(T0 + HOUR)
    check_at(clock, T0 + 3 * HOUR)
    assert job_of(certificate_id)["state"] == "overdue"
    assert len(hand_offs(store)) == 1, "none beyond the deadline"
    assert len(told(store)) == 1


def test_renewed_without_a_word_it_succeeded(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: what is seen counts, whoever did it."""
    certificate_id = an_id_in(CERTIFICATES)
    renew(certificate_id)
    renewed(certificate_id)
    check()
    assert job_of(certificate_id)["state"] == "succeeded"
    assert report(job_of(certificate_id)["id"], "failed").status == 409


def test_a_policy_asks_once_a_cycle_and_again_in_the_next_one(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: at `renew_before`, however often the check runs."""
    policy = a_renewing_policy(renew_before=30)
    certificate_id = an_id_in(CERTIFICATES, policy_id=policy)
    for hours in (0, 14 * 24, 15 * 24 - 1):
        check_at(clock, T0 + hours * HOUR)
    assert hand_offs(store) == []
    for hours in (0, 1, 2):
        check_at(clock, T0 + 15 * DAY + hours * HOUR)
    (row,) = hand_offs(store)
    assert (row.created_by, row.created_at) == ("expiry_check", T0 + 15 * DAY)
    assert job_of(certificate_id)["deadline"] == text_of(T0 + 16 * DAY)
    put(f"{CERTIFICATES}/{certificate_id}", body_of(CERTIFICATES, expires_at=text_of(T0 + 60 * DAY), policy_id=policy))
    check()
    assert len(hand_offs(store)) == 1
    check_at(clock, T0 + 30 * DAY)
    assert len(hand_offs(store)) == 2
    states = [job["state"] for job in read(f"{JOBS}?certificate_id={certificate_id}")["items"]]
    assert states == ["requested", "succeeded"]


def test_a_policy_that_begins_to_renew_is_heard_of_by_the_next_check(store: Store, clock: Clock) -> None:
    policy = an_id_in(POLICIES)
    an_id_in(CERTIFICATES, policy_id=policy)
    check()
    assert put(f"{POLICIES}/{policy}", {"name": "a policy", "renew_before": "60%"}).json["renew_before"] == "60%"
    check_at(clock, T0 + HOUR)
    assert len(hand_offs(store)) == 1


def test_a_cancelled_job_is_never_asked_for_again_but_by_people(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: what somebody cancelled, the policy leaves alone for the rest of the cycle."""
    certificate_id = an_id_in(CERTIFICATES, policy_id=a_renewing_policy())
    check()
    job_id = job_of(certificate_id)["id"]
    cancelled = call("POST", f"{JOBS}/{job_id}/cancel", {"reason": "retired"})
    assert (cancelled.json["state"], cancelled.json["last_report"]) == ("cancelled", "cancelled: retired")
    assert call("POST", f"{JOBS}/{job_id}/cancel").status == 409
    for hours in (1, 24, 30 * 24):
        check_at(clock, T0 + hours * HOUR)
    assert len(hand_offs(store)) == 1
    assert told(store) == []
    assert renew(certificate_id).status == 202
    assert job_of(certificate_id)["attempts"] == 2


async def test_the_hand_off_of_a_cancelled_job_is_not_sent(store: Store, clock: Clock, bus: Bus) -> None:
    """Contract 4.11 [T]: asked again just before it goes, like every alert."""
    job_id = renew(an_id_in(CERTIFICATES)).json["id"]
    call("POST", f"{JOBS}/{job_id}/cancel")
    clock.now += timedelta(minutes=3)
    await sweep()
    assert bus.entries == []
    (row,) = hand_offs(store)
    assert (row.status, row.last_error) == (Status.SUPERSEDED, "the renewal job is cancelled")


async def test_no_document_of_an_operator_leads_a_hand_off_astray(
    store: Store, clock: Clock, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 4.11 [T]: a channel EventBridge that is broken, or goes elsewhere, is for alerts."""
    for document in ({"bus": "not a bus"}, {"bus": "another", "source": "elsewhere"}):
        async with a_parameter_store(EventBridge=document) as ssm:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", str(ssm.client.meta.endpoint_url))
            forget_wiring()
            renew(an_id_in(CERTIFICATES))
            clock.now += timedelta(minutes=3)
            await sweep()
    stack = resources.settings().stack
    assert [(entry["EventBusName"], entry["Source"]) for entry in bus.entries] == [(stack, f"tocsin.{stack}")] * 2


async def test_a_hand_off_that_somebody_wrote_into_the_table_dies_and_says_why(
    store: Store, clock: Clock, bus: Bus
) -> None:
    for number, message in enumerate(("", "[]", '"x"', "[" * 10_000)):
        row = a_row(id=an_id(number + 1), type="RenewalRequested", channel=ChannelName.EVENTBRIDGE, message=message)
        store.notifications.insert(replace(row, recipient="", created_at=T0, updated_at=T0, due_at=T0))
    clock.now += timedelta(minutes=3)
    await sweep()
    assert bus.entries == []
    assert {row.status for row in hand_offs(store)} <= {Status.DEAD, Status.SUPERSEDED}


async def test_a_dead_hand_off_is_requeued_and_goes_out_late(store: Store, clock: Clock, bus: Bus) -> None:
    """Contract 4.11 [T]: claim, retry, dead letter, requeue: a hand-off is a notification like any other."""
    bus.receiver.behaviour = answers(500, b"{}")
    certificate_id = an_id_in(CERTIFICATES)
    renew(certificate_id)
    for _ in range(6):
        clock.now += HOUR
        await sweep()
    (row,) = hand_offs(store)
    assert (row.status, row.retry_count) == (Status.DEAD, 4)
    check_at(clock, T0 + 25 * HOUR)
    assert job_of(certificate_id)["state"] == "overdue"
    bus.receiver.behaviour = answers(200, TAKEN)
    bus.receiver.requests.clear()
    assert call("POST", f"{API}/notifications/{row.id}/requeue").status == 200
    clock.now += HOUR
    await sweep()
    (detail,) = bus.details
    assert (detail["id"], detail["attempt"]) == (row.id, 1)


def test_an_archived_certificates_job_is_given_up_and_comes_back_with_it(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: nobody waits for the renewal of what is put away."""
    policy = a_renewing_policy()
    certificate_id = an_id_in(CERTIFICATES, policy_id=policy)
    check()
    url = f"{CERTIFICATES}/{certificate_id}"
    put(url, body_of(CERTIFICATES, policy_id=policy, archived_at=text_of(T0)))
    check()
    job = job_of(certificate_id)
    assert (job["state"], job["finished_by"], job["last_report"]) == (
        "cancelled",
        "expiry_check",
        "the certificate is archived",
    )
    assert read(url)["renewal"] is None
    put(url, body_of(CERTIFICATES, policy_id=policy))
    check()
    assert (job_of(certificate_id)["state"], job_of(certificate_id)["attempts"]) == ("requested", 2)


def test_a_deleted_certificates_job_is_closed_with_it(store: Store, clock: Clock) -> None:
    certificate_id = an_id_in(CERTIFICATES)
    job_id = renew(certificate_id).json["id"]
    assert delete(f"{CERTIFICATES}/{certificate_id}").status == 204
    job = read(f"{JOBS}/{job_id}")
    assert (job["state"], job["last_report"]) == ("cancelled", "the certificate was deleted")
    assert read(f"{JOBS}?state=requested")["items"] == []
    assert [one["id"] for one in read(f"{JOBS}?state=cancelled")["items"]] == [job_id]
    assert report(job_id, "started").status == 409


def test_an_earlier_certificate_takes_the_place_of_the_one_that_was_to_be_renewed(store: Store, clock: Clock) -> None:
    """An endpoint that flaps: the job of a cycle that is gone is given up, and asked for anew when that is back."""
    policy = a_renewing_policy(renew_before=100)
    certificate_id = an_id_in(CERTIFICATES, policy_id=policy)
    check()

    def shows(days: int) -> list[tuple[str, int, str]]:
        body = body_of(CERTIFICATES, policy_id=policy, expires_at=text_of(T0 + days * DAY))
        clock.now += timedelta(minutes=1)
        assert put(f"{CERTIFICATES}/{certificate_id}", body).status == 200
        return checked()

    def checked() -> list[tuple[str, int, str]]:
        check()
        jobs = read(f"{JOBS}?certificate_id={certificate_id}")["items"]
        return [(job["expires_at"], job["attempts"], job["state"]) for job in jobs]

    late, early = text_of(T0 + 45 * DAY), text_of(T0 + 20 * DAY)
    assert shows(20) == [(late, 1, "cancelled"), (early, 1, "requested")]
    assert shows(45) == [(late, 1, "cancelled"), (early, 1, "succeeded")], "it was renewed just now"
    clock.now += DAY
    assert checked() == [(late, 2, "requested"), (early, 1, "succeeded")]
    assert shows(20) == [(late, 2, "cancelled"), (early, 1, "succeeded")], (
        "what was renewed once is not asked for again"
    )


def test_what_was_issued_is_awaited_at_the_place_that_shows_it(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: a report names the certificate; its private key is neither read nor kept."""
    certificate = store.add(a_certificate(source=Source.TLS, source_ref="api.example.com:443"))
    job_id = renew(certificate.id).json["id"]
    issued = Authority().issued(not_before=T0, not_after=T0 + 90 * DAY)
    said = report(job_id, "started", pem=issued.key_pem + issued.pem).json
    assert said["reported_identity"].endswith(f"@{int((T0 + 90 * DAY).timestamp())}")
    awaited = store.inventory.certificates.get(certificate.id).awaited
    assert awaited is not None
    assert (awaited.identity, awaited.origin) == (said["reported_identity"], f"renewal_job/{job_id}")
    assert "PRIVATE" not in repr([store.items(table) for table in store.names])


def test_a_report_of_an_old_certificate_is_refused(store: Store, clock: Clock) -> None:
    """What does not outlive the certificate that is to be renewed is no renewal of it."""
    job_id = renew(an_id_in(CERTIFICATES)).json["id"]
    issued = Authority().issued(not_before=T0 - 50 * DAY, not_after=T0 + 40 * DAY)
    answer = unchanged_by(store, report, job_id, "started", pem=issued.pem)
    assert (answer.status, answer.fields) == (422, {"pem"})


def test_the_list_by_state_and_certificate_and_page(store: Store, clock: Clock) -> None:
    ids = [an_id_in(CERTIFICATES, common_name=f"{number}.example.com") for number in range(7)]
    jobs = []
    for certificate_id in ids:
        clock.now += timedelta(minutes=1)
        jobs.append(renew(certificate_id).json["id"])
    report(jobs[0], "started")
    report(jobs[1], "failed")
    call("POST", f"{JOBS}/{jobs[2]}/cancel")
    assert [job["id"] for job in walked(JOBS)] == jobs[::-1], "the newest first"
    for state, wanted in (("started", jobs[:1]), ("failed", jobs[1:2]), ("cancelled", jobs[2:3]), ("overdue", [])):
        assert [job["id"] for job in walked(f"{JOBS}?state={state}")] == wanted
    assert [job["id"] for job in walked(f"{JOBS}?certificate_id={ids[3]}&state=requested")] == [jobs[3]]
    cursor = read(f"{JOBS}?limit=2")["next_cursor"]
    assert call("GET", f"{JOBS}?state=failed&cursor={cursor}").status == 400


def test_the_certificate_and_its_explanation_show_the_job(store: Store, clock: Clock) -> None:
    certificate_id = an_id_in(CERTIFICATES, policy_id=a_renewing_policy(renew_before=10))
    assert read(f"{CERTIFICATES}/{certificate_id}")["renewal"] is None
    before = read(f"{CERTIFICATES}/{certificate_id}/explain")
    assert before["renewal"] is None
    assert "Its renewal is asked for at 2026-04-05 12:00:00 UTC." in before["summary"]
    job = renew(certificate_id).json
    shown = read(f"{CERTIFICATES}/{certificate_id}")["renewal"]
    assert (shown["job_id"], shown["look_at"]) == (job["id"], job["deadline"])
    explained = read(f"{CERTIFICATES}/{certificate_id}/explain")
    assert explained["renewal"] == job
    assert f"Renewal job {job['id']}: requested, to be seen by 2026-03-02 12:00:00 UTC." in explained["summary"]


def test_a_job_that_cannot_be_read_keeps_nobody_from_being_alerted(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: whatever happens to a job, the alert of the expiry goes out."""
    certificate_id = an_owned_certificate()
    job_id = renew(certificate_id).json["id"]
    store.client.delete_item(
        TableName=store.names["Inventory"], Key={"pk": {"S": f"renewal_job#{job_id}"}, "sk": {"S": "record"}}
    )
    check_at(clock, T0 + 31 * DAY)
    assert store.tags(certificate_id) != []


RENEWAL_ACTIONS = {
    *("renewal_requested", "renewal_reported", "renewal_succeeded", "renewal_overdue", "renewal_cancelled")
}


def is_write(operation: str) -> bool:
    return operation.startswith(("Put", "Update", "Delete", "Transact", "BatchWrite", "Execute", "BatchExecute"))


def is_whole(store: Store, certificate_id: str) -> None:
    """Check that each step left all of itself: the job, its certificate, its hand-offs, its lines in the trail."""
    items = [item for item in store.items("Inventory") if item["pk"]["S"].startswith("renewal_job#")]
    jobs = {item["id"]["S"]: renewals.jobs().read(item["id"]["S"]) for item in items}
    lines = [item for item in store.items("Audit") if item["action"]["S"] in RENEWAL_ACTIONS]
    of_jobs = Counter(item["resource"]["S"].removeprefix("renewal_job/") for item in lines)
    assert of_jobs.pop(f"certificate/{certificate_id}", 0) == of_jobs.total()
    assert of_jobs == {job.id: job.version for job in jobs.values()}
    handed_off = Counter(json.loads(row.message)["job_id"] for row in hand_offs(store))
    assert handed_off == {job.id: job.attempts for job in jobs.values()}
    renewal = store.inventory.certificates.get(certificate_id).renewal
    assert {job.id for job in jobs.values() if job.is_open} <= {renewal.job_id if renewal else None}
    assert renewal is None or renewal == jobs[renewal.job_id].pending


@dataclass(frozen=True)
class Scene:
    """Something that is killed: what is there before, what is done, and how the job is once it was done again."""

    before: Callable[[str], object]
    act: Callable[[str], object]
    state: str
    attempts: int = 1
    hours: int = 0
    """When it is done."""


SCENES = {
    "asked for": Scene(lambda _id: None, renew, "requested"),
    "reported": Scene(renew, lambda id_: report(job_of(id_)["id"], "failed"), "failed"),
    "cancelled": Scene(renew, lambda id_: call("POST", f"{JOBS}/{job_of(id_)['id']}/cancel"), "cancelled"),
    "handed off again": Scene(
        lambda id_: report(renew(id_).json["id"], "failed"), lambda _id: check(), "requested", attempts=2, hours=1
    ),
    "overdue": Scene(renew, lambda _id: check(), "overdue", hours=24),
    "seen": Scene(lambda id_: [renew(id_), renewed(id_)], lambda _id: check(), "succeeded"),
    "asked for by a policy": Scene(lambda _id: None, lambda _id: check(), "requested", hours=40 * 24),
}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_killed_between_any_two_writes(
    dynamodb_endpoint: str,
    clock: Clock,
    scene: Scene,
    after: bool,
) -> None:
    """Contract 4.11 [T]: a crash leaves all of a step, or nothing; done again, it is done once."""
    for write in range(100):
        with wired(dynamodb_endpoint) as store:
            clock.now = T0
            certificate_id = an_id_in(CERTIFICATES, policy_id=a_renewing_policy(renew_before=10))
            scene.before(certificate_id)
            clock.now = T0 + scene.hours * HOUR
            try:
                with dying_at(resources.dynamodb(), write, after=after, counting=is_write):
                    scene.act(certificate_id)
            except KilledError:
                is_whole(store, certificate_id)
                clock.now += timedelta(minutes=10)  # the lease of the dead is over
                scene.act(certificate_id)
                is_whole(store, certificate_id)
            else:
                is_done(store, certificate_id, scene)
                return
            is_done(store, certificate_id, scene)
    pytest.fail("it never came to its end")


def is_done(store: Store, certificate_id: str, scene: Scene) -> None:
    is_whole(store, certificate_id)
    job = job_of(certificate_id)
    assert (job["state"], job["attempts"]) == (scene.state, scene.attempts)


@dataclass
class Life:
    """One certificate to which things happen, each by its name."""

    clock: Clock
    dice: random.Random
    latest: datetime = T0 + 45 * DAY

    def __post_init__(self) -> None:
        self.policy = a_renewing_policy(renew_before=self.dice.choice([20, 40, "ari"]))
        self.owner = an_id_in(OWNERS)
        self.id = an_id_in(CERTIFICATES, policy_id=self.policy, owner_id=self.owner)

    def jobs(self) -> list[dict[str, Any]]:
        """Give its jobs, the latest cycle first."""
        found: list[dict[str, Any]] = read(f"{JOBS}?certificate_id={self.id}")["items"]
        return found

    def ask(self) -> None:
        renew(self.id)

    def started(self) -> None:
        self._say("started")

    def failed(self) -> None:
        self._say("failed")

    def _say(self, state: str) -> None:
        for job in self.jobs()[:1]:
            answer = report(job["id"], state, attempt=self.dice.choice([None, job["attempts"], 1]))
            assert answer.status == (409 if job["state"] in {"succeeded", "cancelled"} else 200)

    def cancel(self) -> None:
        for job in self.jobs()[:1]:
            call("POST", f"{JOBS}/{job['id']}/cancel")

    def later(self) -> None:
        self.latest = max(self.latest, self.clock.now) + 30 * DAY
        self._is(self.latest)

    def earlier(self) -> None:
        self._is(T0 + 45 * DAY)

    def away(self) -> None:
        self._is(self.latest, archived_at=text_of(self.clock.now))

    def back(self) -> None:
        self._is(self.latest)

    def check(self) -> None:
        check()

    def _is(self, expires_at: datetime, **fields: Any) -> None:
        said = {"expires_at": text_of(expires_at), "policy_id": self.policy, "owner_id": self.owner}
        assert put(f"{CERTIFICATES}/{self.id}", body_of(CERTIFICATES, **said, **fields)).status == 200


HAPPENS = ("ask", "ask", "started", "failed", "failed", "cancel", "later", "earlier", "away", "back", *["check"] * 8)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_in_whatever_order(store: Store, clock: Clock, seed: int) -> None:
    """Contract 4.11 [T]: each step whole, no success that nobody saw, and a failure told once a cycle."""
    life = Life(clock, random.Random(seed))
    for _ in range(40):
        clock.now += life.dice.choice([timedelta(minutes=1), HOUR, 5 * HOUR, 25 * HOUR])
        getattr(life, life.dice.choice(HAPPENS))()
        is_whole(store, life.id)
    assert all(job["expires_at"] < text_of(life.latest) for job in life.jobs() if job["state"] == "succeeded")
    cycles = [row.id[:CYCLE_LENGTH] for row in store.rows() if row.type == "RenewalFailure"]
    assert len(cycles) == len(set(cycles))


def test_two_checks_at_once_ask_once(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: two that both look, because a lease ran out, make one event."""
    certificate_id = an_id_in(CERTIFICATES)
    certificate = store.inventory.certificates.get(certificate_id)
    policy = a_policy(renew_before=50)
    resolved = Resolved(policy, People(), ())

    def look(_number: int) -> str:
        try:
            return str(
                renewals.renewals(lambda _row: None, inventory.lifecycle()).look(certificate, resolved, T0).version
            )
        except PreconditionFailedError:
            return "stale"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(look, range(4))) == ["2", "stale", "stale", "stale"]
    assert len(hand_offs(store)) == 1
    is_whole(store, certificate_id)


def test_what_is_not_due_costs_the_check_nothing(store: Store, clock: Clock) -> None:
    """Contract 4.11 [T]: requests follow what is due: jobs that wait are not read."""
    policy = a_renewing_policy()
    for number in range(20):
        an_id_in(CERTIFICATES, common_name=f"{number}.example.com", policy_id=policy)
    check()
    assert len(hand_offs(store)) == 20
    check_at(clock, T0 + HOUR)
    with counted_calls(resources.dynamodb()) as calls:
        assert check_at(clock, T0 + 2 * HOUR)["looked_at"] == 0
    assert sum(calls.values()) <= 10, calls
