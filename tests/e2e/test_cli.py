"""`tocsin` beside the deployed stack: a dead letter is seen, understood, sent again; its page is as it prints."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from build.toolchain import ROOT
from local.certificate import self_signed
from local.receiver import Receiver, answers
from local.stack import Stack
from tests.docs.checkout import Shell
from tests.docs.markdown import SHELL, blocks, page
from tests.docs.test_quickstart import first_missing
from tests.e2e.test_life import created, is_now, seen
from tests.support.terminal import Seen, a_terminal
from tests.support.waiting import until
from tocsin_cli.exits import Exit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # the first test waits for the stack
MAIN = 'from tocsin_cli.main import main; main(prog_name="tocsin")'
TOCSIN = [sys.executable, "-c", MAIN]
PAGE = page("docs/cli.md")


def environment(stack: Stack) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "cli"), **stack.variables}


def tocsin(stack: Stack, *arguments: str, code: int = 0) -> str:
    """Run it in a process of its own, its output in a pipe; give what it printed."""
    done = subprocess.run(
        [*TOCSIN, *arguments], env=environment(stack), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def a_dead_letter(stack: Stack, receiver: Receiver, **fields: str) -> str:
    receiver.behaviour = answers(410)
    id_: str = created(stack, recipient=receiver.url(), **fields)["id"]
    is_now(stack, id_, "dead")
    return id_


def test_a_dead_letter_is_found_understood_and_sent_again(stack: Stack, receiver: Receiver) -> None:
    """Contract 3.4 [S]: `dead` is visible, and requeue possible, in the CLI."""
    text = uuid.uuid4().hex
    id_ = a_dead_letter(stack, receiver, message=f"The disk {text} is full.")
    (line,) = tocsin(stack, "list", "--status", "dead", "--contains", text).splitlines()
    assert line.split("\t")[:4] == [id_, seen(stack, id_)["created_at"], "dead", "Webhook"]
    assert "permanent" in tocsin(stack, "show", id_)

    receiver.behaviour = answers(204)
    assert tocsin(stack, "requeue", id_, "--reason", "the hook is back") == f"{id_}\tpending\n"
    is_now(stack, id_, "sent", seconds=20)
    (event,) = [json.loads(line) for line in tocsin(stack, "audit", id_, "--json").splitlines()]
    assert (event["action"], event["detail"]["reason"]) == ("notification_requeued", "the hook is back")
    story = tocsin(stack, "show", id_).partition("What happened")[2]
    assert story.index("permanent") < story.index("requeued") < story.index("delivered")


def test_several_are_asked_about_and_requeued_each_with_its_answer(stack: Stack, receiver: Receiver) -> None:
    """Contract 3.4 [S]: requeue is possible in the CLI. Nothing is done where nobody can answer the question."""
    letters = [a_dead_letter(stack, receiver) for _ in range(2)]
    asked = ["requeue", *letters, "--reason", "the hook is back"]
    tocsin(stack, *asked, code=Exit.USAGE)
    assert [seen(stack, id_)["status"] for id_ in letters] == ["dead", "dead"]

    receiver.behaviour = answers(204)
    assert tocsin(stack, *asked, "--yes").splitlines() == [f"{id_}\tpending" for id_ in letters]
    for id_ in letters:
        is_now(stack, id_, "sent", seconds=20)


def test_what_matches_a_filter_is_requeued_by_a_job(stack: Stack, receiver: Receiver) -> None:
    """Contract 3.4 [S]: many at once, by a filter. What is done can be read, and not be stopped any more."""
    text = uuid.uuid4().hex
    letters = [a_dead_letter(stack, receiver, message=f"The disk {text} is full.") for _ in range(3)]
    other = a_dead_letter(stack, receiver)
    asked = ["requeue", "--contains", text, "--reason", "the hook is back", "--json"]
    tocsin(stack, *asked, code=Exit.USAGE)
    assert [seen(stack, id_)["status"] for id_ in letters] == ["dead"] * 3

    receiver.behaviour = answers(204)
    job = json.loads(tocsin(stack, *asked, "--yes").splitlines()[-1])
    assert (job["state"], job["requeued"], job["selection"]["filters"]) == ("done", 3, {"contains": text})
    for id_ in letters:
        is_now(stack, id_, "sent", seconds=20)
    assert seen(stack, other)["status"] == "dead"
    tocsin(stack, "read", other, "--reason", "nobody asked for it")
    assert json.loads(tocsin(stack, "jobs", "show", job["id"], "--json")) == job
    assert job["id"] in tocsin(stack, "jobs")
    tocsin(stack, "jobs", "cancel", job["id"], "--yes", code=Exit.REFUSED)
    tocsin(stack, "jobs", "show", "01JZ8W3T5N6V0QJ4X2M7C9K1RB", code=Exit.NOT_FOUND)
    assert tocsin(stack, *asked, "--yes") == ""


def test_what_the_stack_refuses_has_its_own_exit_code(stack: Stack, receiver: Receiver) -> None:
    receiver.behaviour = answers(204)
    sent = created(stack, recipient=receiver.url())["id"]
    is_now(stack, sent, "sent", seconds=20)
    tocsin(stack, "requeue", sent, code=Exit.REFUSED)
    tocsin(stack, "show", "01JZ8W3T5N6V0QJ4X2M7C9K1RB", code=Exit.NOT_FOUND)
    tocsin(stack, "list", "--type", "Nonsense", code=Exit.REFUSED)
    tocsin(stack, "list", "--stack", "another", code=Exit.NO_ACCESS)
    tocsin(stack, "list", "--url", "http://127.0.0.1:9", code=Exit.UNREACHABLE)


def test_the_stack_is_found_by_its_name(stack: Stack) -> None:
    """Its output is where the API would be in an account; no address has to be known."""
    told = environment(stack)
    del told["TOCSIN_API_URL"]
    code = (
        "from tocsin_cli.connection import Connection; "
        f"assert Connection({stack.name!r}).api_url == {stack.outputs['ApiUrl']!r}.rstrip('/')"
    )
    subprocess.run([sys.executable, "-c", code], env=told, check=True)


def test_what_the_functions_logged_of_it_can_be_found(stack: Stack, receiver: Receiver) -> None:
    """One search by its id, over the log groups that the query names: the API's line, and that of its delivery."""
    receiver.behaviour = answers(204)
    id_ = created(stack, recipient=receiver.url())["id"]
    is_now(stack, id_, "sent", seconds=20)
    logs = stack.client("logs")

    def lines() -> dict[str, dict[str, str]]:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{stack.name}-")["logGroups"]
        events = [
            event["message"]
            for group in groups
            for event in logs.filter_log_events(logGroupName=group["logGroupName"], filterPattern=f'"{id_}"')["events"]
        ]
        found = [json.loads(text) for text in events if text.startswith("{")]
        return {line["message"]: line for line in found if line.get("notification_id") == id_}

    found = until(lines, is_right=lambda found: {"created", "sent"} <= found.keys(), seconds=30)
    assert all(line["request_id"] for line in found.values())
    assert found["created"]["api_request_id"]


# ── docs/cli.md ──────────────────────────────────────────────────────────────────────────────────────────────────────


NOT_HERE = ("pipx",)
"""What installs: tests/build/test_cli_package.py does that."""
COLUMNS = 100


@pytest.fixture
def desk(stack: Stack, tmp_path: Path) -> Iterator[Shell]:
    """A shell whose output is a terminal, in a directory that has what the page's reader has."""
    (tmp_path / "tocsin").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' \"$@\"\n")
    (tmp_path / "tocsin").chmod(0o755)
    (tmp_path / ".local").mkdir()
    stack.write(tmp_path / ".local")
    mail = self_signed("mail.example.com", timedelta(days=20), datetime.now(UTC))
    (tmp_path / ".local" / "mail.pem").write_text(mail)
    told = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "cli"), "TERM": "xterm-256color"}
    with a_terminal(COLUMNS) as (ours, its):
        command = ["bash", "-eu", "-o", "pipefail"]
        with subprocess.Popen(
            command, cwd=tmp_path, env=told, stdin=subprocess.PIPE, stdout=its, stderr=its, text=True
        ) as process:
            assert process.stdin
            yield Shell(process, process.stdin, ours)
            process.stdin.close()


def test_the_page_shows_what_the_terminal_shows(stack: Stack, desk: Shell, receiver: Receiver) -> None:
    """Every command of docs/cli.md, in order, on a terminal; what a `text` block shows, those before it print."""
    mark_all_read(stack)  # what other tests left behind: the page shows three
    receiver.behaviour = answers(410, b"no such hook")
    for number in range(6, 9):
        severity = "critical" if number == 7 else "warning"
        fields = {"type": "Custom:disk", "message": f"The disk of db-{number} is full.", "severity": severity}
        is_now(stack, created(stack, recipient=receiver.url(), **fields)["id"], "dead")
    stack.api.request("POST", "/api/v1/renewal-policies", json_body={"name": "shops"})
    backup = created(stack, type="Custom:backup", channel="Email", recipient="ops@example.com", message="Done.")
    is_now(stack, backup["id"], "sent", seconds=20)
    printed = ""
    for block in blocks(PAGE, *SHELL, "text"):
        if block.language == "text":
            missing = first_missing(one_space(block.text), one_space(printed))
            assert missing is None, f"{block}: {missing!r} is not in what was printed:\n{printed}"
        elif not block.text.startswith(NOT_HERE):
            if "requeue" in block.text:
                receiver.behaviour = answers(204)
            printed = Seen(desk.run(block.text), 0).plain


def mark_all_read(stack: Stack) -> None:
    """Leave no dead letter."""
    dead = {"status": "dead", "limit": "100"}
    while left := stack.api.request("GET", "/api/v1/notifications", query=dead).json()["items"]:
        for row in left:
            stack.api.request("POST", f"/api/v1/notifications/{row['id']}/read")


def one_space(text: str) -> str:
    """Let columns be as wide as what stands in them."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())
