"""The client: what it signs is what AWS checks, and what comes back is JSON or an error with a reason."""

import pytest

from tests.docs.signatures import REGION, SECRET_KEY, a_gateway
from tests.support.cli_api import OTHER, REQUEST_ID, RecordedApi, a_notification, a_page
from tocsin_cli.api import Api, ApiError
from tocsin_cli.connection import Connection


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.mark.parametrize("token", ["", "a session token"])
def test_requests_are_signed_as_aws_wants(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """Spaces, signs and umlauts in a query, a colon and a slash in a path, a body: each is signed as it is sent."""
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    else:
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with a_gateway() as gateway:
        api = Api(Connection(url=gateway.url))
        api.get("/notifications", status="dead", contains="a b&c=d+e/ü~*", limit=50, deferred=True)
        api.post("/channels/Slack%3Apayments/test", {"severity": "critical", "recipient": "ü"})
        api.post("/notifications/..%2Fx/requeue")
    assert gateway.problems == []
    assert len(gateway.requests) == 3


def test_an_error_says_what_the_api_said(api: RecordedApi) -> None:
    named = [{"field": "type", "detail": "String should match"}]
    api.answers["GET /notifications"] = (422, {"detail": "type: String should match", "errors": named})
    with pytest.raises(ApiError, match="String should match") as caught:
        Api(Connection(url=api.url)).get("/notifications", type="x")
    error = caught.value
    assert (error.status, error.errors, error.request_id) == (422, tuple(named), REQUEST_ID)


def test_a_change_that_was_not_answered_is_not_sent_again(api: RecordedApi) -> None:
    api.answers["POST /requeue-jobs"] = (503, {"detail": "Try again."})
    with pytest.raises(ApiError, match="Try again"):
        Api(Connection(url=api.url)).post("/requeue-jobs", {})
    assert len(api.asked) == 1


def test_pages_pass_over_empty_ones(api: RecordedApi) -> None:
    pages = [a_page(next_cursor="1"), a_page(a_notification(), next_cursor="2"), a_page(a_notification(id=OTHER))]
    api.answers["GET /notifications"] = pages
    found = Api(Connection(url=api.url)).pages("/notifications", status="dead", contains=None)
    assert len(list(found)) == 2
    assert [dict(one.query) for one in api.asked] == [
        {"status": "dead"},
        {"status": "dead", "cursor": "1"},
        {"status": "dead", "cursor": "2"},
    ]
