"""The demo sees what happened, and sees when it did not. Its real run is `make demo ONCE=1`, a step of CI."""

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import urllib3
from rich.console import Console
from urllib3.exceptions import HTTPError

from demo import __main__ as demo
from demo.evidence import NotSeenError
from demo.picture import Picture, table
from demo.receiver import Hook
from demo.story import CHECKS, Story
from demo.world import Row, UnexpectedAnswerError
from local.stack import Stack

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = {
    "number": 1,
    "started_at": NOW - timedelta(seconds=1),
    "duration_ms": 0,
    "result": "retryable",
    "error": "HTTP 503: down for maintenance",
    "next_retry_at": NOW + timedelta(seconds=1),
}


def a_row(**fields: Any) -> Row:
    boring: dict[str, Any] = {
        "id": "01J0000000000000000000ABCD",
        "channel": "Webhook",
        "recipient": "http://127.0.0.1:1/hook",
        "subject": "pay.example: 7 days left",
        "message": "pay.example: 7 days left.",
        "severity": "warning",
        "status": "failed",
        "outcome": None,
        "retry_count": 1,
        "max_attempts": 5,
        "next_retry_at": NOW + timedelta(seconds=1),
        "last_error": "HTTP 503: down for maintenance",
        "attempts": [FAILED],
    }
    return Row(**(boring | fields))


class NoWorld:
    """Nothing to see, and nobody who answers."""

    def __init__(self) -> None:
        self.rows = {row.id: row for row in [a_row()]}
        self.received: list[Any] = []
        self.mood = "refuses connections"

    def look(self) -> None:
        pass

    def send_webhooks_to(self, _url: str) -> None:
        raise UnexpectedAnswerError("POST /owners answered 500")

    def url(self) -> str:
        return ""


def a_story() -> tuple[Story, Picture, StringIO]:
    printed, world = StringIO(), NoWorld()
    picture = Picture(Console(file=printed, width=80), moves=False)
    return Story(world, world, picture, "whsec_"), picture, printed  # type: ignore[arg-type]  # as much as is asked


def test_what_is_seen_is_told() -> None:
    story, _picture, printed = a_story()
    story.check("it rains", lambda: "drops")
    assert story.seen == 1
    assert "ok       it rains: drops" in printed.getvalue()


@pytest.mark.parametrize("evidence", [lambda: False, lambda: "", lambda: True])
def test_what_did_not_happen_is_named_and_ends_the_story(evidence: Any) -> None:
    """Issue 2, 7: each check can fail, is named when it does, and ends the story."""
    story, _picture, printed = a_story()
    with pytest.raises(NotSeenError, match="it rains"):
        story.check("it rains", evidence, patience=0)
    assert story.seen == 0
    assert "NOT SEEN it rains: not within 0 s" in printed.getvalue()


def test_an_answer_that_is_not_as_it_should_be_is_evidence_of_nothing() -> None:
    def evidence() -> str:
        raise UnexpectedAnswerError("GET /stats/summary answered 500")

    story, _picture, printed = a_story()
    with pytest.raises(NotSeenError):
        story.check("it rains", evidence, patience=0)
    assert "GET /stats/summary answered 500" in printed.getvalue()


def test_a_story_that_ends_early_ends_with_an_error() -> None:
    """Issue 2, 7: the exit code says whether all of it was seen."""
    story, picture, printed = a_story()
    assert demo.told(story, picture) == 1
    assert "It ended early: POST /owners answered 500" in printed.getvalue()
    assert f"0 of {CHECKS} ok" in printed.getvalue()


def test_every_check_is_counted() -> None:
    text = Path(demo.__file__).with_name("story.py").read_text()
    assert text.count("self.check(") == CHECKS


def test_a_second_demo_says_who_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 2, 1: a clear sentence, not a traceback."""
    monkeypatch.setattr(demo, "HOME", tmp_path)
    with demo.alone(tmp_path):
        assert demo.main() == 1
    assert capsys.readouterr().err.startswith("A demo is running here already. To end it: kill ")


@pytest.mark.parametrize("width", [80, 100])
def test_the_picture_fits_the_terminal(width: int) -> None:
    """A line for each notification, none of them broken, with the time to its next try."""
    rows, printed = [a_row(), a_row(status="sent", outcome="delivered")] * 3, StringIO()
    Console(file=printed, width=width).print(table(rows, NOW))
    first, *lines = printed.getvalue().splitlines()
    assert len(lines) == len(rows)
    assert max(map(len, lines)) <= width
    assert first.split() == ["id", "about", "channel", "status", "attempts", "next", "last", "error"]
    assert " Webhook failed ✗···· 1/5  1.0 s HTTP 503" in lines[0]


# ── What stays up ────────────────────────────────────────────────────────────────────────────────────────────────────


class Watched:
    """A story that is looked at twice, and then somebody presses Ctrl-C."""

    def __init__(self) -> None:
        self.looks = 0

    def watch(self, _seconds: float) -> None:
        self.looks += 1
        if self.looks == 2:
            raise KeyboardInterrupt


@pytest.fixture
def nobody_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's own AWS settings, which are restored after the test."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "TOCSIN_")):
            monkeypatch.delenv(name)
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "theirs")
    for name in ("TOCSIN_STACK", "TOCSIN_API_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "theirs")


@pytest.mark.usefixtures("nobody_s_environment")
def test_the_console_is_opened_and_stays_up_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 9, 2: make demo opens the console; it works for the demo's stack, whatever profile the operator has."""
    seen: list[tuple[str, int]] = []

    def asked(url: str) -> bool:
        page = url.partition("#")[0]
        seen.append((url, urllib3.request("GET", page, retries=False).status))
        return False  # there is no browser

    monkeypatch.setattr(demo, "opened", asked)
    printed = StringIO()
    picture = Picture(Console(file=printed, width=80), moves=False)
    stack = Stack("tocsin", "http://127.0.0.1:1", "us-east-1", "test", "test", "http://127.0.0.1:1/api", {})
    hook, story = Hook(), Watched()
    with closing(hook), pytest.raises(KeyboardInterrupt):
        demo._stay(stack, story, picture, hook)  # type: ignore[arg-type]  # as much of a story as is asked
    ((url, status),) = seen
    assert status == 200
    assert url in printed.getvalue().replace("\n", "")
    assert ".venv/bin/tocsin list" in printed.getvalue()
    assert (os.environ["AWS_ENDPOINT_URL"], os.environ["TOCSIN_STACK"]) == ("http://127.0.0.1:1", "tocsin")
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN"}.isdisjoint(os.environ)
    with pytest.raises(HTTPError):
        urllib3.request("GET", url.partition("#")[0], retries=False)
