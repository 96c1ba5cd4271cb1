"""Alarms in the deployed stack: they go off by their causes, end when those are gone, and tell somebody both times.

Here a minute of an alarm's period lasts two seconds. tests/integration/functions/test_alarms.py has every alarm, those
on metric math too, by the same model of CloudWatch.
"""

import json
from typing import Any

import pytest

from local.receiver import Receiver, answers
from local.stack import Stack
from tests.e2e.test_life import created, is_now, listed
from tests.support.waiting import until

pytestmark = pytest.mark.e2e
NAMES = ("dead-letters", "skipped-no-channel", "channel-held")


def states(stack: Stack) -> dict[str, str]:
    named = [f"{stack.name}-{name}" for name in NAMES]
    found = stack.client("cloudwatch").describe_alarms(AlarmNames=named)["MetricAlarms"]
    return {alarm["AlarmName"].removeprefix(f"{stack.name}-"): alarm["StateValue"] for alarm in found}


def listening(stack: Stack) -> str:
    """Put a queue behind the topic of the alarms; its URL."""
    sqs, topic = stack.client("sqs"), stack.outputs["AlarmTopicArn"]
    url: str = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def told(stack: Stack, queue: str, seen: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Add what the topic has said to what was seen: alarm and new state."""
    received: dict[str, Any] = stack.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    for message in received.get("Messages", ()):
        said = json.loads(json.loads(message["Body"])["Message"])
        seen.add((said["AlarmName"].removeprefix(f"{stack.name}-"), said["NewStateValue"]))
    return seen


def post(stack: Stack, path: str) -> int:
    return stack.api.request("POST", f"/api/v1{path}").status


@pytest.mark.timeout(240)
def test_three_alarms_go_off_by_their_causes_and_end_when_those_are_gone(stack: Stack, receiver: Receiver) -> None:
    """Issue 9: each alarm fires and clears: a dead letter, a channel nobody has configured, one that is revoked."""
    queue, seen = listening(stack), set[tuple[str, str]]()
    receiver.behaviour = answers(404, b"no_service")
    document = json.dumps({"url": receiver.url("/services/T0/B0/alarms")})
    name = f"/{stack.name}/channels/Slack/alarms"
    stack.client("ssm").put_parameter(Name=name, Value=document, Type="SecureString", Overwrite=True)
    waiting = created(stack, channel="Slack:alarms")["id"]
    created(stack, channel="Teams")
    is_now(stack, created(stack, recipient=receiver.url())["id"], "dead")
    went_off = {(alarm, "ALARM") for alarm in NAMES}
    until(lambda: told(stack, queue, seen), is_right=lambda found: went_off <= found, seconds=60)
    until(lambda: states(stack)["dead-letters"], is_right=lambda state: state == "ALARM")

    receiver.behaviour = answers(200, b"ok")
    assert post(stack, "/channels/Slack.alarms/test") == 200
    for row in listed(stack, status="dead"):
        assert post(stack, f"/notifications/{row['id']}/read") == 200
    is_now(stack, waiting, "sent")
    until(lambda: states(stack), is_right=lambda found: set(found.values()) == {"OK"}, seconds=120)
    ended = {(alarm, "OK") for alarm in NAMES}
    until(lambda: told(stack, queue, seen), is_right=lambda found: ended <= found)
