"""Contract 3.8 [T]: runs of bulk requeue that are killed (`os._exit`) in real processes, and how many rows they take.

`TOCSIN_REQUEUE_ROWS=100000 .venv/bin/pytest -n0 -s tests/integration/functions/test_requeue_killed.py` prints rows a
second and memory for 100,000.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from build.toolchain import ROOT
from tests.support.database import Database
from tests.support.doomed_requeue import KILLED
from tests.support.inventory_store import Store
from tests.support.requeueing import Left, a_dead_one, dead_letters, fill, run, started, the_job
from tests.support.rows import an_id, in_status
from tocsin.bootstrap import requeueing
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Status
from tocsin.delivery.requeue_run import BATCH

ROWS = int(os.environ.get("TOCSIN_REQUEUE_ROWS", "10000"))


@pytest.fixture(autouse=True)
def at_full_speed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no run be started by itself, and none wait for its pace."""
    monkeypatch.setattr(requeueing, "_start_a_run", lambda: None)
    monkeypatch.setenv("REQUEUE_RATE", "1000000")


def work(stack: Database, name: str, doomed_at: int = 0, when: str = "before", looked_at: int = 0) -> Any:
    """Let a run work in its own process, a minute after the one before: its lease ran out. Null: it was killed."""
    stack.client.delete_item(TableName=stack.name, Key={"id": {"S": "lease#requeue"}})
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "tocsin")))
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.doomed_requeue", name, str(doomed_at), when, str(looked_at)],
        env=os.environ | {"PYTHONPATH": path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == KILLED:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_run_that_is_killed_leaves_nothing_half_done(stack: Database, store: Store) -> None:
    """Before a batch is sent, and after it was written but not yet noted: the next run goes on, and counts right."""
    fill(stack, dead_letters(10 * BATCH))
    job = started()
    assert work(stack, "run-1", 1, "before") is None
    assert (the_job(job["id"])["state"], the_job(job["id"])["requeued"]) == ("queued", 0)
    assert work(stack, "run-2", 3, "before") is None
    assert (the_job(job["id"])["state"], the_job(job["id"])["requeued"]) == ("running", 2 * BATCH)
    assert Left.of(store).requeued == 2 * BATCH
    assert work(stack, "run-3", 3, "after") is None
    assert the_job(job["id"])["requeued"] == Left.of(store).requeued == 5 * BATCH
    assert work(stack, "run-4")["counts"]["requeued"] == 5 * BATCH
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["passed_over"]) == ("done", 10 * BATCH, 0)
    assert Left.of(store).requeued == 10 * BATCH


@pytest.mark.parametrize(("number", "when", "requeued"), [(1, "before", 0), (1, "after", 46), (2, "after", 55)])
def test_the_counts_of_a_job_by_ids_are_right_wherever_its_run_is_killed(
    stack: Database, store: Store, number: int, when: str, requeued: int
) -> None:
    """Also after the last batch, which ends the job: of 58 ids one is true no more, and two are dead no more."""
    rows, sent = list(dead_letters(55)), [in_status(Status.SENT) for _ in range(2)]
    over = replace(a_dead_one(channel=ChannelName("PagerDuty"), recipient=""), resolved_by=an_id())
    fill(stack, [*rows, *sent, over])
    job = started(ids=[sent[0].id, sent[1].id, over.id, *(row.id for row in rows)])
    assert work(stack, "run-1", number, when) is None
    assert the_job(job["id"])["requeued"] == requeued
    work(stack, "run-2")
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["superseded"], done["passed_over"]) == ("done", 55, 1, 2)
    assert Left.of(store).requeued == 55


def test_a_lease_that_a_killed_run_left_holds_the_next_one_up_for_a_minute_at_most(stack: Database) -> None:
    fill(stack, dead_letters(10))
    started()
    assert work(stack, "run-1", 1) is None
    assert run("run-2") == {"skipped": True}
    held = stack.item("lease#requeue")
    stack.put(held | {"held_until": {"N": str(int(held["held_until"]["N"]) - 60_000)}})
    assert run("run-3")["requeued"] == 10


@pytest.mark.timeout(900)
def test_many_rows_take_no_more_memory_than_few(stack: Database, store: Store) -> None:
    """Half of them by a run that is killed, the others by the next one; each once."""
    fill(stack, dead_letters(ROWS))
    job = started()
    assert (job["expected"], job["is_exact"]) == (ROWS, True)
    batches = ROWS // BATCH
    assert work(stack, "run-1", batches // 2) is None
    before = the_job(job["id"])["requeued"]
    assert before == (batches // 2 - 1) * BATCH
    ran = work(stack, "run-2", looked_at=batches // 20)
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["passed_over"]) == ("done", ROWS, 0)
    assert ran["counts"]["requeued"] == ROWS - before
    assert Left.of(store).requeued == ROWS
    rate = (ROWS - before) / ran["seconds"]
    sys.stdout.write(
        f"\n{ROWS:,} rows, {rate:.0f} a second; {ran['early']} KB at a tenth of a run, {ran['peak']} KB at its end\n"
    )
    assert ran["peak"] - ran["early"] < 8 * 1024, "memory does not grow with the rows"
