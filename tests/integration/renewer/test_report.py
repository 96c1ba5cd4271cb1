"""What the example renewer says to Tocsin, and what it makes of the answers."""

import asyncio
import json
from typing import Any

import boto3
import pytest

from local.loopback import free_port
from local.receiver import Receiver, answers
from renewer import steps
from renewer.errors import JobIsOverError, RefusedError, TocsinUnreachableError
from tests.integration.renewer.conftest import asked, forget, told

PEM = "-----BEGIN CERTIFICATE-----\n"


async def reported(monkeypatch: pytest.MonkeyPatch, status: int, event: dict[str, Any]) -> Receiver:
    """Have a step report to an API that answers with this status."""
    async with Receiver(answers(status)) as api:
        tell(monkeypatch, f"http://127.0.0.1:{api.port}/live")
        await asyncio.to_thread(steps.report, {"job": asked()} | event, None)
        return api


def tell(monkeypatch: pytest.MonkeyPatch, api_url: str) -> None:
    for name, value in told(TOCSIN_API_URL=api_url).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    forget()


async def test_what_was_issued_is_reported_signed_by_the_steps_own_role(monkeypatch: pytest.MonkeyPatch) -> None:
    (request,) = (await reported(monkeypatch, 200, {"state": "started", "pem": PEM})).requests
    assert (request.method, request.path) == ("POST", "/live/api/v1/renewal-jobs/01JOB/report")
    assert json.loads(request.body) == {"state": "started", "pem": PEM, "attempt": 1}
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=test/")
    assert "/us-east-1/execute-api/aws4_request" in request.headers["authorization"]


@pytest.mark.parametrize(
    ("cause", "detail"),
    [
        (json.dumps({"errorMessage": "no  such\nzone"}), "RefusedError: no such zone"),
        ("plain words", "RefusedError: plain words"),
        (json.dumps({"errorMessage": "ä" * 900}), "RefusedError: " + "ä" * 243),  # 500 bytes
        ("", "RefusedError: RefusedError"),
    ],
)
async def test_a_failure_is_reported_in_the_words_of_the_step(
    monkeypatch: pytest.MonkeyPatch, cause: str, detail: str
) -> None:
    """On one line, within what Tocsin takes."""
    event = {"state": "failed", "problem": {"Error": "RefusedError", "Cause": cause}}
    (request,) = (await reported(monkeypatch, 200, event)).requests
    assert json.loads(request.body) == {"state": "failed", "detail": detail, "attempt": 1}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, JobIsOverError),
        (409, JobIsOverError),
        (403, RefusedError),
        (422, RefusedError),
        (429, TocsinUnreachableError),
        (503, TocsinUnreachableError),
    ],
)
async def test_an_answer_says_whether_to_go_on(
    monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    """A job that is over is left alone, a Tocsin that is not well is told later."""
    with pytest.raises(error, match=f"Tocsin answers {status}"):
        await reported(monkeypatch, status, {"state": "started"})


def test_a_tocsin_that_is_away_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, f"http://127.0.0.1:{free_port()}/live")
    with pytest.raises(TocsinUnreachableError, match="can't be reached"):
        steps.report({"job": asked(), "state": "started"}, None)


def test_a_step_without_credentials_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, "http://127.0.0.1:9/live")
    monkeypatch.setattr(boto3.Session, "get_credentials", lambda _self: None)
    with pytest.raises(RuntimeError, match="no credentials"):
        steps.report({"job": asked(), "state": "started"}, None)
