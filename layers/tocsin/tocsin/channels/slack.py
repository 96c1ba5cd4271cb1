r"""Slack, by an incoming webhook: one message of Block Kit.

Sources, all of docs.slack.dev: messaging/sending-messages-using-incoming-webhooks (answers),
messaging/formatting-message-text (escaping, `verbatim`), reference/block-kit/blocks (lengths),
apis/web-api/rate-limits.

The text of a notification is foreign. As it is it goes out as `plain_text`, in which nothing is markup. In a template
it stands amid mrkdwn, which has no escape for `*`, `_`, `~` and the backtick: there they become what looks alike.

| what happened                                                                 | class              |
|-------------------------------------------------------------------------------|--------------------|
| 200 with the body `ok`                                                        | delivered          |
| any other 2xx                                                                 | unknown            |
| 429                                                                           | throttled          |
| 408, 425, 5xx                                                                 | retryable          |
| 401, 403, 404, 405, 410, 3xx; 400 with a code that says the webhook is no more | broken             |
| the other 4xx                                                                 | permanent          |
"""

import json
import re
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SecretStr

from tocsin.channels.channel import Tools, broken, unknown
from tocsin.channels.cutting import cut, parts, units
from tocsin.channels.document import ChannelDocument
from tocsin.channels.hook import compact, posted
from tocsin.channels.http import Answer
from tocsin.channels.wording import Links, Wording, facts_of
from tocsin.delivery.attempt import Delivered, SendResult
from tocsin.delivery.notification import Notification, Severity
from tocsin.text import ELLIPSIS, bounded, lines_of, written

HEADER_LIMIT = 150
"""UTF-16 units of a header (reference/block-kit/blocks/header-block)."""
SECTION_LIMIT = 3000
"""UTF-16 units of a section's text (reference/block-kit/blocks/section-block)."""
BLOCKS_LIMIT = 10_000
"""Bytes of all blocks together. Slack refuses them from about 13,200 characters, and does not document how it counts
(slackapi/bolt-js#2509, #2867: once at 11,300 of text)."""
MOST_SECTIONS = 8
"""What is reserved for: a part of a text is at least half of a section."""
URL_LIMIT = 2000
"""Characters of a link; the name of a certificate is in one, and may be 3,000 when written for a URL."""
FACT_LIMIT = 256
"""Bytes of one fact, before escaping."""

SIGNS = {Severity.INFORMATIONAL: "🔵", Severity.WARNING: "🟠", Severity.CRITICAL: "🔴"}  # fmt: skip
"""What catches the eye. The word is beside it: a colour alone says nothing to many."""

_REVOKED = frozenset(
    {
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_service_id",
        "no_team",
        "posting_to_general_channel_denied",
        "team_disabled",
        "team_not_found",
        "user_not_found",
    }
)
"""Codes that say that the webhook takes no message at all."""
_HOLDING = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
    }
)
_CODE = re.compile(r"[a-z]+(_[a-z]+){0,6}")
"""What Slack's codes look like: no token has this form."""
_ELSEWHERE = frozenset({"Severity", "Id"})
"""Facts that the header and the context show."""
_QUOTE = re.compile(r"^\s*>+")
_LOOKALIKE_TICK = str.maketrans({"`": "\N{MODIFIER LETTER GRAVE ACCENT}"})
_LOOKALIKES = _LOOKALIKE_TICK | str.maketrans({"*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}"})
_LOOKALIKE_QUOTE = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
_LOOKALIKE_UNDERSCORE = "\N{MODIFIER LETTER LOW MACRON}"
_LONE_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
"""An underscore that could begin or end italics: one inside a word can't."""

Block = dict[str, Any]
TextKind = Literal["plain_text", "mrkdwn"]


class SlackDocument(ChannelDocument):
    """The channel's parameter."""

    PER_MINUTE: ClassVar[int | None] = 60
    """One a second and webhook (apis/web-api/rate-limits)."""

    url: Annotated[SecretStr, Field(min_length=1, max_length=2048)]
    """The webhook's URL: whoever has it can post."""


class SlackChannel:
    """Posts each notification as one message; the same bytes on every try."""

    def __init__(self, config: SlackDocument, tools: Tools) -> None:
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
    code = text.strip()
    return code if _CODE.fullmatch(code) else ""


def _result(answer: Answer) -> SendResult:
    if answer.status == HTTPStatus.OK and answer.text == "ok":
        return Delivered(answer.status)
    if answer.text in _REVOKED or answer.status in _HOLDING:
        return broken(answer.error, answer.status)
    if answer.is_success:
        return unknown(f"{answer.error}: not Slack's ok")
    return answer.refused()


def message(notification: Notification, wording: Wording, links: Links) -> Block:
    """Return the message. Made of what never changes, so every try sends the same bytes."""
    title = f"{SIGNS[notification.severity]} {notification.severity.upper()}: {wording.subject or notification.type}"
    head = {"type": "header", "text": _text("plain_text", cut(_entities(title), HEADER_LIMIT, units, ELLIPSIS))}
    tail = [_facts(notification), *_links(notification, links), _context(notification)]
    return {
        "text": escape(title),  # what a phone's lock screen shows
        "blocks": [head, *_sections(notification, wording, BLOCKS_LIMIT - _size([head, *tail])), *tail],
        "metadata": {"event_type": "tocsin_notification", "event_payload": {"id": notification.id}},
        "unfurl_links": False,
        "unfurl_media": False,
        "link_names": False,
    }


def escape(text: str) -> str:
    """Make `text` mean nothing in mrkdwn: no mention, no link, no formatting, no quote."""
    return "\n".join(map(_escaped, lines_of(text)))


def _escaped(line: str) -> str:
    unquoted = _QUOTE.sub(lambda found: found[0].replace(">", _LOOKALIKE_QUOTE), line)
    return _entities(_LONE_UNDERSCORE.sub(_LOOKALIKE_UNDERSCORE, unquoted.translate(_LOOKALIKES)))


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _size(part: object) -> int:
    return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())


def _text(kind: TextKind, text: str) -> Block:
    """Make a text in which Slack looks for no links, names or emoji of its own."""
    return {"type": kind, "text": text} | ({"verbatim": True} if kind == "mrkdwn" else {"emoji": False})


def _sections(notification: Notification, wording: Wording, room: int) -> list[Block]:
    """Cut the body into sections that take at most `room` bytes."""
    is_foreign = wording.body == escape(notification.message)
    kind: TextKind = "plain_text" if is_foreign else "mrkdwn"
    body = _entities("\n".join(lines_of(notification.message))) if is_foreign else wording.body
    overhead = _size({"type": "section", "text": _text(kind, "")}) + len(",")
    shown = cut(body.strip(), room - MOST_SECTIONS * overhead, _size)
    return [{"type": "section", "text": _text(kind, part)} for part in parts(shown, SECTION_LIMIT, units)]


def _facts(notification: Notification) -> Block:
    facts = [(label, value) for label, value in facts_of(notification) if label not in _ELSEWHERE]
    return {"type": "section", "fields": [_text("mrkdwn", f"*{label}*\n{_literal(value)}") for label, value in facts]}


def _literal(value: str) -> str:
    """Show one line in a span of code, where nothing but its own end is markup."""
    return f"`{_entities(bounded(value, FACT_LIMIT).translate(_LOOKALIKE_TICK))}`"


def _links(notification: Notification, links: Links) -> list[Block]:
    """Link, with no buttons: Slack warns who presses a button of an app that takes no answers (node-slack-sdk#869)."""
    named = [
        (links.notification(notification), "Open the notification"),
        (links.explanation(notification), "Why it alerts"),
    ]
    shown = [f"<{_entities(url)}|{name}>" for url, name in named if url and len(url) <= URL_LIMIT]
    return [{"type": "section", "text": _text("mrkdwn", "  ·  ".join(shown))}] if shown else []


def _context(notification: Notification) -> Block:
    at = notification.created_at
    raised = f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{written(at)}>"  # in the reader's own zone
    return {"type": "context", "elements": [_text("mrkdwn", f"{raised}  ·  {_literal(notification.id)}")]}
