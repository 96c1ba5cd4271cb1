"""Contract 3.7 [T]: who did it."""

from typing import Any

import pytest

from tests.support.database import Database
from tests.support.functions import Answer, call, sample
from tests.support.rows import REJECTED, a_row, settled

PATH = "/api/v1/notifications"
GOOD = {"type": "Custom:nightly", "channel": "Webhook", "message": "The backup failed."}
USER = "arn:aws:iam::123456789012:user/ops"


def role(name: str, session: str) -> str:
    return f"arn:aws:sts::123456789012:assumed-role/{name}/{session}"


def as_(arn: str) -> dict[str, Any]:
    """The part of the event in which API Gateway says who signed."""
    context = sample("api_create")["requestContext"]
    return {"requestContext": context | {"identity": context["identity"] | {"userArn": arn}}}


def created(arn: str, key: str = "nightly", **fields: str) -> Answer:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return call("POST", PATH, GOOD | fields, headers, **as_(arn))


@pytest.mark.parametrize("arn", [USER, role("backup", "i-0a1b2c3d"), "arn:aws:iam::123456789012:root"])
def test_a_notification_names_who_created_it(stack: Database, arn: str) -> None:
    assert created(arn).json["created_by"] == arn


def test_two_jobs_may_use_the_same_key(stack: Database) -> None:
    """A key of one role neither finds nor refuses what another's made."""
    mine, theirs = created(role("backup", "a")), created(role("billing", "a"), message="Another one.")
    assert (mine.status, theirs.status) == (202, 202)
    assert mine.json["id"] != theirs.json["id"]


def test_sessions_of_one_role_share_a_key(stack: Database) -> None:
    """A job that is repeated has another session each time."""
    first, again = created(role("backup", "monday")), created(role("backup", "monday-2"))
    assert first.json == again.json
    assert created(role("backup", "tuesday"), message="Another one.").status == 422


@pytest.mark.parametrize(("step", "action"), [("requeue", "notification_requeued"), ("read", "notification_read")])
def test_the_trail_names_who_took_a_step(stack: Database, step: str, action: str) -> None:
    dead = settled(a_row(), REJECTED)
    stack.fill([dead])
    assert call("POST", f"{PATH}/{dead.id}/{step}", **as_(USER)).status == 200
    (line,) = call("GET", f"/api/v1/audit-events?action={action}&resource=notification/{dead.id}").json["items"]
    assert (line["actor"], line["resource"]) == (USER, f"notification/{dead.id}")
    assert line["detail"] == {"was": "dead", "last_error": dead.last_error}


def test_a_step_that_is_refused_leaves_no_line(stack: Database) -> None:
    """Both in one write, or neither."""
    row = a_row()
    stack.fill([row])
    assert call("POST", f"{PATH}/{row.id}/requeue", **as_(USER)).status == 409
    assert call("GET", f"/api/v1/audit-events?resource=notification/{row.id}").json["items"] == []
