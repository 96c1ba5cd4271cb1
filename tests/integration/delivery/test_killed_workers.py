"""Workers that are killed (`os._exit`) in real processes, against DynamoDB Local and a real receiver."""

import asyncio
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from local.receiver import Receiver, answers
from tests.support.database import Database
from tests.support.doomed_worker import KILLED
from tests.support.rows import NOW, POLICY, a_row
from tocsin.delivery.attempt import AttemptClass
from tocsin.delivery.notification import Status

ROOT = Path(__file__).parents[3]


async def work(database: Database, id_: str, url: str, now: datetime, step: str) -> int | None:
    """Let a worker run in its own process; its exit code."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "tocsin")))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.doomed_worker", database.endpoint, database.name, id_, url, now.isoformat(), step),
        env=os.environ | {"PYTHONPATH": path},
        cwd=ROOT,
    )
    return await process.wait()


@pytest.mark.parametrize(("step", "requests"), [("claimed", 0), ("sent", 1)])
async def test_a_killed_worker_s_row_is_due_again_and_arrives_with_one_copy_at_most(
    database: Database, step: str, requests: int
) -> None:
    """Contract 2.10 [T]: a claim whose holder died runs out, counts as an attempt of unknown outcome; due again."""
    async with Receiver(answers(204)) as receiver:
        row = a_row(recipient=receiver.url())
        database.fill([row])
        assert await work(database, row.id, receiver.url(), NOW, step) == KILLED
        assert len(receiver.requests) == requests
        held = database.table.get(row.id)
        assert held.claimed_until is not None
        assert held.status is Status.PENDING

        during = held.claimed_until - timedelta(seconds=1)
        assert await work(database, row.id, receiver.url(), during, "none") == 0
        assert len(receiver.requests) == requests, "nobody else sends while the claim stands"

        after = held.claimed_until + POLICY.claim_margin
        assert [due.id for due in database.table.due(after, 10)] == [row.id]
        assert await work(database, row.id, receiver.url(), after, "none") == 0

    arrived = database.table.get(row.id)
    assert (arrived.status, arrived.retry_count) == (Status.SENT, 1)
    assert [attempt.result for attempt in arrived.attempts] == [AttemptClass.UNKNOWN, AttemptClass.DELIVERED]
    assert [attempt.number for attempt in arrived.attempts] == [1, 2]
    assert len(receiver.requests) == requests + 1
    assert {request.headers["webhook-id"] for request in receiver.requests} == {row.id}


async def test_a_row_that_kills_every_worker_runs_out_of_attempts(database: Database) -> None:
    """Design 2: the claim counts the attempt, so a row that kills its workers is dead after five."""
    row = a_row()
    database.fill([row])
    now = NOW
    for _ in range(5):
        assert await work(database, row.id, "http://127.0.0.1:9/", now, "claimed") == KILLED
        claimed_until = database.table.get(row.id).claimed_until
        assert claimed_until is not None
        now = claimed_until + timedelta(seconds=1)
    assert await work(database, row.id, "http://127.0.0.1:9/", now, "claimed") == 0
    dead = database.table.get(row.id)
    assert (dead.status, len(dead.attempts)) == (Status.DEAD, 5)
    assert {attempt.result for attempt in dead.attempts} == {AttemptClass.UNKNOWN}
