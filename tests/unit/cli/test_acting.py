"""What an operator does with dead letters: one, some, a group. Contract 3.4 [S]: requeue is possible in the CLI."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from build.toolchain import ROOT
from tests.support.cli_api import ID, OTHER, RecordedApi, a_job, a_notification, a_page
from tests.support.terminal import Seen, on_a_terminal
from tests.support.waiting import until
from tocsin_cli.exits import Exit

JOB = "01JZ8W3T5N6V0QJ4X2M7C9K1JB"
PREVIEW = {
    "count": 300,
    "is_exact": True,
    "sample": [a_notification(), a_notification(id=OTHER)],
    "token": "a token",
    "expires_at": "2026-03-01T12:10:00Z",
}
TOCSIN = [sys.executable, "-c", "from tocsin_cli.main import main; main(prog_name='tocsin')"]
WHY = ("--reason", "the receiver is back")
REFUSAL = (409, {"detail": "can't requeue: it is sent"})


def on_terminal(api: RecordedApi, *arguments: str, typed: str = "") -> Seen:
    command = [*TOCSIN, *arguments]
    told = api.environment(PYTHONPATH=str(ROOT / "cli"), PATH=os.environ["PATH"])
    return on_a_terminal(command, told, typed=typed)


@pytest.fixture
def bulk(api: RecordedApi) -> RecordedApi:
    """An API in which a job runs to its end in three looks."""
    states = [a_job(state="running", requeued=100), a_job(state="running", requeued=250, superseded=5)]
    end = a_job(state="done", requeued=290, superseded=8, passed_over=2)
    api.answers |= {
        "POST /requeue-jobs/preview": PREVIEW,
        "POST /requeue-jobs": (202, a_job()),
        f"GET /requeue-jobs/{JOB}": [*states, end],
    }
    return api


# ── One by one ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", ["requeue", "read"])
def test_one_is_done_at_once_with_its_reason(api: RecordedApi, step: str) -> None:
    api.answers[f"POST /notifications/{ID}/{step}"] = a_notification(status="pending")
    done = api.run(step, ID, "--reason", "the receiver is back")
    assert (done.exit_code, done.stdout) == (0, f"{ID}\tpending\n")
    assert [one.body for one in api.asked] == [{"reason": "the receiver is back"}]


def test_without_a_reason_no_body_is_sent(api: RecordedApi) -> None:
    api.answers[f"POST /notifications/{ID}/requeue"] = a_notification(status="pending")
    assert json.loads(api.run("requeue", ID, "--json").stdout)["status"] == "pending"
    assert api.asked[0].body is None


@pytest.mark.parametrize("step", ["requeue", "read"])
def test_several_are_asked_about_and_nothing_is_done_where_nobody_can_answer(api: RecordedApi, step: str) -> None:
    done = api.run(step, ID, OTHER)
    assert done.exit_code == Exit.USAGE
    assert "2 notifications? Nobody is there to answer: say --yes." in done.stderr
    assert api.asked == []


def test_each_of_several_has_its_own_answer(api: RecordedApi) -> None:
    """One that is refused holds up no other, and the exit code says that not all went well."""
    api.answers |= {f"POST /notifications/{ID}/requeue": REFUSAL}
    api.answers |= {f"POST /notifications/{OTHER}/requeue": a_notification(id=OTHER, status="pending")}
    done = api.run("requeue", ID, OTHER, ID, "--yes")
    assert done.exit_code == Exit.REFUSED
    assert done.stdout == f"{OTHER}\tpending\n"
    assert done.stderr.startswith(f"{ID}: can't requeue: it is sent")
    assert len(api.asked) == 2  # the same id twice is one


def test_what_the_next_one_would_meet_as_well_ends_it(api: RecordedApi) -> None:
    api.answers[f"POST /notifications/{ID}/requeue"] = (503, {"detail": "The storage did not answer."})
    assert api.run("requeue", ID, OTHER, "--yes").exit_code == Exit.UNREACHABLE
    assert len(api.asked) == 1


def test_an_id_leads_to_no_other_path(api: RecordedApi) -> None:
    api.run("requeue", "../renewal-policies")
    assert api.asked[0].path == "/notifications/..%2Frenewal-policies/requeue"


# ── Many ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

SELECTIONS: list[tuple[list[str], dict[str, Any]]] = [
    (["--group", "4f1c09e2a7d3"], {"filters": {"error_group": "4f1c09e2a7d3"}}),
    (["--type", "Custom:disk", "--channel", "Webhook"], {"filters": {"type": "Custom:disk", "channel": "Webhook"}}),
    (["--created-after", "2026-03-01T12:00:00Z"], {"filters": {"created_after": "2026-03-01T12:00:00Z"}}),
    (["--all"], {"filters": {}}),
    ([f"{ID[:-2]}{number:02}" for number in range(21)], {"ids": [f"{ID[:-2]}{number:02}" for number in range(21)]}),
]


@pytest.mark.parametrize(("chosen", "selection"), SELECTIONS, ids=["group", "filters", "time", "all", "ids"])
def test_many_are_counted_and_then_requeued_by_a_job(
    bulk: RecordedApi, chosen: list[str], selection: dict[str, Any]
) -> None:
    done = bulk.run("requeue", *chosen, "--yes", "--reason", "the receiver is back")
    assert done.exit_code == 0, done.output
    preview, start, *looks = bulk.asked
    assert (preview.line, preview.body) == ("POST /requeue-jobs/preview", selection)
    assert (start.line, start.body) == ("POST /requeue-jobs", {"token": "a token", "reason": "the receiver is back"})
    assert {look.line for look in looks} == {f"GET /requeue-jobs/{JOB}"}
    assert done.stdout.splitlines() == [
        "queued: 0 requeued of 300",
        "running: 100 requeued of 300",
        "running: 250 requeued, 5 superseded of 300",
        "done: 290 requeued, 8 superseded, 2 passed over of 300",
    ]


def test_a_job_is_not_started_where_nobody_can_answer(bulk: RecordedApi) -> None:
    done = bulk.run("requeue", "--all", *WHY)
    assert done.exit_code == Exit.USAGE
    assert "Requeue 300 dead letters? Nobody is there to answer: say --yes." in done.stderr
    assert bulk.lines == ["POST /requeue-jobs/preview"]


def test_on_a_terminal_one_sees_what_it_is_about_and_is_asked_why(bulk: RecordedApi) -> None:
    seen = on_terminal(bulk, "requeue", "--group", "4f1c09e2a7d3", typed="y\nit is back\n")
    assert seen.code == 0, seen.text
    for text in (ID, OTHER, "These are 2 of 300 dead letters.", "Requeue 300 dead letters?", "done: 290 requeued"):
        assert text in seen.text, seen.text
    assert bulk.asked[1].body == {"token": "a token", "reason": "it is back"}


@pytest.mark.parametrize("arguments", [["--all"], ["--all", "--yes"], ["--group", "4f1c09e2a7d3", "--yes"]])
def test_many_are_not_requeued_without_a_reason(bulk: RecordedApi, arguments: list[str]) -> None:
    """The audit trail says who and why; nobody is there to be asked."""
    done = bulk.run("requeue", *arguments)
    assert (done.exit_code, bulk.asked) == (Exit.USAGE, [])
    assert "--reason" in done.stderr


def test_no_is_an_answer(bulk: RecordedApi) -> None:
    seen = on_terminal(bulk, "requeue", "--all", typed="n\n")
    assert seen.code == Exit.REFUSED
    assert "Nothing was done." in seen.plain
    assert bulk.lines == ["POST /requeue-jobs/preview"]


def test_a_count_that_is_not_exact_says_so(bulk: RecordedApi) -> None:
    bulk.answers["POST /requeue-jobs/preview"] = PREVIEW | {"count": 10_000, "is_exact": False}
    assert "Requeue 10,000 or more dead letters?" in bulk.run("requeue", "--all", *WHY).stderr


def test_nothing_to_requeue_is_nothing_to_ask_about(bulk: RecordedApi) -> None:
    bulk.answers["POST /requeue-jobs/preview"] = PREVIEW | {"count": 0, "sample": []}
    done = bulk.run("requeue", "--all", *WHY)
    assert (done.exit_code, done.stderr) == (0, "No dead letter matches.\n")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_that_did_not_come_to_its_end_is_no_success(bulk: RecordedApi, state: str) -> None:
    bulk.answers[f"GET /requeue-jobs/{JOB}"] = a_job(state=state, requeued=3)
    done = bulk.run("requeue", "--all", "--yes", *WHY)
    assert done.exit_code == Exit.REFUSED
    assert done.stdout.splitlines()[-1] == f"{state}: 3 requeued of 300"


def test_ctrl_c_ends_the_looking_and_not_the_job(bulk: RecordedApi) -> None:
    bulk.answers[f"GET /requeue-jobs/{JOB}"] = a_job(state="running", requeued=3)
    arguments = ["requeue", "--all", "--yes", *WHY]
    environment = bulk.environment(PYTHONPATH=str(ROOT / "cli"), PATH=os.environ["PATH"])
    with subprocess.Popen([*TOCSIN, *arguments], env=environment, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: f"GET /requeue-jobs/{JOB}" in bulk.lines)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == Exit.INTERRUPTED
    assert f"The job goes on. Its progress: tocsin jobs show {JOB}. To stop it: tocsin jobs cancel {JOB}" in said
    assert not [line for line in bulk.lines if line.endswith("cancel")]


def test_without_waiting_the_jobs_id_is_printed(bulk: RecordedApi) -> None:
    done = bulk.run("requeue", "--all", "--yes", *WHY, "--no-wait")
    assert (done.exit_code, done.stdout) == (0, f"{JOB}\n")
    assert len(bulk.asked) == 2


def test_progress_as_json_is_a_job_a_line(bulk: RecordedApi) -> None:
    lines = bulk.run("requeue", "--all", "--yes", *WHY, "--json").stdout.splitlines()
    assert [json.loads(line)["requeued"] for line in lines] == [0, 100, 250, 290]


@pytest.mark.parametrize("arguments", [[], [ID, "--all"], ["--all", "--channel", "Email"], [ID, "--group", "x"]])
def test_what_to_requeue_is_said_once(api: RecordedApi, arguments: list[str]) -> None:
    """`--all` with a filter could mean either: nothing is guessed."""
    assert api.run("requeue", *arguments, "--yes").exit_code == Exit.USAGE
    assert api.asked == []


def test_a_job_refuses_more_ids_than_it_takes(api: RecordedApi) -> None:
    assert api.run("requeue", *[ID] * 501, "--yes").exit_code == Exit.USAGE
    assert api.asked == []


# ── Jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_tells_what_it_was_started_for(bulk: RecordedApi) -> None:
    lines = bulk.run("jobs", "show", JOB).stdout.splitlines()
    assert "Chosen\tchannel=Webhook" in lines
    assert "Why\tthe receiver is back" in lines
    assert "By\tkim" in lines
    assert "Requeued\t100 of 300" in lines


def test_a_job_can_be_followed_later(bulk: RecordedApi) -> None:
    done = bulk.run("jobs", "show", JOB, "--follow")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        "done: 290 requeued, 8 superseded, 2 passed over of 300",
    )


def test_to_cancel_is_asked_about(bulk: RecordedApi) -> None:
    bulk.answers[f"POST /requeue-jobs/{JOB}/cancel"] = a_job(state="cancelled", requeued=7)
    assert bulk.run("jobs", "cancel", JOB).exit_code == Exit.USAGE
    assert bulk.asked == []
    done = bulk.run("jobs", "cancel", JOB, "--yes")
    assert (done.exit_code, done.stdout) == (0, "cancelled: 7 requeued of 300\n")


def test_a_list_of_jobs(api: RecordedApi) -> None:
    api.answers["GET /requeue-jobs"] = a_page(a_job(expected=10_000, is_exact=False))
    assert api.run("jobs").stdout.split("\t")[3:5] == ["0", "10000"]
