"""A custom notification of Amazon Q Developer in chat applications (formerly AWS Chatbot), schema 1.0. Pure.

Source: docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html ("Event schema", "Parameter details"). Amazon Q
drops what it can't read, silently, so every text stays within its limit.

It shows texts in the markdown of the chat that they go to, which may be Slack's or Teams's: foreign text must mean
nothing in either. Neither has an escape that the other one knows, so what means something becomes what looks alike.
"""

import re
from typing import Any

from tocsin.channels import slack
from tocsin.channels.cutting import cut, units
from tocsin.channels.hook import compact
from tocsin.channels.incident import incident_key, links_of
from tocsin.channels.wording import Links, Wording, facts_of
from tocsin.delivery.notification import Notification
from tocsin.text import ELLIPSIS, bounded

TITLE_LIMIT = 250
DESCRIPTION_LIMIT = 8000
NEXT_STEP_LIMIT = 350
KEYWORD_LIMIT = 75
"""Characters each ("Parameter details"), counted in UTF-16 units, the strictest way."""
THREAD_LIMIT = 128
"""Characters of a thread's id: no limit is published, and of a longer id the hash is enough."""
EVENT_TYPE_LIMIT = 100
"""Characters of an event's type, by which custom actions are attached (CustomActionAttachment, NotificationType)."""
FACT_LIMIT = 512
"""Bytes of one fact that is not shown."""
UNTITLED = "Notification"

_NOT_OF_A_TYPE = re.compile("[^A-Za-z0-9-]+")
_LINK = re.compile(r"\](?=[(:\[])")
"""What makes a link, or what one refers to, of a text in brackets (CommonMark, Links)."""
_HEADING = re.compile(r"^(\s*)#", re.MULTILINE)
_MENTION = re.compile(r"(?<![0-9A-Za-z])@")
"""An at-sign that may name somebody: that of a mail address has a letter before it."""
_URL_ESCAPES = str.maketrans({"_": "%5F", "~": "%7E"})
"""What would be markup in an address; to a server it is the same (RFC 3986, 2.3)."""


def escape(text: str) -> str:
    """Make `text` mean nothing in Slack's markdown and in Teams's: no mention, no link, no formatting, no heading."""
    unlinked = _LINK.sub("] ", slack.escape(text))
    unheaded = _HEADING.sub("\\1\N{FULLWIDTH NUMBER SIGN}", unlinked)
    return _MENTION.sub("\N{FULLWIDTH COMMERCIAL AT}", unheaded)


def message(notification: Notification, wording: Wording, links: Links) -> str:
    """Return the message. Made of what never changes, so every try sends the same."""
    severity = notification.severity
    title = _fitted(f"{slack.SIGNS[severity]} {severity.upper()}: {_title(notification, wording)}", TITLE_LIMIT)
    said = {
        "version": "1.0",
        "source": "custom",
        "id": notification.id,
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": cut(wording.body.strip(), DESCRIPTION_LIMIT, units) or title,  # it is required
            "nextSteps": _next_steps(notification, links),
            "keywords": [word for text in (severity, notification.type) if (word := _fitted(text, KEYWORD_LIMIT))],
        },
        "metadata": _metadata(notification, title),
    }
    return compact(said).decode()


def _title(notification: Notification, wording: Wording) -> str:
    return wording.subject or notification.type or UNTITLED


def _fitted(text: str, limit: int) -> str:
    """Show `text` as one line of at most `limit` characters, none of which has more bytes than 4."""
    return cut(escape(bounded(text, 4 * limit)), limit, units, ELLIPSIS)


def _next_steps(notification: Notification, links: Links) -> list[str]:
    """Give addresses as they are: each chat makes links of them, and links with names differ."""
    labels = {"Notification": "Open the notification", "Explanation": "Why it alerts"}
    found = links_of(notification, links)
    steps = [f"{labels[label]}: {address.translate(_URL_ESCAPES)}" for label, address in found]
    return [step for step in steps if len(step) <= NEXT_STEP_LIMIT]


def _metadata(notification: Notification, title: str) -> dict[str, Any]:
    """Say what is not shown, but for the summary, which stands above a thread: that of what it is about."""
    certificate = bounded(notification.certificate_id or "", FACT_LIMIT)
    return {
        "threadId": incident_key(notification, THREAD_LIMIT),
        "summary": title,
        "eventType": _NOT_OF_A_TYPE.sub("-", notification.type)[:EVENT_TYPE_LIMIT] or UNTITLED,
        "relatedResources": [certificate] if certificate else [],
        "additionalContext": {label: bounded(fact, FACT_LIMIT) for label, fact in facts_of(notification)},
    }
