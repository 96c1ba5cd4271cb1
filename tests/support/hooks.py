"""Slack's and Teams's side of their webhooks, as they document it, and the hostile texts that go there."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hypothesis import strategies as st
from pydantic import SecretStr
from slack_sdk.models.blocks import Block

from local.receiver import Behaviour, Exchange, answers
from tests.support.channels import some_tools
from tocsin.channels.channel import SendsOnly
from tocsin.channels.slack import SlackChannel, SlackDocument
from tocsin.channels.teams import TeamsChannel, TeamsDocument
from tocsin.delivery.attempt import Broken, SendResult

HOSTILE = [
    "<!channel> <!here> <!everyone>",
    "<@U012AB3CD> <#C012AB3CD> <!subteam^SAZ94GDB8>",
    "<https://evil.example|click>",
    "<mailto:a@evil.example|mail>",
    "[x](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "<http://evil.example>",
    "[x]: http://evil.example\n\n[x]",
    "${x} @{x} {{x}} {{{x}}}",
    "@{triggerBody()?['x']}",
    "{{DATE(2017-02-14T06:08:39Z,LONG)}} {{TIME(2017-02-14T06:08:39Z)}}",
    "*bold* _italic_ ~gone~ `code` **b** __i__ ~~g~~",
    "```\nfence",
    "> quote\n>>> quote of all the rest",
    "# heading\n\nunder\n===\n\n---\n\n- a\n- b\n\n1. c\n2) d\n\n    code",
    "|a|b|\n|-|-|\n|c|d|",
    "&lt;!channel&gt; &amp;amp; &#42;x&#42;",
    "<b>bold</b><script>alert(1)</script>",
    "\\[x](http://evil.example) \\<!channel> \\",
    "*.example.com and my_cert_name and *.example.org",
    "@channel #general :rotating_light:",
    "\u202egnp.exe \u2066 \u200f\u05d0\u05d1",
    "\x00\x07\x1b[31m\x85\u2028\u2029",
    "\r\n\t\v\f",
    "",
    " \n \n ",
    "👩\u200d👩\u200d👧\u200d👦 🏴 é e\u0301",
    "🔥" * 8192,
    "x" * 32_768,
    "&" * 32_768,
    "{" * 32_768,
    "a\n" * 16_384,
    "`*_~<>[]{}$@\\" * 2500,
    "[" + "x" * 30_000,
    "<" + "x y " * 8000,
]
"""Texts that mean something somewhere, or are large."""

MEANINGFUL = st.lists(
    st.sampled_from(
        [*"<>&|*_~`[]()!#{}$@\\-+=.:/1 \n\t", "<!", "](", "{{DATE(", "🔥", "\u202e", "&lt;", "http://evil.example"]
    ),
    max_size=60,
).map("".join)
FOREIGN = st.text(max_size=400) | MEANINGFUL | st.text(max_size=40).map(lambda text: text * 100)
"""Any text that a notification can have: lone surrogates are refused at the door."""

Channel = Callable[..., Any]
"""Opens a channel whose document names a URL: `async with channel(url, **tools) as …`."""


@asynccontextmanager
async def slack(url: str, **tools: Any) -> AsyncIterator[SendsOnly]:
    """Open a Slack channel."""
    async with some_tools(**tools) as lent:
        yield SlackChannel(SlackDocument(url=SecretStr(url)), lent)


@asynccontextmanager
async def teams(url: str, **tools: Any) -> AsyncIterator[SendsOnly]:
    """Open a Teams channel."""
    async with some_tools(**tools) as lent:
        yield TeamsChannel(TeamsDocument(url=SecretStr(url)), lent)


def brokenness(result: SendResult) -> Broken:
    """Return `result`, which must say that the channel is broken."""
    assert isinstance(result, Broken), result
    return result


def as_slack(exchange: Exchange) -> Awaitable[None]:
    """Answer as Slack's webhooks do: `ok`, or what is wrong with the payload."""
    problem = slack_problem(exchange.request.body)
    return answers(400, problem.encode())(exchange) if problem else answers(200, b"ok")(exchange)


def slack_problem(body: bytes) -> str:
    """Say what Slack would say is wrong with a payload, or nothing."""
    payload = json.loads(body)
    if not payload.get("text"):
        return "no_text"
    blocks = payload["blocks"]
    if len(blocks) > 50 or any(too_long(block) for block in blocks):
        return "invalid_blocks"
    for block in Block.parse_all(blocks):
        block.validate_json()  # raises SlackObjectFormationError, by the limits that Slack publishes
    return "msg_blocks_too_long" if len(json.dumps(blocks, ensure_ascii=False)) > 11_000 else ""


def too_long(block: Mapping[str, Any]) -> bool:
    """Check what the models of slack_sdk leave out: an empty text, and lengths as JavaScript counts them."""
    limits = {"header": 150, "section": 3000, "context": 3000}
    texts = [block.get("text"), *block.get("elements", [])]
    lengths = [len(text["text"].encode("utf-16-le")) // 2 for text in texts if text]
    fields = [len(field["text"].encode("utf-16-le")) // 2 for field in block.get("fields", [])]
    return any(not 1 <= length <= limits[block["type"]] for length in lengths) or any(
        not 1 <= length <= 2000 for length in fields
    )


def as_a_workflow(exchange: Exchange) -> Awaitable[None]:
    """Answer as a workflow of "When a Teams webhook request is received": 202, or what is wrong with the body."""
    body = json.loads(exchange.request.body)
    is_right = (
        body["type"] == "message"
        and [sorted(attachment) for attachment in body["attachments"]] == [["content", "contentType", "contentUrl"]]
        and body["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
        and body["attachments"][0]["contentUrl"] is None
        and body["attachments"][0]["content"]["type"] == "AdaptiveCard"
        and exchange.request.headers["content-type"].startswith("application/json")
    )
    return answers(202)(exchange) if is_right else power_automate(400, "TriggerInputSchemaMismatch")(exchange)


def power_automate(status: int, code: str, message: str = "", **headers: str) -> Behaviour:
    """Answer with an error as Power Automate writes them."""
    return answers(status, json.dumps({"error": {"code": code, "message": message}}).encode(), **headers)


def slack_texts(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give each text of a message with its type."""
    texts = [("mrkdwn", payload["text"])]
    for block in payload["blocks"]:
        parts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        texts += [(part["type"], part["text"]) for part in parts if part]
    return texts


def angles(payload: Mapping[str, Any]) -> list[str]:
    """Give all that Slack would read as a link, a mention or a date."""
    return [found for _, text in slack_texts(payload) for found in re.findall(r"<[^>]*>?", text)]


def decoded(text: str) -> str:
    """Show text as Slack does: it decodes these three entities and no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
