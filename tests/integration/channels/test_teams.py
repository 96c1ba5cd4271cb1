"""Teams: what it gets is what it documents, as Microsoft's own renderer shows it; foreign text means nothing in it."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from local.adaptive_cards import Render, Rendered, rendering
from local.npm import UnavailableError
from local.receiver import Receiver, answers
from tests.support.channels import a_notification, refusal
from tests.support.hooks import FOREIGN, HOSTILE, as_a_workflow, brokenness, power_automate, teams
from tocsin.channels.teams import BODY_LIMIT, FACT_LIMIT, escape, message
from tocsin.channels.wording import Escape, Links, Wording, default_wording
from tocsin.delivery.attempt import Accepted, FailureClass, SendResult
from tocsin.delivery.notification import Notification, Severity
from tocsin.text import bounded, lines_of

LINKS = Links("https://api.example.com/live")
RUNBOOK = "https://wiki.example.com/runbook"
slow = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def render() -> Iterator[Render]:
    """Microsoft's renderer, or a skip that says why there is none (an error where CI forbids the skip)."""
    try:
        with rendering() as renders:
            yield renders
    except UnavailableError as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(why))


def body_of(wording: Wording | None = None, links: Links = LINKS, **fields: Any) -> dict[str, Any]:
    notification = a_notification(**fields)
    return message(notification, wording or default_wording(notification, escape), links)


def card_of(wording: Wording | None = None, links: Links = LINKS, **fields: Any) -> dict[str, Any]:
    card: dict[str, Any] = body_of(wording, links, **fields)["attachments"][0]["content"]
    return card


def size(body: dict[str, Any]) -> int:
    return len(json.dumps(body, separators=(",", ":")).encode())


async def answered(status: int, code: str = "") -> SendResult:
    behaviour = power_automate(status, code) if code else answers(status)
    async with Receiver(behaviour) as receiver, teams(receiver.url()) as channel:
        return await channel.send(a_notification())


# ── An exchange as Microsoft documents it ────────────────────────────────────────────────────────────────────────────


async def test_a_card_is_accepted(render: Render) -> None:
    """The flow was started: that is all that 202 says."""
    path = "/powerautomate/automations/direct/workflows/b2/triggers/manual/paths/invoke?api-version=1&sp=x&sv=1.0&sig=s"
    async with Receiver(as_a_workflow) as receiver, teams(receiver.url(path), links=LINKS) as channel:
        assert await channel.send(a_notification(certificate_id="*.example.com")) == Accepted(202)
    assert receiver.requests[0].path == path
    card = json.loads(receiver.requests[0].body)["attachments"][0]["content"]
    shown = render(card)
    assert (card["version"], shown.problems) == ("1.4", [])
    assert shown.texts == ["api.example.com expires in 7 days", "[threshold:7] renew it"]
    assert shown.facts == {
        "Type": "ExpirationWarning",
        "Certificate": "*.example.com",
        "Id": "01J00000000000000000000000",
        "Raised": "2026-03-01 12:00:00 UTC",
    }
    assert [action["url"] for action in card["actions"]] == [
        "https://api.example.com/live/api/v1/notifications/01J00000000000000000000000",
        "https://api.example.com/live/api/v1/certificates/%2A.example.com/explain",
    ]


@pytest.mark.parametrize("severity", Severity)
def test_the_severity_is_a_word_at_the_very_beginning(severity: Severity, render: Render) -> None:
    """Never a colour alone."""
    shown = render(card_of(severity=severity))
    assert shown.problems == []
    assert f" {severity.upper()}</p>" in shown.markdown[0]


def test_there_are_actions_only_where_links_lead_somewhere() -> None:
    assert "actions" not in card_of(links=Links())
    assert len(card_of()["actions"]) == 1


# ── Its answers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_2xx_says_that_the_flow_was_started(status: int) -> None:
    assert await answered(status) == Accepted(status)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "TriggerInputSchemaMismatch"),
        (401, "DirectApiAuthorizationRequired"),
        (401, "SignatureExpired"),
        (403, ""),
        (404, "WorkflowNotFound"),
        (404, "WorkflowTriggerIsNotEnabled"),
        (405, ""),
        (410, ""),
    ],
)
async def test_a_workflow_that_takes_no_card_is_broken(status: int, code: str) -> None:
    """It refuses every message: the channel is held, and no attempt spent."""
    result = brokenness(await answered(status, code))
    assert (result.http_status, result.error) == (status, f"HTTP {status}: {code}" if code else f"HTTP {status}")


@pytest.mark.parametrize("status", [413, 422])
async def test_a_card_that_is_refused_is_this_rows_affair(status: int) -> None:
    assert refusal(await answered(status, "RequestEntityTooLarge")).failure is FailureClass.PERMANENT


@pytest.mark.parametrize("body", [b"[]", b'"x"', b'{"error": "x"}', b'{"error": {"code": 7}}', b"{" * 4000, b"\xff"])
async def test_whatever_it_says_is_classified(body: bytes) -> None:
    async with Receiver(answers(404, body)) as receiver, teams(receiver.url()) as channel:
        assert brokenness(await channel.send(a_notification())).error == "HTTP 404"


# ── Foreign text ─────────────────────────────────────────────────────────────────────────────────────────────────────


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def seen(text: str) -> str:
    """Give `text` as it may be shown: printable, in lines."""
    return "\n".join(lines_of(text))


def check_as_it_is(text: str, render: Render) -> None:
    """It is shown literally, from its beginning, and entirely unless the body is full."""
    fields: dict[str, Any] = {"message": text, "subject": bounded(text, 256), "certificate_id": text[:256] or None}
    body = body_of(**fields)
    assert size(body) <= BODY_LIMIT
    shown = render(body["attachments"][0]["content"])
    assert (shown.problems, shown.links, set(shown.tags) <= {"p", "span"}) == ([], [], True)
    assert squeezed(shown.texts[0]) == squeezed(bounded(text, 256) or "ExpirationWarning")
    found = squeezed("".join(shown.texts[1:]))
    whole = squeezed(seen(text))
    assert found == whole or (found.endswith("…[cut]") and whole.startswith(found.removesuffix("…[cut]")))
    assert found == whole or size(body) > BODY_LIMIT // 2
    if text:
        assert squeezed(shown.facts["Certificate"]) == squeezed(bounded(text[:256], FACT_LIMIT))
    assert shown.facts["Id"] == "01J00000000000000000000000"


def in_a_template(text: str, render: Render) -> Rendered:
    """Say it by a template that has markup of its own."""
    body = body_of(Wording("subject", f"**See** the [runbook]({RUNBOOK}).\n\n{escape(text)}"), message=text)
    assert size(body) <= BODY_LIMIT
    return render(body["attachments"][0]["content"])


def check_in_a_template(text: str, render: Render) -> None:
    """The template's own markup is all that there is."""
    shown = in_a_template(text, render)
    assert (shown.problems, shown.links) == ([], [RUNBOOK])
    assert set(shown.tags) <= {"a", "p", "span", "strong"}
    assert "".join(shown.markdown).count("<strong>") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_as_it_is(text: str, render: Render) -> None:
    check_as_it_is(text, render)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_means_nothing_in_a_template(text: str, render: Render) -> None:
    check_in_a_template(text, render)


@slow
@given(text=FOREIGN)
def test_any_text_is_shown_as_it_is(text: str, render: Render) -> None:
    check_as_it_is(text, render)


@slow
@given(text=FOREIGN)
def test_any_text_means_nothing_in_a_template(text: str, render: Render) -> None:
    check_in_a_template(text, render)


@slow
@given(text=FOREIGN)
def test_no_string_of_a_card_binds_anything(text: str) -> None:
    """Neither a renderer, nor a template engine, nor Power Automate finds an expression in it."""
    for wording in (None, Wording("subject", escape(text))):
        strings = json.dumps(
            card_of(wording, Links(), message=text, certificate_id=text[:256] or None), ensure_ascii=False
        )
        assert not re.search(r"\$\{|@\{|\{\{", strings)


def test_the_renderer_would_replace_a_date_and_make_a_link(render: Render) -> None:
    """So the tests above would notice."""
    text = "{{DATE(2017-02-14T06:08:39Z,LONG)}} [x](http://evil.example)"
    block = {"type": "TextBlock", "text": text}
    shown = render({"type": "AdaptiveCard", "version": "1.4", "body": [block, {"type": "Unheard.Of"}]})
    assert "DATE" not in "".join(shown.markdown)
    assert shown.links == ["http://evil.example"]
    assert len(shown.problems) == 1


@pytest.mark.parametrize("text", ["🔥" * 8192, "\x00" * 32_768, "é\n\n" * 8192, "{{" * 16_384, '"' * 32_768])
def test_a_large_text_is_cut_and_no_fact_is_lost(text: str, render: Render) -> None:
    """Above 28 KB of its own counting, Teams loses a card that it has accepted."""
    widest = "🔥" * 64
    for wording in (None, Wording(widest, escape(text))):
        body = body_of(wording, message=text, subject=widest, certificate_id="\\" * 256, fallback_of="*" * 256)
        shown = render(body["attachments"][0]["content"])
        assert size(body) <= BODY_LIMIT
        assert (len(shown.facts), len(body["attachments"][0]["content"]["actions"]), shown.problems) == (5, 2, [])


async def test_a_template_may_have_markup_of_its_own(render: Render) -> None:
    async def words(notification: Notification, escape: Escape) -> Wording:
        return Wording("Renew it", f"**{escape('[x](http://evil.example)')}** [runbook]({RUNBOOK})")

    async with Receiver(as_a_workflow) as receiver, teams(receiver.url(), words=words) as channel:
        assert await channel.send(a_notification()) == Accepted(202)
    shown = render(json.loads(receiver.requests[0].body)["attachments"][0]["content"])
    assert "<strong>[x](http://evil.example)</strong>" in shown.markdown[1]
    assert shown.links == [RUNBOOK]
