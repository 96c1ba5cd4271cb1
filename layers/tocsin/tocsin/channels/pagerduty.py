"""PagerDuty: an incident for each notification, by the Events API v2; acknowledged or resolved by what is about it.

An acknowledgement or a resolve goes by the key that opened the incident, also after a rotation: by another one it is
dropped, behind a 202 (PagerDuty's page "Send an Alert Event", Alert De-Duplication). The receipt says which key it was.

What an answer means: `incident`. Whether a 400 is for the row or for the key, its text says.
"""

import hashlib
import re
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr

from tocsin.channels.channel import ChannelSettings, Tools, broken, permanent
from tocsin.channels.document import ChannelDocument
from tocsin.channels.http import Answer, request, secrets_in
from tocsin.channels.incident import FACT_LIMIT, body_of, fitted, incident_key, judged, links_of, read
from tocsin.channels.wording import Wording, as_it_is, facts_of
from tocsin.delivery.attempt import Accepted, SendResult
from tocsin.delivery.notification import Act, Notification, Severity

URLS = {
    "us": "https://events.pagerduty.com/v2/enqueue",
    "eu": "https://events.eu.pagerduty.com/v2/enqueue",
}
"""By service region (PagerDuty's pages "Service Regions" and "Safelist IPs")."""
CLIENT = "Tocsin"
DEDUP_KEY_LIMIT = 255
SUMMARY_LIMIT = 1024
"""Characters (PagerDuty's page "Send an Alert Event")."""
MESSAGE_LIMIT = 65_536
"""Characters of a message: 6 bytes of JSON each at most, so with all else an event stays below the 512 KB that the
Events API takes (its Overview, Size Limits)."""
KEY_IS_GONE = "the key that opened the incident is no longer in routing_keys: put it back, or act on it in PagerDuty"
SEVERITIES = {Severity.INFORMATIONAL: "info", Severity.WARNING: "warning", Severity.CRITICAL: "critical"}
FINGERPRINT_DIGITS = 12
"""Hexadecimal digits that tell a few keys apart, and give none away: a key has some 190 bits."""

_KEY = re.compile("[A-Za-z0-9]{32}")
_OF_THE_KEY = re.compile("routing.?key", re.IGNORECASE)
"""What a 400 says of a key: "Invalid routing key", "Length of 'routing_key' is incorrect (should be 32 characters)"."""
_OF_THE_CHANNEL = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
    }
)
"""Answers that the Events API does not have, so they come from what else stands at the URL, and for every event."""


def _checked(key: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(key.get_secret_value()):
        raise ValueError("a routing key is 32 letters and digits")
    return key


class PagerDutyDocument(ChannelDocument):
    """The channel's parameter."""

    PER_MINUTE: ClassVar[int | None] = 120
    """For each key; PagerDuty moves its limit with the traffic (its Overview, Rate Limits), and publishes no other."""

    routing_keys: Annotated[list[Annotated[SecretStr, AfterValidator(_checked)]], Field(min_length=1, max_length=2)]
    """Newest first; two while incidents are open that the former one opened."""
    region: Literal["us", "eu"] = "us"
    """Where the account is."""
    url: SecretStr = SecretStr("")
    """Where to post instead, such as a proxy."""


class PagerDutyChannel:
    """Sends each notification as one event."""

    def __init__(self, config: PagerDutyDocument, tools: Tools) -> None:
        """Keep the keys; nothing is opened yet."""
        self._keys = [key.get_secret_value() for key in config.routing_keys]
        own = config.url.get_secret_value()
        self._url = own or URLS[config.region]
        self._secrets = {*self._keys, *secrets_in(own)}
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Send its event once."""
        if problem := self._tools.settings.reach.endpoint_problem(self._url):
            return broken(f"url: {problem}")
        key = self._key_of(notification)
        if key is None:
            return permanent(KEY_IS_GONE)
        wording = await self._tools.words(notification, as_it_is)
        event = {"routing_key": key, **event_of(notification, wording, self._tools.settings)}
        headers = {"content-type": "application/json"}
        answer = await request(self._tools, self._url, body=body_of(event), headers=headers)
        if isinstance(answer, Answer) and answer.status == HTTPStatus.ACCEPTED:
            return Accepted(answer.status, fingerprint(key))
        return judged(answer, is_broken=isinstance(answer, Answer) and _is_broken(answer), secrets=self._secrets)

    def _key_of(self, notification: Notification) -> str | None:
        """Give the key by which it goes: the newest, or the one that opened what it is about; None if that is gone."""
        if notification.act is Act.TRIGGER or notification.receipt is None:
            return self._keys[0]
        return next((key for key in self._keys if fingerprint(key) == notification.receipt), None)


def fingerprint(key: str) -> str:
    """Name a key without giving it away: what a receipt may say of it."""
    return f"key:{hashlib.sha256(key.encode()).hexdigest()[:FINGERPRINT_DIGITS]}"


def event_of(notification: Notification, wording: Wording, settings: ChannelSettings) -> dict[str, Any]:
    """Give the event, but for its key. What is no trigger needs no more than what it is about."""
    event = {"event_action": notification.act.value, "dedup_key": incident_key(notification, DEDUP_KEY_LIMIT)}
    if notification.act is not Act.TRIGGER:
        return event
    links = links_of(notification, settings.links)
    return {
        **event,
        "payload": _payload(notification, wording, settings.stack),
        "client": CLIENT,
        **({"client_url": links[0][1]} if links else {}),
        **({"links": [{"href": address, "text": label} for label, address in links]} if links else {}),
    }


def _payload(notification: Notification, wording: Wording, stack: str) -> dict[str, Any]:
    details = {label: fitted(fact, FACT_LIMIT) for label, fact in facts_of(notification)}
    payload = {
        "summary": fitted(wording.subject or notification.type or CLIENT, SUMMARY_LIMIT),
        "source": fitted(notification.certificate_id or stack or CLIENT, FACT_LIMIT),
        "severity": SEVERITIES[notification.severity],
        "timestamp": notification.created_at.isoformat().replace("+00:00", "Z"),
        "component": "certificate" if notification.certificate_id else "",
        "group": stack,
        "class": fitted(notification.type, FACT_LIMIT),
        "custom_details": {"Message": fitted(wording.body, MESSAGE_LIMIT), **details},
    }
    return {name: value for name, value in payload.items() if value}


def _is_broken(answer: Answer) -> bool:
    """Tell whether every event would be refused so."""
    if answer.status != HTTPStatus.BAD_REQUEST:
        return answer.status in _OF_THE_CHANNEL
    errors = read(answer.text).get("errors")
    said = " ".join(map(str, errors)) if isinstance(errors, list) and errors else answer.text
    return _OF_THE_KEY.search(said) is not None
