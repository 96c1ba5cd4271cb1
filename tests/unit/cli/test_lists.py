"""Lists: what is asked for, and how it is shown in a pipe, as JSON and on a terminal."""

import json
import os
import sys
from typing import Any

import pytest

from build.toolchain import ROOT
from tests.support.cli_api import ID, OTHER, RecordedApi, a_job, a_notification, a_page
from tests.support.terminal import Seen, on_a_terminal
from tocsin_cli.exits import Exit

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202etxt.exe\r\n[bold red]x[/] :bomb: \x1b[31m"
GROUP: dict[str, Any] = {
    "id": "4f1c09e2a7d3",
    "channel": "Webhook",
    "error": "HTTP 503: down for maintenance",
    "count": 312,
    "first_died_at": "2026-03-01T12:15:00Z",
    "last_died_at": "2026-03-01T13:15:00Z",
    "sample_id": ID,
}
CERTIFICATE = {
    "id": ID,
    "common_name": "shop.example.com",
    "names": ["shop.example.com"],
    "serial": "0abc",
    "fingerprint_sha256": "ab" * 32,
    "issuer": "CN=Test CA",
    "not_before": None,
    "expires_at": "2026-03-06T12:00:00Z",
    "status": "Expiring",
    "owner_id": "01JZ8W3T5N6V0QJ4X2M7C9K1R0",
    "team_id": None,
    "policy_id": None,
    "source": "tls",
    "source_ref": "shop.example.com:443",
    "renewal_status": "",
    "chain_verified": False,
    "chain_problem": "self-signed",
    "archived_at": None,
    "revoked_at": None,
    "key_kind": "EC",
    "key_size": 256,
    "signature_algorithm": "SHA256-RSA",
    "environment": "production",
    "tags": {"team": "web", "cost-center": "12"},
    "in_use_by": ["arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/shop/1"],
    "replaced_at": None,
    "replaced_by": None,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "version": 1,
}
ISSUER = {
    "id": ID,
    "name": "CN=R11,O=Let's Encrypt,C=US",
    "certificates": 12,
    "next_expiry": "2026-03-06T12:00:00Z",
    "first_seen_at": "2026-01-01T00:00:00Z",
}
CHANNEL = {
    "name": "Webhook",
    "configured": True,
    "state": "held",
    "last_delivered_at": "2026-03-01T12:00:00Z",
    "last_failed_at": "2026-03-01T12:15:00Z",
    "last_error": "HTTP 401",
    "circuits": [
        {"name": "Webhook", "state": "held", "since": None, "reason": "HTTP 401", "next_look_at": None, "waiting": 12}
    ],
    "warning": None,
}
UNUSED = CHANNEL | {"name": "Teams", "configured": False, "state": "closed", "circuits": [], "last_error": None}
EVENT = {
    "id": OTHER,
    "at": "2026-03-01T12:00:00Z",
    "action": "notification_requeued",
    "resource": f"notification/{ID}",
    "actor": "arn:aws:sts::123456789012:assumed-role/operator/kim",
    "detail": {"was": "dead", "reason": "the receiver is back"},
}
POLICY = {
    "id": ID,
    "name": "shops",
    "alert_thresholds_days": [30, "33%", 0],
    "severities": {"30": "informational", "33%": "warning", "0": "critical"},
    "channels": {"informational": ["Email"], "warning": ["Email", "Webhook"], "critical": []},
    "fallbacks": {"Webhook": "Email"},
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "version": 1,
}
RULE = {
    "id": ID,
    "name": "keys",
    "type": "MinimumKey",
    "config": {"rsa_bits": 3072, "ec_bits": None, "kinds": None, "forbidden_signatures": ["SHA1-*", "MD5-*"]},
    "severity": "critical",
    "enabled": True,
    "scope": {"owner_id": None, "team_id": "t1", "policy_id": None, "environment": None, "tags": {"tier": "1"}},
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "version": 3,
}
CONTACT = {"id": ID, "name": "Kim", "email": "kim@example.com", "team_id": OTHER}
LISTS: list[tuple[list[str], str, dict[str, Any], list[str]]] = [
    (["list"], "/notifications", a_notification(), [ID, "2026-03-01T12:00:00Z", "dead", "Webhook", "warning"]),
    (["channels"], "/channels", CHANNEL, ["Webhook", "held", "2026-03-01T12:00:00Z", "2026-03-01T12:15:00Z", "12"]),
    (["certificates"], "/certificates", CERTIFICATE, [ID, "shop.example.com", "Expiring", "2026-03-06T12:00:00Z"]),
    (["issuers"], "/issuers", ISSUER, [ID, "CN=R11,O=Let's Encrypt,C=US", "12", "2026-03-06T12:00:00Z"]),
    (["policies"], "/renewal-policies", POLICY, [ID, "shops", "30, 33%, 0"]),
    (["rules"], "/policies", RULE, [ID, "keys", "MinimumKey", "critical", "team_id=t1, tag tier=1", "yes"]),
    (["owners"], "/owners", CONTACT, [ID, "Kim", "kim@example.com", OTHER]),
    (["teams"], "/teams", CONTACT, [ID, "Kim", "kim@example.com"]),
    (["audit"], "/audit-events", EVENT, ["2026-03-01T12:00:00Z", "notification_requeued", f"notification/{ID}"]),
    (["jobs"], "/requeue-jobs", a_job(), ["01JZ8W3T5N6V0QJ4X2M7C9K1JB", "2026-03-01T12:00:00Z", "queued", "0", "300"]),
    (
        ["groups"],
        "/dead-letter-groups",
        GROUP,
        ["4f1c09e2a7d3", "312", "Webhook", "2026-03-01T12:15:00Z", "2026-03-01T13:15:00Z", GROUP["error"], ID],
    ),
]
every_list = pytest.mark.parametrize(("command", "path", "row", "begins"), LISTS, ids=[case[0][0] for case in LISTS])


def answer(path: str, *rows: Any) -> dict[str, Any]:
    return a_page(*rows) | ({"examined": 312, "complete": True} if path == "/dead-letter-groups" else {})


def on_terminal(api: RecordedApi, *arguments: str, columns: int = 100, **environment: str) -> Seen:
    command = [sys.executable, "-c", "from tocsin_cli.main import main; main(prog_name='tocsin')", *arguments]
    told = api.environment(PYTHONPATH=str(ROOT / "cli"), PATH=os.environ["PATH"], **environment)
    return on_a_terminal(command, told, columns=columns)


@every_list
def test_a_pipe_gets_lines_with_tabs(
    api: RecordedApi, command: list[str], path: str, row: dict[str, Any], begins: list[str]
) -> None:
    """Times are whole, nothing is cut, and there is no head: for cut, awk and sort."""
    api.answers[f"GET {path}"] = answer(path, row)
    done = api.run(*command)
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    assert line.split("\t")[: len(begins)] == begins


@every_list
def test_json_is_what_the_api_said_an_object_a_line(
    api: RecordedApi, command: list[str], path: str, row: dict[str, Any], begins: list[str]
) -> None:
    api.answers[f"GET {path}"] = answer(path, row, row)
    lines = api.run(*command, "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [row, row]


@every_list
@pytest.mark.parametrize("columns", [80, 120])
def test_a_table_fits_its_terminal(
    api: RecordedApi, command: list[str], path: str, row: dict[str, Any], begins: list[str], columns: int
) -> None:
    """What one copies, the id at the beginning, is whole at any width."""
    api.answers[f"GET {path}"] = answer(path, row)
    seen = on_terminal(api, *command, columns=columns)
    assert seen.code == 0, seen.text
    head, line = seen.plain.rstrip().splitlines()
    assert head.upper() == head
    assert line.strip().startswith(begins[0]) or begins[0].endswith("Z")
    assert all(len(text) <= columns for text in (head, line))


def test_colours_are_for_terminals_that_want_some(api: RecordedApi) -> None:
    api.answers["GET /notifications"] = a_page(a_notification())
    assert "\x1b[1;31mdead" in on_terminal(api, "list").text
    assert "\x1b[1;31m" not in on_terminal(api, "list", NO_COLOR="1").text
    assert "\x1b" not in api.run("list").output


def test_the_error_is_cut_on_a_terminal_and_whole_in_a_pipe(api: RecordedApi) -> None:
    error = "HTTP 503: " + "down " * 60
    api.answers["GET /notifications"] = a_page(a_notification(last_error=error))
    assert "…" in on_terminal(api, "list", columns=80).plain
    assert error.strip() in api.run("list").stdout


def test_a_deferred_row_is_shown_as_deferred(api: RecordedApi) -> None:
    """It waits, and no attempt was spent: nothing to be alarmed by."""
    waits = {"by": "Slack", "reason": "HTTP 401", "since": "2026-03-01T12:00:00Z", "until": None}
    api.answers["GET /notifications"] = a_page(a_notification(status="failed", deferred=waits))
    assert api.run("list").stdout.split("\t")[2] == "deferred"


@pytest.mark.parametrize("shown", [["list"], ["list", "--json"], ["watch", "--times", "1"]])
def test_hostile_text_controls_no_terminal(api: RecordedApi, shown: list[str]) -> None:
    row = a_notification(message=HOSTILE, last_error=HOSTILE, recipient=HOSTILE, type=HOSTILE, certificate_id=HOSTILE)
    summary = {"stack": HOSTILE, "taken_at": "", "notifications_dead": 1, "notifications_due": 1, "counted_up_to": 9}
    api.answers |= {"GET /notifications": a_page(row), "GET /stats/summary": summary}
    for text in (api.run(*shown).stdout, on_terminal(api, *shown, columns=180, NO_COLOR="1").plain):
        assert not {"\x1b", "\x9b", "\x07", "\u202e", "\r"} & set(text), text
    if shown == ["list"]:
        assert "[bold red]x[/] :bomb:" in text


def test_every_filter_is_the_apis(api: RecordedApi) -> None:
    api.answers["GET /notifications"] = a_page()
    asked = {
        "--status": ("status", "dead"),
        "--type": ("type", "Custom:disk"),
        "--channel": ("channel", "Slack:payments"),
        "--outcome": ("outcome", "bounced"),
        "--severity": ("severity", "critical"),
        "--certificate": ("certificate_id", ID),
        "--contains": ("contains", "the disk & more"),
        "--group": ("error_group", "4f1c09e2a7d3"),
        "--created-after": ("created_after", "2026-03-01T12:00:00Z"),
        "--created-before": ("created_before", "2026-03-02T12:00:00Z"),
    }
    given = [word for option, (_, value) in asked.items() for word in (option, value)]
    assert api.run("list", *given, "--deferred").exit_code == 0
    assert api.asked[0].query == dict(asked.values()) | {"deferred": "true", "limit": "51"}
    api.run("list", "--not-deferred")
    assert api.asked[1].query["deferred"] == "false"


def test_a_list_says_that_there_is_more(api: RecordedApi) -> None:
    """But for somebody who asked for just so many."""
    api.answers["GET /notifications"] = a_page(*[a_notification()] * 51)
    done = api.run("list")
    assert len(done.stdout.splitlines()) == 50
    assert "There are more: these are the first 50." in done.stderr
    api.answers["GET /notifications"] = a_page(*[a_notification()] * 50)
    assert api.run("list").stderr == ""
    done = api.run("list", "--limit", "2")
    assert (len(done.stdout.splitlines()), done.stderr) == (2, "")
    assert api.asked[-1].query["limit"] == "2"


def test_all_pages_are_read_and_empty_ones_passed_over(api: RecordedApi) -> None:
    pages = [a_page(a_notification(), next_cursor="1"), a_page(next_cursor="2"), a_page(a_notification(id=OTHER))]
    api.answers["GET /notifications"] = pages
    assert [line.split("\t")[0] for line in api.run("list", "--all").stdout.splitlines()] == [ID, OTHER]
    assert [one.query.get("cursor") for one in api.asked] == [None, "1", "2"]


def test_an_empty_list_says_so_on_a_terminal(api: RecordedApi) -> None:
    api.answers["GET /notifications"] = a_page()
    assert on_terminal(api, "list").plain.strip() == "No notification matches."
    assert api.run("list").stdout == ""


def test_only_channels_in_use(api: RecordedApi) -> None:
    api.answers["GET /channels"] = {"items": [CHANNEL, UNUSED]}
    assert len(api.run("channels").stdout.splitlines()) == 2
    assert "not configured" in api.run("channels").stdout
    assert len(api.run("channels", "--configured").stdout.splitlines()) == 1


def test_a_bare_id_means_a_notification_in_the_audit_trail(api: RecordedApi) -> None:
    api.answers["GET /audit-events"] = a_page(EVENT)
    api.run("audit", ID)
    api.run("audit", f"certificate/{ID}", "--action", "certificate_renewed")
    assert [one.query["resource"] for one in api.asked] == [f"notification/{ID}", f"certificate/{ID}"]
    assert api.asked[1].query["action"] == "certificate_renewed"


def test_groups_are_not_of_a_stretch_of_time(api: RecordedApi) -> None:
    assert api.run("groups", "--created-after", "2h").exit_code == Exit.USAGE


def test_groups_of_more_than_was_looked_at_say_so(api: RecordedApi) -> None:
    api.answers["GET /dead-letter-groups"] = {"items": [GROUP], "examined": 10_000, "complete": False}
    assert "Of the 10,000 latest dead letters" in api.run("groups").stderr


def test_counts_that_are_not_known_or_more_say_so(api: RecordedApi) -> None:
    """Contract 3.2 [S]: a count that fails is null, and the rest is there."""
    summary = {"stack": "tocsin", "taken_at": "2026-03-01T12:00:00Z", "counted_up_to": 10_000}
    api.answers["GET /stats/summary"] = summary | {"notifications_dead": None, "notifications_due": 10_000}
    assert api.run("stats").stdout.splitlines() == [
        "Stack\ttocsin",
        "Dead letters\tunknown",
        "Due\t10,000 or more",
        "Counted at\t2026-03-01 12:00:00 UTC",
    ]
    assert json.loads(api.run("stats", "--json").stdout)["notifications_dead"] is None


def test_a_watch_in_a_pipe_tells_each_change_once(api: RecordedApi) -> None:
    pending = a_notification(status="pending", last_error=None, retry_count=0)
    new = a_notification(id=OTHER, status="sent", outcome="delivered", last_error=None)
    api.answers |= {
        "GET /notifications": [a_page(pending), a_page()] * 2
        + [a_page(new, a_notification()), a_page(a_notification())],
        "GET /stats/summary": {"stack": "tocsin"},
    }
    done = api.run("watch", "--interval", "0.5", "--times", "4")
    assert done.exit_code == 0
    assert [line.split("\t")[1:3] for line in done.stdout.splitlines()] == [[ID, "dead"], [OTHER, "sent"]]


def test_a_watch_on_a_terminal_shows_what_is_dead_and_what_is_new(api: RecordedApi) -> None:
    sent = a_notification(id=OTHER, status="sent", last_error=None, message="The backup is done.")
    api.answers |= {
        "GET /notifications": [a_page(sent, a_notification()), a_page(a_notification())],
        "GET /stats/summary": {
            "stack": "tocsin",
            "taken_at": "2026-03-01T12:00:00Z",
            "counted_up_to": 10_000,
            "notifications_dead": 1,
            "notifications_due": 3,
        },
    }
    seen = on_terminal(api, "watch", "--times", "1")
    assert seen.code == 0, seen.text
    assert "1 dead   3 due" in seen.plain
    assert (
        seen.plain.index("Dead letters") < seen.plain.index(ID) < seen.plain.index("Newest") < seen.plain.index(OTHER)
    )
    assert seen.text.endswith("\x1b[?25h") or "\x1b[?1049l" in seen.text  # the terminal is as it was


def test_a_watch_goes_on_where_the_api_could_not_answer_for_a_while(api: RecordedApi) -> None:
    api.answers |= {
        "GET /notifications": [a_page(), a_page(), *[(503, {"detail": "Try again."})] * 3, a_page()],
        "GET /stats/summary": {},
    }
    done = api.run("watch", "--interval", "0.5", "--times", "3")
    assert done.exit_code == 0
    assert "Try again." in done.stderr
