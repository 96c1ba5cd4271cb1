"""Contract 3.6 [T]: what is wrong is answered by a problem (RFC 9457) that names the field, and nothing is written."""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.database import Database
from tests.support.functions import Answer, Context, answer_of, call, handler, sample
from tests.support.inventory_store import Store
from tests.support.rows import ACCEPTED, NOW, a_row, an_id, settled

PATH = "/api/v1/notifications"
GOOD = {"type": "ExpirationWarning", "channel": "Email", "recipient": "ops@example.com", "message": "It expires."}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def stack(shared_store: Store, dynamodb_endpoint: str) -> Database:
    """One table for the whole module: nothing is written to it."""
    return Database(dynamodb_endpoint, shared_store.client, shared_store.names["Notifications"])


@pytest.fixture(autouse=True)
def nothing_is_written(stack: Database) -> Iterator[None]:
    """Compare everything stored before and after, the cursors' signing key aside."""
    stack.put({"id": {"S": "canary"}})
    yield
    assert {item["id"]["S"] for item in stack.items()} <= {"canary", "secret#cursor"}


def assert_problem(answer: Answer, status: int, *fields: str) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json.keys() <= {"type", "title", "status", "detail", "errors"}
    assert answer.json["status"] == status
    assert answer.json["title"] == HTTPStatus(status).phrase
    assert answer.json["detail"]
    assert answer.fields == set(fields), answer.body


BODIES: dict[str, tuple[object, str]] = {
    "unknown channel": (GOOD | {"channel": "Fax"}, "channel"),
    "channel in the wrong case": (GOOD | {"channel": "email"}, "channel"),
    "unknown type": (GOOD | {"type": "Nonsense"}, "type"),
    "custom type with a space": (GOOD | {"type": "Custom:a b"}, "type"),
    "custom type that goes on after a line": (GOOD | {"type": "Custom:a\n"}, "type"),
    "no recipient for Email": (GOOD | {"recipient": ""}, "recipient"),
    "two recipients": (GOOD | {"recipient": "a@example.com,b@example.com"}, "recipient"),
    "a header in the recipient": (GOOD | {"recipient": "a@example.com\r\nBcc: b@example.com"}, "recipient"),
    "recipient of the wrong kind": (GOOD | {"recipient": 5}, "recipient"),
    "webhook on loopback": (GOOD | {"channel": "Webhook", "recipient": "http://127.0.0.1/"}, "recipient"),
    "webhook that is no URL": (GOOD | {"channel": "Webhook", "recipient": "nonsense"}, "recipient"),
    "SNS topic that is none": (GOOD | {"channel": "SNS", "recipient": "nonsense"}, "recipient"),
    "no message": ({k: v for k, v in GOOD.items() if k != "message"}, "message"),
    "empty message": (GOOD | {"message": ""}, "message"),
    "message over 32 KB": (GOOD | {"message": "x" * (32 * 1024 + 1)}, "message"),
    "message over 32 KB in bytes only": (GOOD | {"message": "é" * (16 * 1024 + 1)}, "message"),
    "half a character in the message": (GOOD | {"message": "\ud83d"}, "message"),
    "half a character in the subject": (GOOD | {"subject": "\ude00"}, "subject"),
    "two lines in the subject": (GOOD | {"subject": "a\r\nBcc: b"}, "subject"),
    "a subject that never ends": (GOOD | {"subject": "x" * 257}, "subject"),
    "unknown severity": (GOOD | {"severity": "apocalyptic"}, "severity"),
    "empty certificate": (GOOD | {"certificate_id": ""}, "certificate_id"),
    "a field that nobody knows": (GOOD | {"retry_count": 3}, "retry_count"),
    "a list": ([GOOD], "body"),
    "null": ("null", "body"),
    "no body": (None, "body"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_is_422_and_names_the_field(case: str) -> None:
    body, field = BODIES[case]
    assert_problem(call("POST", PATH, body), 422, field)


@pytest.mark.parametrize(
    "body",
    ['{"type":', "nonsense", '{"a": 1}}', "[" * 200_000, '{"type": ' + "1" * 5000 + "}", "\ufeff{}"],
    ids=["cut", "no JSON", "too much", "too deep", "a huge number", "a byte order mark"],
)
def test_a_body_that_is_no_json_is_400(body: str) -> None:
    assert_problem(call("POST", PATH, body), 400, "body")


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}, {}]
)
def test_another_content_type_is_400(headers: dict[str, str]) -> None:
    assert_problem(call("POST", PATH, GOOD, headers), 400, "Content-Type")


def test_an_oversized_body_is_413() -> None:
    assert_problem(call("POST", PATH, GOOD | {"message": "x" * 2_200_000}), 413)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_1_to_255_characters(key: str) -> None:
    assert_problem(call("POST", PATH, GOOD, JSON | {"Idempotency-Key": key}), 422, "Idempotency-Key")


QUERIES = {
    "limit=0": "limit",
    "limit=101": "limit",
    "limit=x": "limit",
    "status=deceased": "status",
    "type=Nonsense": "type",
    "channel=Fax": "channel",
    "outcome=x": "outcome",
    "severity=x": "severity",
    "contains=": "contains",
    "certificate_id=": "certificate_id",
    "created_after=yesterday": "created_after",
    "created_after=2026": "created_after",  # half an hour after the epoch, or a year?
    "created_after=2026-01-02T03:04:05": "created_after",  # in which time zone?
    "created_after=0001-01-01T00:00:00%2B12:00": "created_after",
    "created_after=0999-01-01T00:00:00Z": "created_after",
    "created_before=9999-12-31T23:59:59-12:00": "created_before",
    f"cursor={'x' * 1025}": "cursor",
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_bad_query_is_422_and_names_the_field(query: str) -> None:
    assert_problem(call("GET", f"{PATH}?{query}"), 422, QUERIES[query])


@pytest.mark.parametrize("cursor", ["x", "%F0%9F%98%80", "AAAA", "A" * 60, "../../etc/passwd"])
def test_a_broken_cursor_is_400_and_says_so(cursor: str) -> None:
    assert_problem(call("GET", f"{PATH}?cursor={cursor}"), 400, "cursor")


def test_a_cursor_of_another_list_is_400_and_says_so(stack: Database) -> None:
    rows = [a_row() for _ in range(3)]
    stack.fill(rows)
    cursor = call("GET", f"{PATH}?limit=1").json["next_cursor"]
    answer = call("GET", f"{PATH}?limit=1&status=pending&cursor={cursor}")
    assert_problem(answer, 400, "cursor")
    assert "other filters" in answer.json["detail"]
    for row in rows:
        stack.client.delete_item(TableName=stack.name, Key={"id": {"S": row.id}})


@pytest.mark.parametrize(
    "id_", ["nonsense", an_id(), "secret%23cursor", "lease%23retry_sweep", "canary", "%F0%9F%98%80"]
)
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("POST", "/requeue"), ("POST", "/read")])
def test_an_unknown_id_is_404(method: str, tail: str, id_: str) -> None:
    """Contract 2.7 [S]: an unknown id is 404; so are the items that are no notifications."""
    assert_problem(call(method, f"{PATH}/{id_}{tail}"), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/api/v1/nothing"), ("DELETE", PATH), ("PUT", PATH)]
)
def test_an_unknown_path_is_404(method: str, path: str) -> None:
    assert_problem(call(method, path), 404)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)
values = st.recursive(scalars, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper))
bodies = st.fixed_dictionaries(
    {},
    optional={name: values | st.just(GOOD.get(name, "x")) for name in (*GOOD, "subject", "severity", "certificate_id")},
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies | values)
def test_no_body_whatever_is_a_defect(stack: Database, monkeypatch_insert: Callable[[], None], body: Any) -> None:
    """Never 500: fuzzed bodies are taken or refused by name."""
    answer = call("POST", PATH, json.dumps(body))
    assert answer.status in (202, 422), answer.body


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_text_whatever_is_a_defect(stack: Database, text: str) -> None:
    assert call("POST", PATH, text).status in (400, 422)


words = st.text(st.characters(codec="utf-8"), max_size=40)
queries = st.dictionaries(
    st.sampled_from(["status", "type", "contains", "created_after", "created_before", "limit", "cursor", "severity"]),
    words | st.sampled_from(["dead", "5", "2026-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "1970-01-01T00:00:00+00:00"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries)
def test_no_query_whatever_is_a_defect(stack: Database, query: dict[str, str]) -> None:
    answer = call("GET", f"{PATH}?{urlencode(query)}")
    assert answer.status in (200, 400, 422), answer.body
    assert answer.fields <= query.keys()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words.filter(lambda text: text not in ("", ".", "..")), st.sampled_from(["", "/requeue", "/read"]))
def test_no_id_whatever_is_a_defect(stack: Database, id_: str, tail: str) -> None:
    assert call("POST" if tail else "GET", f"{PATH}/{quote(id_, safe='')}{tail}").status == 404


@pytest.mark.parametrize(("method", "body", "status"), [("GET", None, 200), ("POST", "{}", 400)])
def test_an_event_without_headers_is_answered(stack: Database, method: str, body: str | None, status: int) -> None:
    """API Gateway's test console sends null."""
    event = sample("api_create") | {"httpMethod": method, "headers": None, "multiValueHeaders": None, "body": body}
    assert answer_of(handler("api")(event, Context())).status == status


@pytest.fixture
def monkeypatch_insert(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the fuzz gets accepted out of the table."""
    monkeypatch.setattr("tocsin.storage.notifications.table.NotificationTable.insert", lambda _self, row: row)


def test_a_refused_step_is_409_and_names_the_state(stack: Database) -> None:
    """Contract 1 [S]: 409 over HTTP, and nothing changes."""
    row = settled(a_row(), ACCEPTED, NOW)
    stack.fill([row])
    before = stack.item(row.id)
    answer = call("POST", f"{PATH}/{row.id}/requeue")
    assert_problem(answer, 409)
    assert "it is sent" in answer.json["detail"]
    assert stack.item(row.id) == before
    stack.client.delete_item(TableName=stack.name, Key={"id": {"S": row.id}})
