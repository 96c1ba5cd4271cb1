"""What a notification says through a channel: its subject, its body in the channel's markup, facts and links. Pure."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from tocsin.delivery.notification import Notification
from tocsin.text import bounded

SUBJECT_LIMIT = 256
"""Bytes of a subject; what shows it shows far fewer."""

Escape = Callable[[str], str]
"""Makes foreign text mean nothing but itself in one markup: no mention, no link, no tag, no binding."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What to say."""

    subject: str
    """One plain line, not escaped: whoever puts it into a markup escapes it."""
    body: str
    """In the channel's markup: foreign text in it is escaped, a template's own text is as its author wrote it."""
    html: str | None = None
    """Another body in HTML, where a template has one. Only mail shows it."""
    problem: str | None = None
    """Why the operator's own template was not used."""


Words = Callable[[Notification, Escape], Awaitable[Wording]]
"""Finds the words for a notification: an operator's template, or else the default. It never raises."""


def default_wording(notification: Notification, escape: Escape) -> Wording:
    """Say what the notification says."""
    return Wording(subject_line(notification.subject), escape(notification.message))


async def default_words(notification: Notification, escape: Escape) -> Wording:
    """Find the words where there are no templates."""
    return default_wording(notification, escape)


def subject_line(text: str) -> str:
    """Give `text` as one printable line: nothing in it ends a header."""
    return bounded(text, SUBJECT_LIMIT)


def as_it_is(text: str) -> str:
    """Escape for a channel that shows text as text."""
    return text


@dataclass(frozen=True, slots=True)
class Links:
    """Where more is shown. Without a base there are none."""

    base: str = ""
    """E.g. `https://abc.execute-api.eu-central-1.amazonaws.com/live`."""

    def notification(self, notification: Notification) -> str | None:
        """Give the address of the notification, or None."""
        return f"{self.base}/api/v1/notifications/{notification.id}" if self.base else None

    def explanation(self, notification: Notification) -> str | None:
        """Give the address of why its certificate alerts, or None."""
        if not self.base or not notification.certificate_id:
            return None
        return f"{self.base}/api/v1/certificates/{quote(notification.certificate_id, safe='')}/explain"


def facts_of(notification: Notification) -> list[tuple[str, str]]:
    """Give what every channel says besides subject and body: a label and foreign text, not escaped."""
    facts = [("Severity", str(notification.severity)), ("Type", notification.type)]
    if notification.certificate_id:
        facts.append(("Certificate", notification.certificate_id))
    if notification.fallback_of:
        facts.append(("Instead of", notification.fallback_of))
    return [*facts, ("Id", notification.id)]
