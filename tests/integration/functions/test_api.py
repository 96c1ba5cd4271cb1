"""Contract 3: what the API does for notifications, against DynamoDB Local, through API Gateway's events."""

import asyncio
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from urllib.parse import quote

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from openapi_spec_validator import validate

from build.template import template
from local.receiver import Exchange, Receiver
from tests.support.database import Database, counted_calls
from tests.support.emf import blobs_in
from tests.support.faults import answer_lost, faulty, throttled
from tests.support.functions import Answer, Context, answer_of, call, forget_wiring, handler, sample
from tests.support.rows import NO_CHANNEL, NOW, REFUSED, REJECTED, RETENTION, a_row, in_status, settled
from tocsin.bootstrap import resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import MESSAGE_LIMIT, Notification, Severity, Status
from tocsin.storage.notifications.item import encode

PATH = "/api/v1/notifications"
GOOD = {"type": "ExpirationWarning", "channel": "Email", "recipient": "ops@example.com", "message": "It expires."}
JSON = {"Content-Type": "application/json"}
FIELDS = {
    *("id", "type", "channel", "recipient", "subject", "message", "severity", "certificate_id", "created_by", "status"),
    "outcome",
    *("retry_count", "max_attempts", "next_retry_at", "last_error", "created_at", "updated_at", "sent_at", "read_at"),
    *("complained_at", "act", "about", "resolved_by", "fallback", "fallback_of", "fell_back_to", "deferred"),
    "attempts",
}


def create(body: dict[str, Any] = GOOD, **headers: str) -> Answer:
    return call("POST", PATH, body, JSON | {name.replace("_", "-"): value for name, value in headers.items()})


def everything(url: str) -> list[dict[str, Any]]:
    """Read a list to its end."""
    items, cursor = [], ""
    while True:
        answer = call("GET", f"{url}{'&' if '?' in url else '?'}{cursor}")
        assert answer.status == 200, answer.body
        items += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return items
        cursor = f"cursor={quote(answer.json['next_cursor'])}"


def test_what_is_accepted_is_pending_and_shown_as_the_contract_has_it(stack: Database) -> None:
    """Contract 2.1 [S], design 4: 202 with the row, at its own address."""
    before = datetime.now(UTC)
    answer = create()
    assert answer.status == 202
    shown = answer.json
    assert shown.keys() == FIELDS
    assert answer.headers["location"] == f"{PATH}/{shown['id']}"
    assert answer.headers["content-type"] == "application/json"
    assert (shown["status"], shown["retry_count"], shown["next_retry_at"], shown["last_error"]) == (
        "pending",
        0,
        None,
        None,
    )
    assert (shown["max_attempts"], shown["attempts"], shown["severity"]) == (5, [], "informational")
    assert before <= datetime.fromisoformat(shown["created_at"]) <= datetime.now(UTC)
    assert shown["created_at"].endswith("Z")
    assert call("GET", answer.headers["location"]).json == shown
    assert stack.indexed("due") == {shown["id"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"message": "x" * 32 * 1024},
        {"message": "é💥\x00\u202e\n"},
        {"type": "Custom:word-1.2_3"},
        {"channel": "Slack", "recipient": ""},
        {"channel": "SNS", "recipient": ""},
        {"channel": "Webhook", "recipient": "https://hooks.example.com/a?b=c"},
        {"subject": "Ärger 💥", "severity": "critical", "certificate_id": "c" * 256},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_all_that_is_allowed_is_kept_as_it_was_given(stack: Database, changes: dict[str, Any]) -> None:
    shown = create(GOOD | changes).json
    assert {name: shown[name] for name in GOOD | changes} == GOOD | changes
    assert call("GET", f"{PATH}/{shown['id']}").json == shown


def test_the_same_key_and_body_give_the_same_row(stack: Database) -> None:
    """Design 4: Idempotency-Key; another body is 422. Later, the row as it is then."""
    first = create(Idempotency_Key="key-1")
    assert create(Idempotency_Key="key-1").json == first.json
    assert create(Idempotency_Key="key-2").json["id"] != first.json["id"]
    refused = create(GOOD | {"message": "Another."}, Idempotency_Key="key-1")
    assert (refused.status, refused.fields) == (422, {"Idempotency-Key"})
    row = stack.table.get(first.json["id"])
    stack.put(encode(settled(row, REJECTED), RETENTION))
    again = create(Idempotency_Key="key-1")
    assert (again.status, again.json["status"]) == (202, "dead")
    assert len(stack.items()) == 2


def test_the_same_key_at_the_same_instant_makes_one_row(stack: Database) -> None:
    together, seen = Barrier(6), []

    def work() -> None:
        together.wait()
        seen.append(create(Idempotency_Key="key").json["id"])

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert len(stack.items()) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "key"}], ids=["without a key", "with a key"])
def test_an_answer_that_was_lost_makes_no_second_row(
    stack: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """Conservation: accepted once, counted once, though botocore wrote it twice."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)
    with faulty(resources.dynamodb(), "PutItem", answer_lost(), times=1):
        answer = create(GOOD, **headers)
    assert answer.status == 202
    assert [item["id"]["S"] for item in stack.items()] == [answer.json["id"]]
    blobs = blobs_in(capsys.readouterr().out)
    assert sum(sum(blob.values.get("NotificationsCreated", [])) for blob in blobs) == 1


def test_what_storage_refuses_is_503_and_leaves_nothing(stack: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)
    with faulty(resources.dynamodb(), "PutItem", throttled()):
        answer = create()
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "5"
    assert stack.items() == []


def a_few(stack: Database) -> dict[str, Notification]:
    """Store a row of each kind that the filters tell apart, a minute between them."""
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "email": {"channel": ChannelName.EMAIL, "recipient": "ops@example.com"},
        "critical": {"severity": Severity.CRITICAL},
        "custom": {"type": "Custom:fire"},
        "certificate": {"certificate_id": "db.example.com"},
        "message": {"message": "A NEEDLE in it"},
        "subject": {"subject": "A needle in it"},
    }
    rows = {
        name: a_row(created_at=NOW + timedelta(minutes=number), **fields)
        for number, (name, fields) in enumerate(kinds.items())
    }
    rows |= {status.value: in_status(status) for status in Status}
    rows["skipped"] = settled(a_row(), NO_CHANNEL)
    stack.fill(rows.values())
    return rows


FILTERS = {
    "channel=Email": {"email"},
    "severity=critical": {"critical"},
    "type=Custom:fire": {"custom"},
    "certificate_id=db.example.com": {"certificate"},
    "contains=needle": {"message"},
    "status=sent": {"sent", "skipped"},
    "status=dead": {"dead"},
    "status=failed": {"failed"},
    "status=read": {"read"},
    "status=superseded": {"superseded"},
    "outcome=skipped_no_channel": {"skipped"},
    "outcome=delivered": {"sent", "read"},
    "status=sent&outcome=delivered": {"sent"},
    "status=dead&contains=needle": set[str](),
    f"created_after={quote((NOW + timedelta(minutes=5)).isoformat())}": {"message", "subject"},
    "created_before=2026-11-22T12:00:00Z": set[str](),
    "created_after=2026-11-22T13:02:00%2B01:00&created_before=2026-11-22T13:03:00%2B01:00": {"critical"},
}


def test_lists_filter_by_all_that_they_are_asked_for(stack: Database) -> None:
    """Contract 3.1 [S]: status, type, and text in the message; design 4: the others."""
    rows = a_few(stack)
    names = {row.id: name for name, row in rows.items()}
    found = {query: {names[item["id"]] for item in everything(f"{PATH}?{query}")} for query in FILTERS}
    assert found == FILTERS


@pytest.mark.parametrize("query", ["", "status=dead", "contains=certificate"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_cursors_lead_through_the_whole_list(stack: Database, query: str, limit: int) -> None:
    """Contract 3.6 [T]: each row once, newest first, whatever the page."""
    rows = [settled(a_row(created_at=NOW + timedelta(seconds=n % 5)), REJECTED, NOW) for n in range(23)]
    stack.fill(rows)
    items = everything(f"{PATH}?limit={limit}&{query}")
    assert Counter(item["id"] for item in items) == Counter(row.id for row in rows)
    if "dead" not in query:
        assert [item["created_at"] for item in items] == sorted((item["created_at"] for item in items), reverse=True)


def test_a_row_that_can_not_be_read_is_listed_all_the_same(stack: Database) -> None:
    """Contract 2 and 3.6 [T]: no row disappears, and one broken row breaks no list."""
    well, broken = a_row(), encode(a_row(created_at=NOW + timedelta(minutes=1)), RETENTION)
    stack.fill([well])
    stack.put(broken | {"attempts": {"S": '[["one"]]'}, "retry_count": {"S": "two"}, "channel": {"S": "Pigeon"}})
    assert [item["id"] for item in everything(PATH)] == [broken["id"]["S"], well.id]
    assert call("GET", f"{PATH}/{broken['id']['S']}").json["message"] == broken["message"]["S"]


def test_a_requeue_is_one_transaction_with_its_line_of_the_trail_and_shows_the_new_life(
    stack: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract 2.7 [S], 3.1 [S]."""
    dead = settled(settled(a_row(), REFUSED), REJECTED)
    stack.fill([dead])
    with counted_calls(resources.dynamodb()) as calls:
        answer = call("POST", f"{PATH}/{dead.id}/requeue")
    writes = {name: count for name, count in calls.items() if "Get" not in name}
    assert writes == {"TransactWriteItems": 1}
    shown = answer.json
    assert (answer.status, shown["status"], shown["retry_count"]) == (200, "pending", 0)
    assert (shown["next_retry_at"], shown["last_error"], len(shown["attempts"])) == (None, None, 2)
    assert call("GET", f"{PATH}/{dead.id}").json == shown
    assert [blob.values for blob in blobs_in(capsys.readouterr().out)] == [{"Requeued": [1]}]


def test_what_the_api_logs_can_be_found_by_the_notification_and_by_the_request(
    stack: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """One search finds all that happened to an alert, and what a caller's request did, by the id of its answer."""
    dead = settled(a_row(), REJECTED)
    stack.fill([dead])
    assert call("POST", f"{PATH}/{dead.id}/requeue").status == 200
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if '"message": "requeued"' in text]
    assert line["notification_id"] == dead.id
    assert line["request_id"] == Context().aws_request_id
    assert line["api_request_id"] == sample("api_create")["requestContext"]["requestId"]


def test_a_filtered_search_says_how_far_it_got(stack: Database) -> None:
    """Contract 3.6 [T]: an empty page with a cursor is no end; `searched_until` says what it has looked at."""
    rows = [a_row(created_at=NOW - timedelta(seconds=number)) for number in range(1_000)]
    stack.fill(rows)
    first = call("GET", f"{PATH}?limit=50&contains=nowhere").json
    assert (first["items"], first["next_cursor"] is not None) == ([], True)
    reached = datetime.fromisoformat(first["searched_until"])
    assert rows[-1].created_at < reached < rows[50].created_at
    last = call("GET", f"{PATH}?limit=50&contains=nowhere&cursor={quote(first['next_cursor'])}").json
    assert last == {"items": [], "next_cursor": None, "searched_until": None}


@pytest.mark.parametrize("base", ["/alerts", "/team/a", "/api"])
def test_a_custom_domain_may_have_a_base_path(stack: Database, base: str) -> None:
    """API Gateway hands on the path as it was asked for, with the base path before it."""
    row = a_row()
    stack.fill([row])
    assert call("GET", f"{base}{PATH}/{row.id}").json["id"] == row.id
    assert call("GET", f"{base}{PATH}").json["items"][0]["id"] == row.id


def test_a_requeue_twice_is_done_once(stack: Database) -> None:
    dead = settled(a_row(), REJECTED)
    stack.fill([dead])
    assert [call("POST", f"{PATH}/{dead.id}/requeue").status for _ in range(2)] == [200, 409]


def test_of_requeues_at_the_same_instant_one_wins(stack: Database) -> None:
    """Contract 2.7 [S]: 409 for the rest."""
    dead = settled(a_row(), REJECTED)
    stack.fill([dead])
    together, seen = Barrier(6), Counter[int]()

    def work() -> None:
        together.wait()
        seen[call("POST", f"{PATH}/{dead.id}/requeue").status] += 1

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {200: 1, 409: 5}


@pytest.mark.parametrize(
    ("status", "requeue", "read"),
    [
        (Status.PENDING, 409, 409),  # still owed to somebody
        (Status.FAILED, 409, 409),
        (Status.SENT, 409, 200),
        (Status.DEAD, 200, 200),
        (Status.READ, 409, 409),
        (Status.SUPERSEDED, 409, 409),
    ],
)
def test_what_an_operator_may_do_in_each_state(stack: Database, status: Status, requeue: int, read: int) -> None:
    """Contract 1 [S]: every other transition is 409 and changes nothing."""
    for step, expected in (("requeue", requeue), ("read", read)):
        row = in_status(status)
        stack.fill([row])
        before = stack.item(row.id)
        answer = call("POST", f"{PATH}/{row.id}/{step}")
        assert answer.status == expected
        assert (stack.item(row.id) == before) == (expected == 409)
        if expected == 409:
            assert f"it is {status}" in answer.json["detail"]


def test_a_read_row_says_when(stack: Database) -> None:
    dead = settled(a_row(), REJECTED)
    stack.fill([dead])
    shown = call("POST", f"{PATH}/{dead.id}/read").json
    assert shown["status"] == "read"
    assert shown["read_at"] is not None
    assert call("GET", "/api/v1/stats/summary").json["notifications_dead"] == 0


def test_the_summary_and_prometheus_count_the_same(stack: Database) -> None:
    """Contract 3.2 and 3.3 [S]."""
    stack.fill([*(settled(a_row(), REJECTED) for _ in range(11)), *(in_status(status) for status in Status)])
    summary = call("GET", "/api/v1/stats/summary")
    assert summary.json | {"taken_at": None, "stack": None} == {
        "stack": None,
        "taken_at": None,
        "counted_up_to": 10_000,
        "notifications_dead": 12,
        "notifications_due": 0 if datetime.now(UTC) < NOW + timedelta(minutes=1) else 2,
    }
    text = call("GET", "/api/v1/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "\ntocsin_notifications_dead 12\n" in text.body


@pytest.mark.parametrize(("index", "expected"), [("dead", (None, 0)), ("due", (1, None))])
def test_a_count_that_fails_is_null_and_the_rest_is_there(
    stack: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    index: str,
    expected: tuple[int | None, int | None],
) -> None:
    """Contract 3.2 [S]: best effort, and the failure is logged."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)
    stack.fill([settled(a_row(), REJECTED)])

    def refuse(request: AWSPreparedRequest) -> AWSResponse | None:
        return throttled()(request) if f'"IndexName": "{index}"' in str(request.body) else None

    with faulty(resources.dynamodb(), "Query", refuse):
        answer = call("GET", "/api/v1/stats/summary")
    assert answer.status == 200
    assert (answer.json["notifications_dead"], answer.json["notifications_due"]) == expected
    assert "a count of the summary failed" in caplog.text


@pytest.mark.parametrize("name", ["api_create", "api_list_dead", "api_requeue"])
def test_the_sample_events_are_ones_that_the_api_takes(stack: Database, name: str) -> None:
    dead = settled(a_row(id="01JQ3V0D5M0000000000000001"), REJECTED)
    stack.fill([dead])
    answer = answer_of(handler("api")(sample(name), Context()))
    assert answer.status == (202 if name == "api_create" else 200)


@pytest.fixture
def openapi(stack: Database) -> dict[str, Any]:
    answer = call("GET", "/api/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_the_description_is_valid_openapi(openapi: dict[str, Any]) -> None:
    """Design 4: generated from the code."""
    validate(openapi)


def test_the_description_and_the_template_have_the_same_routes(openapi: dict[str, Any]) -> None:
    """Design 4: one route per operation. What is routed but not described, or described but not routed, is a trap."""
    paths = template()["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"]
    routed = {(method, path) for path, methods in paths.items() for method in methods}
    described = {(method, path) for path, methods in openapi["paths"].items() for method in methods}
    assert _nameless(described | {("get", "/api/v1/openapi.json")}) == _nameless(routed)


def _nameless(routes: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave the names of path parameters out: they are nobody's but the describer's."""
    return {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in routes}


LAMBDA_LIMIT = 6 * 1024 * 1024
"""Bytes of an answer (Lambda developer guide, "Quotas")."""


@pytest.mark.parametrize(
    "character", ['"', "\\", "\u00fc", "\x01", "\U0001f514"], ids=["quote", "backslash", "umlaut", "control", "bell"]
)
def test_a_page_of_the_largest_messages_stays_below_what_lambda_answers_with(stack: Database, character: str) -> None:
    """A list of 100 rows of 32 KB, whatever is in them: the page ends sooner, and the cursor goes on."""
    message = character * (MESSAGE_LIMIT // len(character.encode()))
    rows = [a_row(message=message) for _ in range(100)]
    stack.fill(rows)
    seen: list[str] = []
    cursor = ""
    while True:
        answer = call("GET", f"{PATH}?limit=100{cursor}")
        as_lambda_sends_it = json.dumps({"statusCode": 200, "body": answer.body}, ensure_ascii=False).encode()
        assert len(as_lambda_sends_it) < LAMBDA_LIMIT
        page = answer.json
        assert page["items"] or page["next_cursor"] is None, "each page gets on"
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == sorted(row.id for row in rows)


def test_a_call_without_an_answer_leaves_the_api_time_to_say_so() -> None:
    """A brownout answers 503: every try times out, and the pauses between them are the longest."""
    pauses = sum(2**number for number in range(resources.TRIES - 1))
    longest = resources.TRIES * (resources.CONNECT_SECONDS + resources.READ_SECONDS) + pauses
    assert longest <= 12
    assert longest < template()["Resources"]["ApiFunction"]["Properties"]["Timeout"] / 2


async def test_a_store_that_hangs_is_a_503(stack: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After and a problem of ours, not API Gateway's 504."""

    async def hang(exchange: Exchange) -> None:
        await exchange.wait_for_the_end()

    async with Receiver(hang) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", silent.url(""))
        forget_wiring()
        answer = await asyncio.to_thread(call, "GET", f"{PATH}/01J00000000000000000000000")
        assert len(silent.requests) == resources.TRIES
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.json["detail"] == "The storage did not answer. Try again."
