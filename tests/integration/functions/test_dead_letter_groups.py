"""Contract 3.8 [T]: dead letters grouped by what they died of, found by that, and requeued or read with a reason."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.functions import call
from tests.support.rows import NOW, REJECTED, a_row, settled
from tocsin.bootstrap import operating, resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Notification, Severity
from tocsin.inventory.audit import AuditFilters, Kind

API = "/api/v1"
FIELDS = {"id", "channel", "error", "count", "first_died_at", "last_died_at", "sample_id"}


def dead(error: str | None, minutes: int = 0, **fields: Any) -> Notification:
    """Make a dead letter that died so many minutes after NOW."""
    row = settled(a_row(certificate_id=None, **fields), REJECTED)
    return replace(row, last_error=error, died_at=NOW + timedelta(minutes=minutes))


def test_dead_letters_are_grouped_by_what_they_died_of(stack: Database) -> None:
    many = [dead(f"HTTP 503: down for maintenance until 12:{minute}", minute) for minute in range(10, 40)]
    stack.fill([*many, dead("HTTP 400 Bad Request"), a_row()])
    answer = call("GET", f"{API}/dead-letter-groups")
    assert answer.status == 200
    assert answer.json.keys() == {"items", "examined", "complete"}
    assert (answer.json["examined"], answer.json["complete"]) == (31, True)
    largest, other = answer.json["items"]
    assert largest.keys() == FIELDS
    assert (largest["error"], largest["count"]) == ("HTTP 503: down for maintenance until <time>", 30)
    assert (largest["channel"], largest["sample_id"]) == ("Webhook", many[-1].id)
    assert (largest["first_died_at"], largest["last_died_at"]) == ("2026-11-22T12:10:00Z", "2026-11-22T12:39:00Z")
    assert (other["error"], other["count"]) == ("HTTP 400 Bad Request", 1)


def test_a_group_is_listed_by_its_id(stack: Database) -> None:
    mine, others = dead("HTTP 503: row 17"), [dead("HTTP 503: line"), dead(None)]
    stack.fill([mine, *others])
    groups = call("GET", f"{API}/dead-letter-groups").json["items"]
    assert len(groups) == 3
    for group in groups:
        listed = call("GET", f"{API}/notifications?status=dead&error_group={group['id']}").json["items"]
        assert [row["id"] for row in listed] == [group["sample_id"]]


@pytest.mark.parametrize(
    "query",
    [
        "type=RenewalFailure",
        "channel=Slack%3Apayments",
        "severity=critical",
        "contains=PAYMENTS",
        "certificate_id=c-1",
    ],
)
def test_groups_are_of_what_the_filters_want(stack: Database, query: str) -> None:
    of_channel: dict[str, Any] = {"channel": ChannelName("Slack:payments"), "severity": Severity.CRITICAL}
    wanted = dead("HTTP 500", type="RenewalFailure", message="Payments.", **of_channel)
    stack.fill([replace(wanted, certificate_id="c-1"), dead("HTTP 500"), dead("HTTP 501")])
    answer = call("GET", f"{API}/dead-letter-groups?{query}").json
    assert [(group["count"], group["sample_id"]) for group in answer["items"]] == [(1, wanted.id)]
    assert answer["examined"] == 3


@pytest.mark.parametrize(("limit", "seconds"), [(120, 60.0), (10_000, 0.0)])
def test_what_grouping_looks_at_is_bounded(stack: Database, limit: int, seconds: float) -> None:
    """By rows, those that died last first; and by time: at none, it looks at nothing."""
    stack.fill(dead("HTTP 500", number) for number in range(130))
    found = operating.dead_letter_groups(Filters(), seconds=seconds, examined=limit)
    assert not found.complete
    assert found.examined == (120 if seconds else 0)
    if seconds:
        (group,) = found.groups
        assert (group.count, group.first_died_at) == (120, NOW + timedelta(minutes=10))


@pytest.mark.parametrize("query", ["channel=Fax", "severity=", "contains=", "type=a%20b"])
def test_wrong_filters_are_named(stack: Database, query: str) -> None:
    answer = call("GET", f"{API}/dead-letter-groups?{query}")
    assert (answer.status, answer.fields) == (422, {query.partition("=")[0]})
    assert call("GET", f"{API}/notifications?error_group=nonsense").fields == {"error_group"}


@pytest.mark.parametrize("step", ["requeue", "read"])
def test_the_trail_says_why(stack: Database, step: str) -> None:
    row = dead("HTTP 500")
    stack.fill([row])
    assert call("POST", f"{API}/notifications/{row.id}/{step}", {"reason": "Ärger: the proxy is mended"}).status == 200
    (line,) = call("GET", f"{API}/audit-events?resource=notification/{row.id}").json["items"]
    assert line["detail"] == {"was": "dead", "last_error": "HTTP 500", "reason": "Ärger: the proxy is mended"}


@pytest.mark.parametrize("body", [{}, {"reason": None}, None])
def test_a_reason_may_be_left_out(stack: Database, body: object) -> None:
    row = dead("HTTP 500")
    stack.fill([row])
    assert call("POST", f"{API}/notifications/{row.id}/requeue", body).status == 200


@pytest.mark.parametrize("reason", ["", "x" * 513, "two\nlines", "\ud800", 5, ["x"]])
@pytest.mark.parametrize("step", ["requeue", "read"])
def test_a_reason_is_one_bounded_line(stack: Database, step: str, reason: object) -> None:
    row = dead("HTTP 500")
    stack.fill([row])
    answer = call("POST", f"{API}/notifications/{row.id}/{step}", {"reason": reason})
    assert (answer.status, answer.fields) == (422, {"reason"}), answer.body
    assert call("POST", f"{API}/notifications/{row.id}/{step}", {"why": "x"}).fields == {"why"}
    assert stack.table.get(row.id) == row


def test_a_reason_of_whatever_length_leaves_a_line(stack: Database) -> None:
    """512 characters may be 2,048 bytes: what the trail keeps of them is bounded."""
    row = dead("HTTP 500")
    stack.fill([row])
    operating.requeue(row.id, "arn:aws:iam::123456789012:user/ops", "💥" * 512)
    (line,) = resources.audit_trail().page(AuditFilters(resource=Kind.NOTIFICATION.resource(row.id)), 10, None).rows
    assert line.detail["reason"].startswith("💥")
