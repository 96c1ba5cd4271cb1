"""Slack: what it gets is what it documents, its answers are read as it means them, and foreign text means nothing."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings

from local.receiver import Receiver, answers
from tests.support.channels import a_notification, refusal
from tests.support.hooks import (
    FOREIGN,
    HOSTILE,
    angles,
    as_slack,
    brokenness,
    decoded,
    slack,
    slack_problem,
    slack_texts,
)
from tocsin.channels.slack import escape, message
from tocsin.channels.wording import Escape, Links, Wording, default_wording
from tocsin.delivery.attempt import Delivered, FailureClass, SendResult
from tocsin.delivery.notification import Notification, Severity
from tocsin.text import lines_of

LINKS = Links("https://api.example.com/live")
RUNBOOK = "<https://wiki.example.com/runbook|runbook>"


def payload(links: Links = LINKS, **fields: Any) -> dict[str, Any]:
    notification = a_notification(**fields)
    return message(notification, default_wording(notification, escape), links)


async def answered(status: int, body: bytes) -> SendResult:
    async with Receiver(answers(status, body)) as receiver, slack(receiver.url()) as channel:
        return await channel.send(a_notification())


# ── An exchange as Slack documents it ────────────────────────────────────────────────────────────────────────────────


async def test_a_message_is_delivered() -> None:
    """Contract 1: `sent`; Slack's `ok` is its own yes."""
    async with Receiver(as_slack) as receiver, slack(receiver.url("/services/T0/B0/x"), links=LINKS) as channel:
        assert await channel.send(a_notification(certificate_id="cert/1")) == Delivered(200)
    request = receiver.requests[0]
    assert (request.method, request.path) == ("POST", "/services/T0/B0/x")
    assert request.headers["content-type"] == "application/json"
    said = json.loads(request.body)
    assert said["text"] == "🟠 WARNING: api.example.com expires in 7 days"
    assert (said["unfurl_links"], said["unfurl_media"], said["link_names"]) == (False, False, False)
    assert said["metadata"]["event_payload"] == {"id": "01J00000000000000000000000"}


@pytest.mark.parametrize("severity", Severity)
def test_the_severity_is_a_word_at_the_very_beginning(severity: Severity) -> None:
    """Never a colour alone."""
    header = payload(severity=severity)["blocks"][0]
    assert header["text"]["text"].split(" ")[1] == f"{severity.upper()}:"


def test_it_says_what_it_is_about() -> None:
    texts = "\n".join(text for _, text in slack_texts(payload(certificate_id="*.example.com", fallback_of="01JX")))
    for said in ("[threshold:7] renew it", "`*.example.com`", "`01JX`", "`01J00000000000000000000000`", "2026-03-01"):
        assert said in texts


def test_links_are_there_only_where_they_lead_somewhere() -> None:
    """Text, no buttons: Slack warns of a button whose app takes no answers."""
    with_both = angles(payload(certificate_id="a/b|c>"))
    assert with_both[:2] == [
        "<https://api.example.com/live/api/v1/notifications/01J00000000000000000000000|Open the notification>",
        "<https://api.example.com/live/api/v1/certificates/a%2Fb%7Cc%3E/explain|Why it alerts>",
    ]
    assert not [found for found in angles(payload(Links())) if "http" in found]
    assert len([found for found in angles(payload()) if "http" in found]) == 1


def test_a_link_that_is_too_long_for_a_section_is_left_out() -> None:
    said = payload(certificate_id="🔥" * 256)
    assert slack_problem(json.dumps(said).encode()) == ""
    assert len([found for found in angles(said) if "http" in found]) == 1


# ── Its answers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_token"),
        (400, "no_active_hooks"),
        (403, "invalid_token"),
        (403, "action_prohibited"),
        (403, "no_team"),
        (403, "team_disabled"),
        (404, "no_service"),
        (404, "no_team"),
        (404, "channel_not_found"),
        (404, "no_active_hooks"),
        (410, "channel_is_archived"),
        (401, ""),
        (405, ""),
        (200, "no_service"),
    ],
)
async def test_a_webhook_that_is_no_more_is_broken(status: int, code: str) -> None:
    """It refuses every message: the channel is held, and no attempt spent."""
    result = brokenness(await answered(status, code.encode()))
    assert (result.http_status, result.error) == (status, f"HTTP {status}: {code}" if code else f"HTTP {status}")


@pytest.mark.parametrize("code", ["invalid_payload", "no_text", "too_many_attachments", "invalid_blocks", "<html>…"])
async def test_a_payload_that_is_refused_is_this_rows_affair(code: str) -> None:
    result = refusal(await answered(400, code.encode()))
    assert (result.failure, result.http_status) == (FailureClass.PERMANENT, 400)


@pytest.mark.parametrize("body", [b"", b"OK", b"ok2", b"<html>sign in</html>", b'{"ok": true}', b"invalid_payload"])
async def test_200_with_another_body_is_no_delivery(body: bytes) -> None:
    """Invariant I4. A proxy's sign-in page is a 200, too."""
    assert refusal(await answered(200, body)).failure is FailureClass.UNKNOWN


async def test_rollup_error_is_tried_again() -> None:
    result = refusal(await answered(500, b"rollup_error"))
    assert (result.failure, result.error) == (FailureClass.RETRYABLE, "HTTP 500: rollup_error")


# ── Foreign text ─────────────────────────────────────────────────────────────────────────────────────────────────────


def in_a_template(text: str) -> dict[str, Any]:
    """Say it by a template that has markup of its own."""
    notification = a_notification(message=text)
    return message(notification, Wording("subject", f"*See* the {RUNBOOK}.\n{escape(text)}"), LINKS)


def check_as_it_is(text: str) -> None:
    said = payload(message=text, subject=text[:256], certificate_id=text[:256] or None)
    assert slack_problem(json.dumps(said).encode()) == ""
    assert all(re.match(r"<(https://api\.example\.com/live/api/|!date\^1772366400\^)", found) for found in angles(said))
    shown = "\n".join(
        decoded(text) for kind, text in slack_texts(said)[2:] if kind == "plain_text"
    )  # behind the top-level text and the header
    cleaned = "\n".join(lines_of(text)).strip()
    without_breaks = re.sub(r"\s+", "", cleaned)
    found = re.sub(r"\s+", "", shown).removesuffix("…[cut]")
    assert without_breaks.startswith(found)
    assert found == without_breaks or len(json.dumps(said["blocks"], ensure_ascii=False).encode()) > 8_000


def check_in_a_template(text: str) -> None:
    said = in_a_template(text)
    assert slack_problem(json.dumps(said).encode()) == ""
    links = [found for found in angles(said) if not found.startswith(("<https://api.", "<!date^"))]
    assert links == [RUNBOOK]
    foreign = "\n".join(
        block["text"]["text"] for block in said["blocks"] if block["type"] == "section" and "text" in block
    )
    rest = foreign.partition("\n")[2].partition("<https://api.")[0]
    assert not set(rest) & set("*`~")
    assert not re.search(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|^\s*&gt;", rest, re.MULTILINE)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_as_it_is(text: str) -> None:
    check_as_it_is(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_means_nothing_in_a_template(text: str) -> None:
    check_in_a_template(text)


@settings(max_examples=200, deadline=None)
@given(text=FOREIGN)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    check_as_it_is(text)


@settings(max_examples=200, deadline=None)
@given(text=FOREIGN)
def test_any_text_means_nothing_in_a_template(text: str) -> None:
    check_in_a_template(text)


def test_names_of_certificates_stay_as_they_are_where_they_can() -> None:
    assert escape("my_cert_name-1.example.com: 10 > 7") == "my_cert_name-1.example.com: 10 &gt; 7"


async def test_a_template_may_have_markup_of_its_own() -> None:
    async def words(notification: Notification, escape: Escape) -> Wording:
        return Wording("Renew it", f"*{escape('<!here> *x*')}* {RUNBOOK}")

    async with Receiver(as_slack) as receiver, slack(receiver.url(), words=words) as channel:
        assert await channel.send(a_notification()) == Delivered(200)
    body = json.loads(receiver.requests[0].body)["blocks"][1]["text"]
    assert (body["type"], body["verbatim"]) == ("mrkdwn", True)
    assert body["text"] == f"*&lt;!here&gt; ∗x∗* {RUNBOOK}"  # noqa: RUF001 - what looks like it


def test_a_long_text_is_cut_at_the_end_of_a_line_and_says_so() -> None:
    text = "\n".join(f"line {number} of a long log" for number in range(2000))
    sections = [
        block["text"]["text"]
        for block in payload(message=text)["blocks"]
        if block["type"] == "section" and "text" in block
    ][:-1]
    assert len(sections) > 1
    assert sections[-1].endswith("of a long log… [cut]")
    assert all(part.startswith("line ") for part in sections)
    assert all(part.endswith("of a long log") for part in sections[:-1])
