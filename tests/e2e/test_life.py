"""A whole life in the deployed stack: HTTP, stream and schedule do everything, under the functions' own roles."""

import json
from typing import Any

import pytest
import urllib3
from standardwebhooks import Webhook

from local.receiver import Receiver, answers, in_turn
from local.seed import webhook_secret
from local.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.e2e


def created(stack: Stack, **fields: str) -> dict[str, Any]:
    body = {"type": "Custom:e2e", "channel": "Webhook", "message": "The disk is full."} | fields
    answer = stack.api.request("POST", "/api/v1/notifications", json_body=body)
    assert answer.status == 202, answer.body
    row: dict[str, Any] = answer.json()
    return row


def seen(stack: Stack, id_: str) -> dict[str, Any]:
    row: dict[str, Any] = stack.api.request("GET", f"/api/v1/notifications/{id_}").json()
    return row


def is_now(stack: Stack, id_: str, status: str, seconds: float = 60) -> dict[str, Any]:
    return until(lambda: seen(stack, id_), is_right=lambda row: bool(row["status"] == status), seconds=seconds)


def test_an_unsigned_call_is_refused(stack: Stack) -> None:
    """Design 4: the API is IAM-signed."""
    for path in ("/api/v1/notifications", "/api/v1/stats/summary", "/api/v1/openapi.json"):
        assert urllib3.request("GET", stack.api_url + path, retries=False).status == 403


def test_a_notification_arrives_within_seconds(stack: Stack, receiver: Receiver) -> None:
    """Contract 1: pending -> sent when the channel accepts it; the stream starts the first delivery."""
    row = created(stack, recipient=receiver.url())
    assert (row["status"], row["retry_count"], row["next_retry_at"], row["last_error"]) == ("pending", 0, None, None)
    row = is_now(stack, row["id"], "sent", seconds=20)
    assert row["outcome"] == "delivered"
    assert [attempt["result"] for attempt in row["attempts"]] == ["delivered"]
    assert len(receiver.requests) == 1


def test_a_life_from_pending_to_dead_and_back(stack: Stack, receiver: Receiver) -> None:
    """Contract 2.2, 2.3, 2.5, 2.7 [S]: four failures, death at the fifth, requeue in one action, arrival."""
    receiver.behaviour = answers(503)
    id_ = created(stack, recipient=receiver.url())["id"]
    dead = is_now(stack, id_, "dead")
    assert dead["retry_count"] == 4
    assert dead["next_retry_at"] is None
    assert "503" in dead["last_error"]
    assert [attempt["number"] for attempt in dead["attempts"]] == [1, 2, 3, 4, 5]
    assert id_ in [row["id"] for row in listed(stack, status="dead")]

    receiver.behaviour = answers(204)
    answer = stack.api.request("POST", f"/api/v1/notifications/{id_}/requeue")
    assert answer.status == 200
    requeued = answer.json()
    assert (requeued["status"], requeued["retry_count"], requeued["last_error"]) == ("pending", 0, None)
    assert len(requeued["attempts"]) == 5

    sent = is_now(stack, id_, "sent", seconds=20)
    assert sent["retry_count"] == 0
    assert len(sent["attempts"]) == 6
    assert id_ not in [row["id"] for row in listed(stack, status="dead")]

    assert len(receiver.requests) == 6
    assert {request.headers["webhook-id"] for request in receiver.requests} == {id_}
    verifier = Webhook(webhook_secret(stack.name))
    for request in receiver.requests:
        verifier.verify(request.body, dict(request.headers))
    assert stack.api.request("POST", f"/api/v1/notifications/{id_}/requeue").status == 409


def test_a_success_on_the_third_attempt_keeps_its_count(stack: Stack, receiver: Receiver) -> None:
    """Contract 2.4 [S]: "delivered on attempt n + 1" stays readable."""
    receiver.behaviour = in_turn([answers(500), answers(429)], answers(200))
    row = is_now(stack, created(stack, recipient=receiver.url())["id"], "sent")
    assert row["retry_count"] == 2
    assert [attempt["http_status"] for attempt in row["attempts"]] == [500, 429, 200]


def test_a_permanent_failure_is_dead_at_once(stack: Stack, receiver: Receiver) -> None:
    """Contract 2.11 [T]: the other 4xx are dead at once, with the reason."""
    receiver.behaviour = answers(410)
    row = is_now(stack, created(stack, recipient=receiver.url())["id"], "dead", seconds=20)
    assert row["retry_count"] == 0
    assert len(receiver.requests) == 1
    assert "410" in row["last_error"]


def test_a_channel_that_is_not_configured_is_skipped_and_says_so(stack: Stack) -> None:
    """Contract 2.6 [S]: promoted to sent; [T] never quietly: outcome, attempt log, filter."""
    row = is_now(stack, created(stack, channel="Slack")["id"], "sent", seconds=20)
    assert row["outcome"] == "skipped_no_channel"
    assert "nothing was sent" in row["attempts"][0]["error"]
    assert row["id"] in [found["id"] for found in listed(stack, outcome="skipped_no_channel")]


def test_an_email_arrives_at_ses(stack: Stack) -> None:
    """Channels: Email through SES."""
    row = created(stack, channel="Email", recipient="ops@example.com", subject="Disk full")
    is_now(stack, row["id"], "sent", seconds=20)
    answer = urllib3.request("GET", f"{stack.endpoint_url}/_ministack/ses/messages", retries=False)
    assert row["id"] in json.dumps(answer.json())


def test_an_alert_is_published_to_sns(stack: Stack) -> None:
    """Channels: SNS to the stack's own topic, under the function's own role."""
    assert is_now(stack, created(stack, channel="SNS")["id"], "sent", seconds=20)["outcome"] == "accepted"


def test_a_lost_stream_record_is_rescued_by_the_sweep(stack: Stack, receiver: Receiver) -> None:
    """Contract 2.5 [T]: a pending row whose first delivery never happened is taken over, within minutes."""
    client = stack.client("lambda")
    mapping = client.list_event_source_mappings(FunctionName=f"{stack.name}-dispatch:live")["EventSourceMappings"][0]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        row = is_now(stack, created(stack, recipient=receiver.url())["id"], "sent")
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert row["outcome"] == "delivered"
    assert len(receiver.requests) == 1


def listed(stack: Stack, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = stack.api.request("GET", "/api/v1/notifications", query=query | ({"cursor": cursor} if cursor else {}))
        rows += page.json()["items"]
        cursor = page.json()["next_cursor"]
    return rows
