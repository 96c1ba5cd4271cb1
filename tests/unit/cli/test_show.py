"""The whole story of one notification, and the way to its logs. Contract 3.4 [S]: `dead` is visible in the CLI."""

import json
import re

from tests.docs.aws_cli import understood
from tests.docs.test_commands import calls
from tests.support.cli_api import ID, OTHER, RecordedApi, a_notification, a_page
from tests.unit.cli.test_lists import CERTIFICATE, HOSTILE
from tocsin_cli.exits import Exit


def attempt(number: int, minute: int, **said: object) -> dict[str, object]:
    return {
        "number": number,
        "started_at": f"2026-03-01T12:{minute:02}:00.123000Z",
        "duration_ms": 120,
        "result": "retryable",
        "http_status": 503,
        "error": "HTTP 503: down",
        "next_retry_at": f"2026-03-01T12:{minute + 1:02}:00Z",
    } | said


REQUEUED = {
    "id": OTHER,
    "at": "2026-03-01T12:05:00Z",
    "action": "notification_requeued",
    "resource": f"notification/{ID}",
    "actor": "arn:aws:sts::123456789012:assumed-role/operator/kim",
    "detail": {"was": "dead", "reason": "the receiver is back"},
}
ROW = a_notification(
    certificate_id=ID,
    fallback_of=OTHER,
    resolved_by=OTHER,
    attempts=[attempt(1, 1), attempt(2, 3), attempt(1, 6, result="permanent", next_retry_at=None)],
)
EXPLANATION = {"summary": "2 alerts raised in this cycle, 0 known to have arrived."}


def told(api: RecordedApi, **said: object) -> None:
    api.answers |= {
        f"GET /notifications/{ID}": ROW | said,
        f"GET /notifications/{OTHER}": a_notification(id=OTHER, status="sent", channel="PagerDuty"),
        "GET /audit-events": a_page(REQUEUED),
        f"GET /certificates/{ID}": CERTIFICATE,
        f"GET /certificates/{ID}/explain": EXPLANATION,
    }


def test_a_story_is_told_in_the_order_of_time(api: RecordedApi) -> None:
    """Attempts of both lives, and who began the second one and why."""
    told(api)
    said = api.run("show", ID).stdout
    happened = re.findall(r"^  2026-03-01 (\d\d:\d\d):\d\d UTC  (\S+) +(.*)$", said, re.MULTILINE)
    assert happened == [
        ("12:00", "created", "by monitoring/nightly"),
        ("12:01", "retryable", "attempt 1, 120 ms: HTTP 503: down; again at 12:02:00"),
        ("12:03", "retryable", "attempt 2, 120 ms: HTTP 503: down; again at 12:04:00"),
        ("12:05", "requeued", "by operator/kim: the receiver is back, was dead"),
        ("12:06", "permanent", "attempt 1, 120 ms: HTTP 503: down"),
        ("12:15", "dead", "HTTP 503: down for maintenance"),
    ]


def test_a_story_has_what_is_linked_and_the_certificate(api: RecordedApi) -> None:
    told(api)
    said = api.run("show", ID).stdout
    assert f"stands in for {OTHER}: sent, by PagerDuty" in said
    assert f"is resolved by {OTHER}: sent, by PagerDuty" in said
    assert f"shop.example.com ({ID}): Expiring" in said
    assert EXPLANATION["summary"] in said


def test_a_story_is_told_where_a_part_of_it_can_not_be_read(api: RecordedApi) -> None:
    """A role that may read notifications alone still sees them; a linked one may be gone."""
    api.answers |= {f"GET /notifications/{ID}": ROW, "GET /audit-events": (403, {"message": "Forbidden"})}
    done = api.run("show", ID)
    assert done.exit_code == 0
    assert f"stands in for {OTHER}: no longer kept" in done.stdout
    assert "not in the inventory" in done.stdout


def test_one_object_has_the_whole_story(api: RecordedApi) -> None:
    told(api)
    story = json.loads(api.run("show", ID, "--json").stdout)
    assert story["id"] == ID
    assert story["audit_events"] == [REQUEUED]
    assert [one["how"] for one in story["linked"]] == ["stands in for", "is resolved by"]
    assert story["certificate"] == CERTIFICATE
    assert f"notification_id = '{ID}'" in story["logs_query"]


def test_the_logs_are_found_by_a_command_that_aws_knows(api: RecordedApi) -> None:
    """By the service's own description of StartQuery and GetQueryResults, over all log groups of the stack."""
    told(api)
    said = api.run("show", ID, "--stack", "tocsin-trial", "--url", api.url).stdout
    started, fetched = [understood(words) for words in calls(said.replace("id=$(", "id=$( "), "aws")]
    assert (started.service, started.operation, started.query) == ("logs", "start_query", "queryId")
    assert fetched.operation == "get_query_results"
    query = started.arguments["queryString"]
    assert query.startswith("SOURCE logGroups(namePrefix: ['/aws/lambda/tocsin-trial-']) | fields @timestamp, ")
    assert f"| filter notification_id = '{ID}' | sort @timestamp asc" in query
    assert started.arguments["startTime"] < 1_772_366_400 < started.arguments["endTime"]  # 2026-03-01 12:00


def test_a_notification_that_waits_says_for_what(api: RecordedApi) -> None:
    waits = {"by": "Slack", "reason": "HTTP 401", "since": "2026-03-01T12:00:00Z", "until": None}
    told(api, status="failed", deferred=waits)
    lines = api.run("show", ID).stdout.splitlines()
    assert "Status\tdeferred" in lines
    assert "Waits for\tSlack: HTTP 401" in lines


def test_hostile_text_controls_no_terminal(api: RecordedApi) -> None:
    hostile = attempt(1, 1, error=HOSTILE)
    told(api, message=HOSTILE, subject=HOSTILE, recipient=HOSTILE, last_error=HOSTILE, attempts=[hostile])
    api.answers[f"GET /certificates/{ID}"] = CERTIFICATE | {"common_name": HOSTILE}
    api.answers[f"GET /certificates/{ID}/explain"] = {"summary": HOSTILE}
    assert not {"\x1b", "\x9b", "\x07", "\u202e", "\r"} & set(api.run("show", ID).output)


def test_what_is_not_there(api: RecordedApi) -> None:
    done = api.run("show", ID)
    assert (done.exit_code, done.stdout) == (Exit.NOT_FOUND, "")
