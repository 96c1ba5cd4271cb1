"""The sign of life to a watcher outside, after each run of a scheduled function that finished."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.receiver import Behaviour, Receiver, answers, silent
from tests.support.channels import reaching
from tests.support.emf import blobs_in
from tests.support.functions import Context, forget_wiring, handler
from tests.support.inventory_store import Store
from tests.support.ssm import FakeSsm, a_parameter_store
from tests.unit.network.test_address import FORBIDDEN
from tocsin.bootstrap import resources
from tocsin.channels.heartbeat import HeartbeatFailedError, beat, url_for
from tocsin.delivery.recipient import Reach
from tocsin.storage.lease import Lease

PARAMETER = "/tocsin/heartbeat"
JOBS = ("retry_sweep", "expiry_check", "source_sync")
SHORT = 0.2
"""Seconds."""


@pytest.fixture
async def ssm(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeSsm]:
    """Give the functions a Parameter Store, and reach this machine."""
    async with a_parameter_store() as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", fake.client.meta.endpoint_url)
        monkeypatch.setenv("HEARTBEAT_PARAMETER", PARAMETER)
        monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
        monkeypatch.setenv("READ_ACM", "no")
        forget_wiring()
        yield fake


def failures(output: str) -> list[float]:
    """What a function said of beats that failed."""
    return [value for blob in blobs_in(output) for value in blob.values.get("HeartbeatFailed", [])]


async def run(job: str, event: dict[str, Any] | None = None) -> Any:
    return await asyncio.to_thread(handler(job), event or {}, Context())


@pytest.mark.parametrize("job", JOBS)
async def test_a_run_that_finished_gives_a_sign_of_life(job: str, ssm: FakeSsm) -> None:
    """Contract 3.9 [T]: each job has a URL of its own, and is asked for once a run."""
    async with Receiver(answers(200)) as watcher:
        ssm.parameters[PARAMETER] = json.dumps({name: watcher.url(f"/{name}") for name in JOBS})
        await run(job)
    assert [(request.method, request.path, request.body) for request in watcher.requests] == [("GET", f"/{job}", b"")]


async def test_a_run_that_did_nothing_or_a_part_gives_none(ssm: FakeSsm, store: Store) -> None:
    """The watcher hears of runs that finished: another one is running, or this is a part of one."""
    lease = Lease(store.client, store.names["Notifications"], "source_sync", "another")
    now = resources.now()
    assert lease.take(now, now.replace(year=now.year + 1))
    async with Receiver(answers(200)) as watcher:
        ssm.parameters[PARAMETER] = json.dumps({name: watcher.url(f"/{name}") for name in JOBS})
        assert (await run("source_sync"))["skipped"]
        await run("retry_sweep", {"shards": [0, 1]})
    assert watcher.requests == []


async def test_a_run_that_crashed_gives_none(ssm: FakeSsm, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver(answers(200)) as watcher:
        ssm.parameters[PARAMETER] = json.dumps({"retry_sweep": watcher.url("/retry_sweep")})
        monkeypatch.setenv("NOTIFICATIONS_TABLE", "gone")
        forget_wiring()
        with pytest.raises(Exception, match="ResourceNotFound"):
            await run("retry_sweep")
    assert watcher.requests == []


@pytest.mark.parametrize(
    "document", [None, "{}", '{"expiry_check": "https://example.com"}'], ids=["none", "empty", "of another job"]
)
async def test_nobody_watches(document: str | None, ssm: FakeSsm, capsys: pytest.CaptureFixture[str]) -> None:
    if document is not None:
        ssm.parameters[PARAMETER] = document
    await run("retry_sweep")
    assert failures(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("behaviour", "why"), [(answers(500), "HTTP 500"), (answers(302, Location="http://127.0.0.1/"), "HTTP 302")]
)
async def test_a_watcher_that_is_not_well_hurts_nobody(
    behaviour: Behaviour, why: str, ssm: FakeSsm, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract 3.9 [T]: the run is as it was; a metric and the log say that nobody was told, and nothing of the URL."""
    async with Receiver(behaviour) as watcher:
        ssm.parameters[PARAMETER] = json.dumps({"retry_sweep": watcher.url("/s3cret-s3cret")})
        assert (await run("retry_sweep"))["skipped"] is False
    said = capsys.readouterr().out
    assert failures(said) == [1]
    assert why in said
    assert "s3cret" not in said


@pytest.mark.parametrize("document", ["no JSON", "[]", '{"sweep": "https://a"}', '{"retry_sweep": 7}'])
async def test_a_document_that_cant_be_used_is_said(
    document: str, ssm: FakeSsm, capsys: pytest.CaptureFixture[str]
) -> None:
    ssm.parameters[PARAMETER] = document
    await run("retry_sweep")
    assert failures(capsys.readouterr().out) == [1]


async def test_a_parameter_that_cant_be_read_is_said(ssm: FakeSsm, capsys: pytest.CaptureFixture[str]) -> None:
    ssm.failing[PARAMETER] = "AccessDeniedException"
    await run("retry_sweep")
    assert failures(capsys.readouterr().out) == [1]


async def test_a_hung_watcher_is_left_at_the_deadline() -> None:
    async with Receiver(silent()) as watcher:
        with pytest.raises(HeartbeatFailedError, match="TimeoutError"):
            await asyncio.to_thread(beat, watcher.url(), reaching(), deadline=SHORT)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_beat_goes_where_no_webhook_may(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(HeartbeatFailedError, match="retry_sweep"):
        url_for("retry_sweep", json.dumps({"retry_sweep": f"https://{host}/x"}), Reach())
