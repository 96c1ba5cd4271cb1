"""Back from a disaster, by the runbook: pause, restore, adopt, look, go on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from build.restore import take_over_what_is_done
from build.toolchain import ROOT
from local.embedded import down, up
from local.receiver import Receiver, answers
from local.stack import Stack
from tests.e2e.test_life import created, is_now
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # it deploys three times
QUICK = {"BackoffBaseSeconds": "1", "PendingGraceSeconds": "3", "ClaimMarginSeconds": "5"}
PATIENT = {"MaxAttempts": "20", "BackoffCapSeconds": "8"}
"""What fails is owed for minutes, and due within seconds: however long a deployment takes."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The state of an embedded AWS of its own: other tests need theirs running."""
    yield tmp_path
    down(tmp_path)


def deployed(state: Path, **parameters: str) -> Stack:
    return up(state, parameters=QUICK | PATIENT | parameters, scheduler_speed=30)


def restored(stack: Stack) -> dict[str, str]:
    """Run the script as an operator does, and read the parameters that it prints."""
    command = [sys.executable, "-m", "build.restore", stack.name, "latest"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | stack.variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pairs = dict(pair.split("=", 1) for pair in done.stdout.split())
    return {"".join(part.title() for part in name.split("_")): value for name, value in pairs.items()}


def sweep(stack: Stack) -> bytes:
    answer: bytes = stack.client("lambda").invoke(FunctionName=f"{stack.name}-retry-sweep:live")["Payload"].read()
    return answer


def test_a_paused_stack_accepts_keeps_and_sends_nothing_and_goes_on_with_restored_tables(
    state: Path, receiver: Receiver
) -> None:
    """Contract 2.13 [T]; the runbook's "Restore"."""
    stack = deployed(state)
    receiver.behaviour = answers(503)
    failing = created(stack, recipient=receiver.url("/failing"))["id"]
    is_now(stack, failing, "failed")
    stack = deployed(state, Paused="yes")
    receiver.behaviour = answers(204)
    receiver.requests.clear()
    kept = created(stack, recipient=receiver.url("/kept"))["id"]
    swept = until(lambda: sweep(stack), is_right=lambda answer: b'"left": 2' in answer)
    assert b'"settled": 0' in swept
    assert not receiver.requests

    adopted = restored(stack)
    before = stack.outputs["NotificationsTable"]
    stack = deployed(state, Paused="yes", **adopted)
    assert stack.outputs["NotificationsTable"] == adopted["NotificationsTableName"] != before
    listed = stack.api.request("GET", "/api/v1/notifications").json()["items"]
    assert {row["id"]: row["status"] for row in listed} == {failing: "failed", kept: "pending"}
    assert not receiver.requests

    stack = deployed(state, **adopted)
    is_now(stack, failing, "sent")
    is_now(stack, kept, "sent")
    late = created(stack, recipient=receiver.url("/late"))["id"]
    is_now(stack, late, "sent")
    assert sorted(request.path for request in receiver.requests) == ["/failing", "/kept", "/late"]


def test_what_was_done_since_is_not_owed_again(stack: Stack, receiver: Receiver) -> None:
    """A row that the restored table still owes, and the old one has delivered, is taken over as it is."""

    sent = created(stack, recipient=receiver.url())["id"]
    is_now(stack, sent, "sent")
    dynamodb, old = stack.client("dynamodb"), stack.outputs["NotificationsTable"]
    new = f"{old}-earlier"
    dynamodb.restore_table_to_point_in_time(SourceTableName=old, TargetTableName=new, UseLatestRestorableTime=True)
    key = {"id": {"S": sent}}
    item = dynamodb.get_item(TableName=new, Key=key)["Item"]
    due = {"due_shard": {"S": "0"}, "next_retry_at": {"S": "2026-01-01T00:00:00.000000Z"}}
    dynamodb.put_item(TableName=new, Item=item | {"status": {"S": "failed"}} | due)
    assert take_over_what_is_done(dynamodb, old, new) == 1
    assert dynamodb.get_item(TableName=new, Key=key)["Item"] == item
    assert take_over_what_is_done(dynamodb, old, new) == 0
    dynamodb.delete_table(TableName=new)
