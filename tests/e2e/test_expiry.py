"""Certificates in the deployed stack: checks and syncs by their schedules, under the functions' own roles."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.receiver import Receiver, answers
from local.stack import Answer, Stack
from tests.e2e.test_life import is_now, seen
from tests.support.waiting import until

pytestmark = pytest.mark.e2e


def api(stack: Stack, method: str, path: str, body: object = None, **headers: str) -> Answer:
    return stack.api.request(method, f"/api/v1{path}", json_body=body, headers=headers)


def made(stack: Stack, path: str, **fields: Any) -> dict[str, Any]:
    answer = api(stack, "POST", path, fields)
    assert answer.status == 201, answer.body
    thing: dict[str, Any] = answer.json()
    return thing


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def alerts_of(stack: Stack, certificate_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api(stack, "GET", f"/certificates/{certificate_id}/notifications").json()["items"]
    return rows


def a_webhook_policy(stack: Stack, receiver: Receiver) -> dict[str, Any]:
    """Send everything to the receiver: the configured address of a channel that is not in any cache yet."""
    ssm = stack.client("ssm")
    name = f"/{stack.name}/channels/Webhook"
    config = json.loads(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    config["url"] = receiver.url()
    ssm.put_parameter(Name=f"{name}/{receiver.port}", Value=json.dumps(config), Type="SecureString", Overwrite=True)
    channels = {severity: [f"Webhook:{receiver.port}"] for severity in ("informational", "warning", "critical")}
    return made(stack, "/renewal-policies", name="to the webhook", channels=channels)


def test_an_expiring_certificate_alerts_its_owner_once(stack: Stack) -> None:
    """Contract 4.2, 4.3, 4.6, 4.7 [S]: the scheduled check alerts once, the owner by e-mail, and says so."""
    owner = made(stack, "/owners", name="Ops", email="ops@example.com")
    certificate = made(
        stack, "/certificates", common_name="api.example.com", expires_at=in_days(5), owner_id=owner["id"]
    )
    assert certificate["status"] == "Expiring"
    (alert,) = until(lambda: alerts_of(stack, certificate["id"]), seconds=60)
    alert = is_now(stack, alert["id"], "sent")
    assert (alert["channel"], alert["recipient"], alert["severity"]) == ("Email", "ops@example.com", "warning")
    assert "[threshold:7]" in alert["message"]
    events = api(stack, "GET", f"/audit-events?resource=certificate/{certificate['id']}").json()["items"]
    assert [event["action"] for event in events] == ["expiration_alert_sent", "certificate_created"]
    explained = api(stack, "GET", f"/certificates/{certificate['id']}/explain").json()
    assert [(told["arrived"], "Email took it at" in told["fate"]) for told in explained["told"]] == [(None, True)]
    assert explained["next"]["threshold"] == "0"
    superseded = [finding for finding in explained["findings"] if "superseded by threshold 7" in finding["reason"]]
    assert {finding["threshold"] for finding in superseded} == {"30", "14"}
    checks_since = until_checked_again(stack)
    assert len(alerts_of(stack, certificate["id"])) == 1, checks_since


def until_checked_again(stack: Stack) -> int:
    """Wait until the scheduled check has run twice more."""
    logs = stack.client("logs")
    function = stack.client("lambda").get_function_configuration(FunctionName=f"{stack.name}-expiry-check")
    group = function["LoggingConfig"]["LogGroup"]

    def runs() -> int:
        found = logs.filter_log_events(logGroupName=group, filterPattern="checked")
        return len([event for event in found["events"] if '"checked"' in event["message"]])

    before = runs()
    return until(runs, is_right=lambda now: now >= before + 2, seconds=60)


def test_a_renewal_supersedes_what_is_owed_and_the_new_cycle_alerts_again(stack: Stack, receiver: Receiver) -> None:
    """Contract 4.3, 4.9 [T]: a renewed certificate's old alerts stop, its next cycle alerts again."""
    receiver.behaviour = answers(503)
    policy = a_webhook_policy(stack, receiver)
    certificate = made(
        stack, "/certificates", common_name="shop.example.com", expires_at=in_days(10), policy_id=policy["id"]
    )
    (alert,) = until(lambda: alerts_of(stack, certificate["id"]), seconds=60)
    until(lambda: seen(stack, alert["id"]), is_right=lambda row: bool(row["retry_count"] >= 1))

    renewed = {"common_name": "shop.example.com", "expires_at": in_days(6), "policy_id": policy["id"]}
    path = f"/certificates/{certificate['id']}"
    assert api(stack, "PUT", path, renewed).status == 428
    assert api(stack, "PUT", path, renewed, **{"If-Match": '"99"'}).status == 412
    assert api(stack, "PUT", path, renewed, **{"If-Match": '"1"'}).status == 200
    is_now(stack, alert["id"], "superseded")
    receiver.behaviour = answers(204)
    rows = until(lambda: alerts_of(stack, certificate["id"]), is_right=lambda rows: len(rows) == 2, seconds=60)
    (following,) = [row for row in rows if row["id"] != alert["id"]]
    assert is_now(stack, following["id"], "sent")["outcome"] == "delivered"
    assert api(stack, "POST", f"/notifications/{alert['id']}/requeue").status == 409


def test_a_rule_is_held_by_the_scheduled_check_under_its_role(stack: Stack) -> None:
    """Contract 4.12 [T]: a certificate that was there before the rule violates it, until the rule is gone."""
    team = made(stack, "/teams", name="Ruled", email="ruled@example.com")
    facts = {"common_name": "old.example.com", "expires_at": in_days(80), "environment": "ruled"}
    certificate = made(stack, "/certificates", **facts, team_id=team["id"])
    until_checked_again(stack)
    rule = made(
        stack,
        "/policies",
        name="An owner",
        type="RequiredMetadata",
        config={"owner": True},
        scope={"environment": "ruled"},
    )

    def violating() -> list[str]:
        items = api(stack, "GET", f"/policies/{rule['id']}/violations").json()["items"]
        return [item["certificate_id"] for item in items]

    until(violating, is_right=lambda ids: ids == [certificate["id"]], seconds=60)
    (told,) = until(lambda: alerts_of(stack, certificate["id"]), seconds=60)
    assert (told["type"], told["severity"]) == ("PolicyViolation", "warning")
    assert api(stack, "DELETE", f"/policies/{rule['id']}", **{"If-Match": '"1"'}).status == 204
    path = f"/certificates/{certificate['id']}"
    until(lambda: api(stack, "GET", path).json()["violations"], is_right=lambda found: found == [], seconds=60)


def test_a_tls_endpoint_is_read_by_schedule(stack: Stack, tls_server: int) -> None:
    """Issue 3, item 4: an endpoint whose chain doesn't verify is still read; one that refuses is a failing source."""
    ssm = stack.client("ssm")
    endpoints = f"127.0.0.1:{tls_server},127.0.0.1:1"
    ssm.put_parameter(Name=f"/{stack.name}/sources/tls", Value=endpoints, Type="String", Overwrite=True)

    def sources() -> dict[str, Any]:
        return {found["source"]: found for found in api(stack, "GET", "/sources").json()["items"]}

    wanted = {f"tls:127.0.0.1:{tls_server}", "tls:127.0.0.1:1"}
    found = until(sources, is_right=lambda names: wanted <= set(names), seconds=60)
    assert found["tls:127.0.0.1:1"]["last_failure"].startswith("refused")
    assert found[f"tls:127.0.0.1:{tls_server}"]["failing_since"] is None
    certificates = api(stack, "GET", "/certificates?source=tls").json()["items"]
    (read,) = [one for one in certificates if one["source_ref"] == f"127.0.0.1:{tls_server}"]
    assert read["chain_verified"] is False
    ssm.delete_parameter(Name=f"/{stack.name}/sources/tls")


def test_what_is_referred_to_cannot_be_deleted(stack: Stack) -> None:
    """Issue 3, item 1: deleting what is still referred to is 409 with what refers to it."""
    team = made(stack, "/teams", name="Platform", email="platform@example.com")
    owner = made(stack, "/owners", name="Kim", email="kim@example.com", team_id=team["id"])
    refused = api(stack, "DELETE", f"/teams/{team['id']}", **{"If-Match": "*"})
    assert refused.status == 409
    assert f"owner/{owner['id']}" in refused.json()["detail"]
    assert api(stack, "DELETE", f"/owners/{owner['id']}", **{"If-Match": '"1"'}).status == 204
    assert api(stack, "DELETE", f"/teams/{team['id']}", **{"If-Match": "*"}).status == 204
    assert api(stack, "GET", f"/teams/{team['id']}").status == 404
