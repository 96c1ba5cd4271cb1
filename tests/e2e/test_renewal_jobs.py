"""Renewals in the deployed stack: asked for on its own bus, reported by a program's own role, done when seen."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.stack import Stack
from tests.e2e.test_expiry import api, in_days, made
from tests.e2e.test_people import a_person
from tests.support.waiting import until

pytestmark = pytest.mark.e2e


@contextmanager
def a_queue_on_the_bus(stack: Stack) -> Iterator[str]:
    """Have what is asked for on the stack's bus put into a queue; its URL."""
    sqs, events = stack.client("sqs"), stack.client("events")
    bus, name = stack.outputs["EventBusName"], f"{stack.name}-renewals"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": [f"tocsin.{stack.name}"], "detail-type": ["Renewal Requested"]}
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        yield url
    finally:
        events.remove_targets(Rule=name, EventBusName=bus, Ids=["queue"])
        events.delete_rule(Name=name, EventBusName=bus)
        sqs.delete_queue(QueueUrl=url)


def brought(stack: Stack, queue: str) -> list[dict[str, Any]]:
    """Give the details of all events that came, and leave them there."""
    answer = stack.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"])["detail"] for message in answer.get("Messages", [])]


def job_of(stack: Stack, certificate_id: str) -> dict[str, Any]:
    (job,) = api(stack, "GET", f"/renewal-jobs?certificate_id={certificate_id}").json()["items"]
    found: dict[str, Any] = job
    return found


def test_a_renewal_is_asked_for_once_reported_and_done_when_it_is_seen(stack: Stack) -> None:
    """Contract 4.11 [T]: one event at a rule's target, a report by the program's own role, success by what is seen."""
    certificate = made(stack, "/certificates", common_name="renewed.example.com", expires_at=in_days(20))
    path = f"/certificates/{certificate['id']}"
    with a_queue_on_the_bus(stack) as queue, a_person(stack, "RenewerPolicyArn") as renewer:
        asked = api(stack, "POST", f"{path}/renew", {"reason": "e2e"})
        assert asked.status == 202, asked.body
        assert api(stack, "POST", f"{path}/renew").status == 200
        (detail,) = until(lambda: brought(stack, queue), seconds=60)
        assert (detail["job_id"], detail["attempt"]) == (asked.json()["id"], 1)
        assert (detail["certificate_id"], detail["reason"]) == (certificate["id"], "e2e")
        assert detail["links"]["explanation"].endswith(f"{path}/explain")

        report = f"/renewal-jobs/{detail['job_id']}/report"
        assert renewer.call("POST", report, {"state": "started"}) == 200
        assert renewer.call("POST", report, {"state": "succeeded"}) == 422
        assert renewer.call("GET", "/renewal-jobs") == 403
        assert renewer.call("POST", f"/renewal-jobs/{detail['job_id']}/cancel") == 403
        assert job_of(stack, certificate["id"])["state"] == "started"

        seen = {"common_name": "renewed.example.com", "expires_at": in_days(80)}
        assert api(stack, "PUT", path, seen, **{"If-Match": "*"}).status == 200
        done = until(
            lambda: job_of(stack, certificate["id"]), is_right=lambda job: job["state"] == "succeeded", seconds=60
        )
        assert done["last_report"].startswith("seen: it expires at ")
        assert len(brought(stack, queue)) == 1
    trail = api(stack, "GET", f"/audit-events?resource=renewal_job/{detail['job_id']}").json()["items"]
    assert [line["action"] for line in trail] == ["renewal_succeeded", "renewal_reported", "renewal_requested"]
    assert trail[1]["actor"].endswith(renewer.name)


def test_a_policy_asks_for_a_renewal_by_itself(stack: Stack) -> None:
    """Contract 4.11 [T]: at `renew_before`, once a cycle."""
    policy = made(stack, "/renewal-policies", name="renews", renew_before=30)
    with a_queue_on_the_bus(stack) as queue:
        certificate = made(
            stack, "/certificates", common_name="auto.example.com", expires_at=in_days(20), policy_id=policy["id"]
        )
        (detail,) = until(lambda: brought(stack, queue), seconds=60)
        assert (detail["certificate_id"], detail["requested_by"]) == (certificate["id"], "expiry_check")
        assert api(stack, "GET", f"/certificates/{certificate['id']}").json()["version"] == 2
