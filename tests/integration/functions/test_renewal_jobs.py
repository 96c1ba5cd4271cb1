"""Renewal jobs through the real functions, on DynamoDB Local: a promise that is asked for, handed off, watched.

Contract 4.11 [T]: a renewal counts as done only when a source has seen the new certificate.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.receiver import Receiver, answers
from tests.support.engine import Clock
from tests.support.functions import Answer, Context, call, forget_wiring, handler
from tests.support.inventory import DAY, HOUR, T0
from tests.support.inventory_api import API, CERTIFICATES, an_id_in, body_of, check, put, read, text_of
from tests.support.inventory_store import Store
from tests.support.ssm import PREFIX, a_parameter_store
from tocsin.delivery.notification import Notification, Status

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


def renewed(certificate_id: str, expires_at: datetime = T0 + 90 * DAY) -> None:
    """Let a source see another certificate there."""
    assert put(f"{CERTIFICATES}/{certificate_id}", body_of(CERTIFICATES, expires_at=text_of(expires_at))).status == 200


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
