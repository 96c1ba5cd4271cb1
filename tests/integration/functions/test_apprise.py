"""The function that sends by Apprise, as Lambda calls it: real Apprise, real plugins, real TLS.

No plugin is changed. A plugin's host is fixed in its code, so the names are led to a receiver on loopback where urllib3
connects, which shows a certificate for them by an authority of the test's own.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from local.receiver import Behaviour, answers, drips, endless, in_turn, resets, says, silent
from tests.support.apprise import PUSHOVER, SECRET, TELEGRAM, Network, a_provider, invoked, network, sent
from tests.support.channels import PATIENCE, SHORT

__all__ = ["network"]

OK = answers(200, b'{"ok": true, "status": 1}')


async def test_a_service_gets_title_and_body_and_that_is_accepted(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Accepted: a service took it. One try is one request."""
    async with a_provider(network, OK, monkeypatch, tmp_path) as provider:
        answer = await sent(PUSHOVER, title="t", body="b", type="failure")
    (request,) = provider.requests
    form = parse_qs(request.body.decode())
    assert answer == {"outcome": "accepted", "error": None, "status": 200, "retry_after": None, "is_late": False}
    assert (form["title"], form["message"], form["token"]) == (["t"], ["b"], [SECRET])
    assert (network.reached, request.headers["host"]) == ([("api.pushover.net", 443)], "api.pushover.net")


async def test_foreign_text_is_escaped_for_the_service(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Foreign text can't break out of a channel's markup: Telegram is sent HTML."""
    async with a_provider(network, answers(200, b'{"ok": true}'), monkeypatch, tmp_path) as provider:
        await sent(TELEGRAM, title="<a href='https://evil.example'>t</a>", body="<b>b</b>")
    text = json.loads(provider.requests[0].body)["text"]
    assert "<a" not in text
    assert "&lt;b&gt;b&lt;/b&gt;" in text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 429, 500, 503])
@pytest.mark.parametrize("url", [PUSHOVER, TELEGRAM])
async def test_a_refusal_is_told_with_its_status(
    status: int, url: str, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And with Retry-After. After it nothing more is sent, whatever the plugin would do."""
    behaviour = answers(status, b'{"ok": false, "description": "no"}', Retry_After="7")
    async with a_provider(network, behaviour, monkeypatch, tmp_path) as provider:
        answer = await sent(url)
    assert (answer["outcome"], answer["status"], answer["retry_after"]) == ("answered", status, "7")
    assert len(provider.requests) == 1


@pytest.mark.parametrize("arguments", ["", "?redirect=yes", "?Redirect=True", "?retry=5&wait=0", "?optional=yes"])
async def test_arguments_change_nothing_that_holds_for_all(
    arguments: str, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No second request, no success that is none."""
    async with a_provider(network, answers(500), monkeypatch, tmp_path) as provider:
        answer = await sent(PUSHOVER + arguments)
    assert (answer["outcome"], answer["status"], len(provider.requests)) == ("answered", 500, 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("arguments", ["", "?redirect=yes"])
async def test_a_redirect_is_never_followed(
    status: int, arguments: str, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Faults: "redirects are never followed", not even to the service itself."""
    elsewhere = in_turn([answers(status, Location="https://api.pushover.net/elsewhere")], OK)
    async with a_provider(network, elsewhere, monkeypatch, tmp_path) as provider:
        answer = await sent(PUSHOVER + arguments)
    assert (answer["outcome"], answer["status"], len(provider.requests)) == ("answered", status, 1)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(silent(), id="silent"),
        pytest.param(drips(interval=0.02), id="drips a status line"),
    ],
)
async def test_the_deadline_is_total(
    behaviour: Behaviour, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Faults: "the total deadline holds". What went out and was not answered is unknown."""
    async with a_provider(network, behaviour, monkeypatch, tmp_path), asyncio.timeout(PATIENCE):
        answer = await sent(PUSHOVER, deadline=SHORT)
    assert (answer["outcome"], answer["is_late"]) == ("unanswered", True)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", interval=0.02), id="drips"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", then_closes=False), id="stops"),
    ],
)
async def test_an_answer_whose_body_does_not_come_keeps_the_deadline(
    behaviour: Behaviour, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Faults: "the total deadline holds". Accepted by its status, or unanswered if all of the time went."""
    async with a_provider(network, behaviour, monkeypatch, tmp_path), asyncio.timeout(PATIENCE):
        answer = await sent(PUSHOVER, deadline=SHORT)
    assert answer["outcome"] in {"accepted", "unanswered"}


@pytest.mark.parametrize(("status", "outcome"), [(200, "accepted"), (500, "answered")])
async def test_the_status_of_a_large_answer_stands(
    status: int, outcome: str, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Faults: "answers 10 MB". Pushover's plugin asks for no more than the status."""
    async with a_provider(network, endless(status, 10_000_000), monkeypatch, tmp_path):
        answer = await sent(PUSHOVER)
    assert (answer["outcome"], answer["status"], answer["is_late"]) == (outcome, status, False)


def test_an_endless_answer_is_not_read_to_its_end(network: Network) -> None:
    """Faults: "never ends"."""

    class Endless:
        taken = 0

        def read1(self, amount: int) -> bytes:
            self.taken += min(amount, 1000)
            return b"x" * min(amount, 1000)

        def close(self) -> None:
            self.is_closed = True

    pinned, body = sys.modules["pinned"], Endless()
    kept = pinned._beginning(body, time.monotonic() + PATIENCE).read()
    assert (len(kept), body.taken, body.is_closed) == (pinned.BODY_LIMIT, pinned.BODY_LIMIT, True)


async def test_a_reset_after_the_request_is_unanswered(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Faults: "a reset after sending is `unknown`"."""
    async with a_provider(network, resets(), monkeypatch, tmp_path):
        answer = await sent(PUSHOVER)
    assert (answer["outcome"], answer["is_late"]) == ("unanswered", False)


async def test_no_connection_is_unsent(network: Network) -> None:
    assert (await sent(PUSHOVER))["outcome"] == "unsent"


@pytest.mark.parametrize("arguments", ["", "?verify=no"])
async def test_a_certificate_that_nobody_trusts_is_unsent(
    arguments: str, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Faults: "a bad certificate". No argument of the URL makes it good."""
    async with a_provider(network, OK, monkeypatch, tmp_path, is_trusted=False) as provider:
        answer = await sent(PUSHOVER + arguments)
    assert (answer["outcome"], provider.requests) == ("unsent", [])


async def test_a_success_that_the_plugin_does_not_believe_is_answered_by_200(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with a_provider(network, answers(202, b"x"), monkeypatch, tmp_path):
        answer = await sent(PUSHOVER)
    assert (answer["outcome"], answer["status"]) == ("answered", 202)


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Write the whole log down as Lambda's runtime does: whatever reaches the root logger."""
    written = StringIO()
    root, handler = logging.getLogger(), logging.StreamHandler(written)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.mark.parametrize("behaviour", [OK, answers(401), answers(302, Location="/"), resets()])
async def test_no_secret_is_answered_or_logged(
    behaviour: Behaviour,
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    log: StringIO,
) -> None:
    """Contract 2.12 and the channels' rule: errors never carry a URL or a key. Logs carry no event."""
    async with a_provider(network, behaviour, monkeypatch, tmp_path):
        told = [await sent(url, title=f"t{SECRET}", body=f"b{SECRET}") for url in (PUSHOVER, TELEGRAM)]
    unusable = (f"{SECRET}://x", f"pover://{SECRET}", f"tgram://{SECRET}", SECRET, f"json://example.com/{SECRET}")
    told += [invoked(url) for url in unusable]
    printed = capfd.readouterr()
    assert [answer["outcome"] for answer in told[2:]] == ["refused"] * len(unusable)
    assert printed.out.count("\n") == len(told)  # it says what came of each
    assert SECRET not in json.dumps(told) + printed.out + printed.err + log.getvalue()
