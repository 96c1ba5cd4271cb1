r"""Microsoft Teams, by the webhook of a workflow (Power Automate): one Adaptive Card 1.4.

Sources: learn.microsoft.com, "Create incoming webhooks with Workflows" and "Cards reference" (microsoftteams/platform),
"Text features" and the schema of RichTextBlock (adaptive-cards).

The text of a notification is foreign. As it is it goes out in a RichTextBlock, which knows no markdown, on any client.
In a template it stands amid the markdown of a TextBlock, as the facts do in theirs: there it is escaped by backslashes,
which phones show since 2024 as what they escape (Teams-AdaptiveCards-Mobile#58, #83). What a renderer would replace
(`{{DATE(…)}}`) or a template engine bind (`${…}`, `@{…}`) is torn apart in the first, and escaped in the second.

| what happened                     | class                                                   |
|-----------------------------------|---------------------------------------------------------|
| 2xx                               | accepted: the flow was started, and may fail to post it |
| 429                               | throttled                                               |
| 408, 425, 5xx                     | retryable                                               |
| 400, 401, 403, 404, 405, 410, 3xx | broken: no flow, no right, not a flow that takes cards  |
| 413 and the other 4xx             | permanent                                               |
"""

import json
import re
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr

from tocsin.channels.channel import Tools, broken
from tocsin.channels.cutting import cut
from tocsin.channels.document import ChannelDocument
from tocsin.channels.hook import compact, posted
from tocsin.channels.http import Answer
from tocsin.channels.wording import Links, Wording, facts_of
from tocsin.delivery.attempt import Accepted, SendResult
from tocsin.delivery.notification import Notification, Severity
from tocsin.text import bounded, lines_of, written

BODY_LIMIT = 20_000
"""Bytes of a request. Teams takes messages of 28 KB with properties of its own: a body of 24,453 was 28,897 there, and
was lost after it was accepted (MicrosoftDocs/msteams-docs#11274)."""
FACT_LIMIT = 256
"""Bytes of one fact, before escaping."""

SIGNS = {Severity.INFORMATIONAL: "🔵", Severity.WARNING: "🟠", Severity.CRITICAL: "🔴"}
"""What catches the eye. The word is beside it: a colour alone says nothing to many."""
STYLES = {Severity.INFORMATIONAL: "accent", Severity.WARNING: "warning", Severity.CRITICAL: "attention"}
"""The colours of the banner and of its label, as Adaptive Cards name both."""

_HOLDING = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
    }
)
_CODE = re.compile(r"[A-Za-z]{1,64}")
_ELSEWHERE = "Severity"
"""The fact that the banner shows."""
_BINDING = re.compile(r"(?<=\{)(?=\{)|(?<=[$@])(?=\{)")
"""Where what means something to a renderer or a template engine is torn apart."""
_SPECIAL = re.compile(r"[\\`*{}\[\]<>&|~]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
"""What CommonMark and its tables read inside a line; an underscore inside a word means nothing."""
_FIRST = re.compile(r"\A(?:[0-9]{1,9}(?=[.)])|(?=[-+#=]))")
"""What CommonMark reads at the beginning of a line: lists, headings, rules."""

Element = dict[str, Any]


class TeamsDocument(ChannelDocument):
    """The channel's parameter."""

    PER_MINUTE: ClassVar[int | None] = 240
    """Four a second ("Create incoming webhooks": rate limiting)."""

    url: Annotated[SecretStr, Field(min_length=1, max_length=2048)]
    """The workflow's URL, with its signature: whoever has it can post."""


class TeamsChannel:
    """Posts each notification as one card; the same bytes on every try."""

    def __init__(self, config: TeamsDocument, tools: Tools) -> None:
        """Keep the URL; nothing is opened yet."""
        self._url = config.url
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Post it once."""
        wording = await self._tools.words(notification, escape)
        body = compact(message(notification, wording, self._tools.settings.links))
        match await posted(self._tools, self._url, body, _code):
            case Answer() as answer:
                return _result(answer)
            case failure:
                return failure


def _code(text: str) -> str:
    """Find the code in Power Automate's `{"error": {"code": …, "message": …}}`; the message may name the URL."""
    try:
        code = json.loads(text)["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _result(answer: Answer) -> SendResult:
    if answer.is_success:
        return Accepted(answer.status)
    if answer.status in _HOLDING:
        return broken(answer.error, answer.status)
    return answer.refused()


def message(notification: Notification, wording: Wording, links: Links) -> Element:
    """Return the message. Made of what never changes, so every try sends the same bytes."""
    head = _banner(notification, wording.subject or notification.type)
    facts = _facts(notification)
    actions = _actions(notification, links)
    room = BODY_LIMIT - _size(_message([head, facts], actions))
    return _message([head, *_body(notification, wording, room), facts], actions)


def _message(body: list[Element], actions: list[Element]) -> Element:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card | ({"actions": actions} if actions else {}),
    }
    return {"type": "message", "attachments": [attachment]}


def escape(text: str) -> str:
    """Make `text` mean nothing in a TextBlock's markdown: its lines become paragraphs."""
    return "\n\n".join(_escaped(line.strip()) for line in lines_of(text))


def _escaped(line: str) -> str:
    return _FIRST.sub(r"\g<0>\\", _SPECIAL.sub(r"\\\g<0>", line))


def _size(part: object) -> int:
    return len(json.dumps(part, separators=(",", ":")))


def _rich(line: str, **looks: str) -> Element:
    """Show a line as it is. What is torn apart is shown as one."""
    runs = [{"type": "TextRun", "text": part, **looks} for part in _BINDING.split(line)]
    return {"type": "RichTextBlock", "inlines": runs}


def _banner(notification: Notification, subject: str) -> Element:
    severity = notification.severity
    look = {"weight": "Bolder", "size": "Small", "color": STYLES[severity].title()}
    label = {"type": "TextBlock", "text": f"{SIGNS[severity]} {severity.upper()}", **look}
    title = _rich(subject, size="Large", weight="Bolder") | {"spacing": "None"}
    return {"type": "Container", "style": STYLES[severity], "bleed": True, "items": [label, title]}


def _body(notification: Notification, wording: Wording, room: int) -> list[Element]:
    """Show the body in `room` bytes."""
    if wording.body == escape(notification.message):
        text = "\n".join(lines_of(notification.message))
        return _paragraphs(cut(text, room, _most))
    return _markdown(cut(wording.body.strip(), room, lambda part: _size(_markdown(part)) + 1))


def _most(text: str) -> int:
    """Say how many bytes the paragraphs of `text` take at most, without making them: a text may be all braces."""
    lines = sum(map(bool, text.split("\n")))
    return _size(text) + lines * _BLOCK_SIZE + len(_BINDING.findall(text)) * _RUN_SIZE


def _paragraphs(text: str) -> list[Element]:
    """Make a block of each line, for clients differ on what a line break in a run is; an empty one becomes a gap."""
    blocks: list[Element] = []
    spacing = "Medium"
    for line in text.split("\n"):
        if line:
            blocks.append(_rich(line) | {"spacing": spacing})
        spacing = "None" if line else "Medium"
    return blocks


def _markdown(text: str) -> list[Element]:
    return [{"type": "TextBlock", "text": text, "wrap": True}] if text else []


_BLOCK_SIZE = _size(_paragraphs(" ")) + 1
_RUN_SIZE = _size({"type": "TextRun", "text": ""}) + 1


def _facts(notification: Notification) -> Element:
    facts = [*facts_of(notification), ("Raised", written(notification.created_at))]
    shown = [
        {"title": label, "value": escape(bounded(value, FACT_LIMIT))} for label, value in facts if label != _ELSEWHERE
    ]
    return {"type": "FactSet", "facts": shown, "separator": True, "spacing": "Medium"}


def _actions(notification: Notification, links: Links) -> list[Element]:
    named = [
        ("Open the notification", links.notification(notification)),
        ("Why it alerts", links.explanation(notification)),
    ]
    return [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in named if url]
