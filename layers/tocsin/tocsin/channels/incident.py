"""What the channels share that keep incidents (PagerDuty, OpsGenie, JSM): their key, texts that fit, and classes. Pure.

| what happened                                                              | class                          |
|----------------------------------------------------------------------------|--------------------------------|
| 202                                                                        | accepted                       |
| 429                                                                        | throttled: no attempt is spent |
| 408, 425, 5xx; DNS, connection and certificate errors                      | retryable                      |
| the deadline, a reset or nonsense after the request went out; another 2xx, | unknown                        |
| for neither service answers so, whatever it is that stands at the URL      |                                |
| what the channel calls its own (a bad key, a wrong URL); 3xx; an address   | broken                         |
| that the guard refuses, since the URL is the document's                    |                                |
| the other 4xx                                                              | permanent                      |
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from tocsin.channels.channel import broken, refused
from tocsin.channels.http import Answer, without
from tocsin.channels.wording import Links
from tocsin.delivery.attempt import Broken, FailureClass, Refused, Throttled
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Notification
from tocsin.text import ELLIPSIS, bounded

FACT_LIMIT = 512
"""Characters of a fact, so that five of them and the links stay within the 8,000 of an alert's details (Opsgenie's page
"Alert API", Create Alert)."""
LINK_LIMIT = 2048
"""Characters of a link; a longer one is left out, for half of one leads nowhere."""
_UNIT = 2
"""Bytes of a code unit of UTF-16."""
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters that mean nothing in a text, and that many a database refuses."""


def incident_key(notification: Notification, limit: int) -> str:
    """Give the name of the incident in at most `limit` (64 or more) characters: the id of what opened it."""
    key = notification.about or notification.id
    return key if len(key) <= limit else hashlib.sha256(key.encode()).hexdigest()


def fitted(text: str, limit: int) -> str:
    """Return `text` as a service takes it that allows `limit` characters: without control characters, cut if it must.

    Counted as UTF-16 does it, the strictest way to count characters: nobody says which way is the services'.
    """
    units = _UNSHOWN.sub(" ", text[: limit + 1]).encode("utf-16-le", "surrogatepass")
    if len(units) <= limit * _UNIT:
        return units.decode("utf-16-le", "replace")
    return units[: (limit - 1) * _UNIT].decode("utf-16-le", "ignore").rstrip() + ELLIPSIS


def links_of(notification: Notification, links: Links) -> list[tuple[str, str]]:
    """Give where more is shown: a label and an address."""
    found = [("Notification", links.notification(notification)), ("Explanation", links.explanation(notification))]
    return [(label, address) for label, address in found if address and len(address) <= LINK_LIMIT]


def body_of(event: dict[str, Any]) -> bytes:
    """Write an event, in the same bytes on every try."""
    return json.dumps(event, separators=(",", ":")).encode()


def read(text: str) -> dict[str, Any]:
    """Read an answer's object; empty for what is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def judged(answer: Answer | Refused, *, is_broken: bool, secrets: Iterable[str]) -> Refused | Throttled | Broken:
    """Say what an answer that is not 202, or none at all, means for the row and for the channel."""
    match answer:
        case Refused(failure=FailureClass.PERMANENT):  # the guard's word on the document's own URL
            return broken(answer.error)
        case Refused():
            return answer
    said = replace(answer, text=without(secrets, answer.text))
    if said.is_success:
        return refused(FailureClass.UNKNOWN, f"not the answer of this service: {said.error}", said.status)
    if said.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(bounded(said.error, LAST_ERROR_LIMIT), said.retry_after)
    if is_broken or said.is_redirect:
        return broken(said.error, said.status)
    return said.refused()
