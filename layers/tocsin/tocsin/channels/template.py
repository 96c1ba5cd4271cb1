"""An operator's own words: what a template may say, where it is looked for, and what becomes of it. Pure.

A template is a JSON object with `subject`, `body` and, for mail, `html`; what it leaves out is as it would be without
it. The language is in `template_language`, which is loaded only where there is a template: Jinja2 would cost each cold
start some 40 ms.
"""

import html
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from tocsin.channels.wording import Escape, Links, Wording, as_it_is, default_wording, subject_line
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.notification import Notification
from tocsin.errors import FieldProblem
from tocsin.text import written

SUBJECT, BODY, HTML = "subject", "body", "html"
FIELDS = (SUBJECT, BODY, HTML)
VARIABLES = frozenset(
    {
        "id",
        "type",
        "severity",
        "channel",
        "recipient",
        "subject",
        "message",
        "certificate_id",
        "created_at",
        "link",
        "explanation",
        "fallback_of",
        "act",
        "about",
    }
)
"""What a template may name. All are texts, empty where the notification has none, and all of them are foreign."""
_ANY_TYPE = "default"


class TemplateRefusedError(Exception):
    """A template can't be used."""

    def __init__(self, problem: FieldProblem) -> None:
        super().__init__(f"{problem.field} {problem.detail}")
        self.problem = problem


def wrong(field: str, detail: str, line: int | None = None) -> FieldProblem:
    """Say what is wrong with a template, by field and line; nothing of it is repeated: it may be a SecureString."""
    return FieldProblem(field, detail if line is None else f"line {line}: {detail}")


def places_of(notification: Notification) -> tuple[str, ...]:
    """Name where its template may be, below the stack's own path: first the channel's own, then its kind's.

    A parameter's name has no colon, so `Custom:disk` is `Custom.disk`: no other type has a dot.
    """
    kind, label = notification.channel.kind, notification.channel.label
    types = (notification.type.replace(":", "."), _ANY_TYPE)
    own = tuple(f"{kind}/{label}/{type_}" for type_ in types) if label else ()
    return own + tuple(f"{kind}/{type_}" for type_ in types)


@lru_cache(maxsize=256)
def parsed(text: str, channel: ChannelName) -> Mapping[str, str]:
    """Read a stored template of `channel`; raise TemplateRefusedError."""
    try:
        template = json.loads(text)
    except (ValueError, RecursionError):
        raise TemplateRefusedError(wrong("the template", "is no JSON")) from None
    if not isinstance(template, dict) or not template.keys() <= set(FIELDS):
        raise TemplateRefusedError(wrong("the template", f"must be a JSON object of {', '.join(FIELDS)}"))
    if no_text := [field for field, value in template.items() if not isinstance(value, str)]:
        raise TemplateRefusedError(wrong(no_text[0], "must be a text"))
    if problems := _unfit(template, channel):
        raise TemplateRefusedError(problems[0])
    return template


def problems_of(template: Mapping[str, str], channel: ChannelName) -> list[FieldProblem]:
    """Say all that is wrong with a template of `channel`, whatever it is to be used for."""
    from tocsin.channels.template_language import compiled  # noqa: PLC0415 - see the module's docstring

    seen = [compiled(field, text) for field, text in template.items()]
    return [one for one in seen if isinstance(one, FieldProblem)] + _unfit(template, channel)


def _unfit(template: Mapping[str, str], channel: ChannelName) -> list[FieldProblem]:
    is_mail = channel.kind is ChannelKind.EMAIL
    return [wrong(HTML, "is for Email only")] if HTML in template and not is_mail else []


def worded(notification: Notification, template: Mapping[str, str], escape: Escape, links: Links) -> Wording:
    """Say what `template` says; raise TemplateRefusedError.

    Every value is escaped where it stands, whatever filters made of it; the template's own text is its author's. The
    subject is one plain line, which whoever puts it into a markup escapes.
    """
    from tocsin.channels.template_language import rendered  # noqa: PLC0415 - see the module's docstring

    values, said = values_of(notification, links), default_wording(notification, escape)
    if SUBJECT in template:
        said = replace(said, subject=subject_line(rendered(SUBJECT, template[SUBJECT], values, as_it_is)))
    if BODY in template:
        said = replace(said, body=rendered(BODY, template[BODY], values, escape))
    if HTML in template:
        said = replace(said, html=rendered(HTML, template[HTML], values, html.escape))
    for field in FIELDS:
        if field in template and not str(getattr(said, field)).strip():
            raise TemplateRefusedError(wrong(field, "says nothing of this notification"))
    return said


def values_of(notification: Notification, links: Links) -> Mapping[str, str]:
    """Give the variables. They are the same on every try, so the words are too."""
    return {
        "id": notification.id,
        "type": notification.type,
        "severity": str(notification.severity),
        "channel": str(notification.channel),
        "recipient": notification.recipient,
        "subject": notification.subject,
        "message": notification.message,
        "certificate_id": notification.certificate_id or "",
        "created_at": written(notification.created_at),
        "link": links.notification(notification) or "",
        "explanation": links.explanation(notification) or "",
        "fallback_of": notification.fallback_of or "",
        "act": str(notification.act),
        "about": notification.about or "",
    }
