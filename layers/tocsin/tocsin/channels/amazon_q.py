"""A message that Amazon Q Developer shows in a chat: its custom notification, schema 1.0. Pure.

It is the only form of text from a topic that it shows at all: anything else is dropped without a word (Amazon Q
Developer in chat applications, administrator guide, "Custom notifications").
"""

import json
import re
from typing import Any

from tocsin.channels.wording import Links, Wording, facts_of
from tocsin.delivery.notification import Notification, Severity
from tocsin.text import bounded

TITLE_LIMIT, DESCRIPTION_LIMIT = 200, 8_000
"""Bytes, before the title is escaped; a chat shows about as many characters."""
_SYMBOL = {Severity.INFORMATIONAL: "ℹ️", Severity.WARNING: "⚠️", Severity.CRITICAL: "🔴"}  # noqa: RUF001 - an emoji
_MARKUP = re.compile(r"[\\`*_~|>#\[\]()!]")


def escape(text: str) -> str:
    """Make foreign text mean nothing in the markdown of chats: no link, no mention, no formatting."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(_escaped(line) for line in lines)


def _escaped(line: str) -> str:
    shown = line.replace("&", "&amp;").replace("<", "&lt;")
    return _MARKUP.sub(lambda found: "&gt;" if found[0] == ">" else f"\\{found[0]}", shown).replace("@", "@\u2060")


def message_of(notification: Notification, wording: Wording, links: Links) -> str:
    """Write the message: the same on every try. Its thread is the notification's, or that of the certificate."""
    severity = notification.severity
    title = f"{_SYMBOL[severity]} {severity.upper()}: {escape(bounded(wording.subject, TITLE_LIMIT))}"
    steps = [link for link in (links.notification(notification), links.explanation(notification)) if link]
    content: dict[str, Any] = {
        "textType": "client-markdown",
        "title": title,
        "description": _cut(wording.body),
    }
    if steps:
        content["nextSteps"] = [f"See {step}" for step in steps]
    message = {
        "version": "1.0",
        "source": "custom",
        "id": notification.id,
        "content": content | {"keywords": [notification.type, severity.value]},
        "metadata": {
            "threadId": notification.certificate_id or notification.about or notification.id,
            "summary": title,
            "eventType": notification.type,
            "relatedResources": [notification.certificate_id] if notification.certificate_id else [],
            "additionalContext": dict(facts_of(notification)),
        },
    }
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def _cut(body: str) -> str:
    """Cut a body to what is shown; not within an escape."""
    encoded = body.encode()
    if len(encoded) <= DESCRIPTION_LIMIT:
        return body
    kept = encoded[: DESCRIPTION_LIMIT - 8].decode(errors="ignore")
    return re.sub(r"(\\|&[a-z]{0,4})$", "", kept) + "…"
