"""Webhook: a signed POST (Standard Webhooks 1.0), to the URL of the notification or of the channel's document.

| what happened                                                        | class     |
|----------------------------------------------------------------------|-----------|
| 2xx                                                                  | delivered |
| 408, 425, 429, 5xx; DNS, connection and certificate errors           | retryable |
| the deadline passed before the request went out                      | retryable |
| the deadline, a reset or nonsense after the request went out         | unknown   |
| the other 4xx; a URL or an address that the guard refuses            | permanent |
| 3xx: an answer that somebody configured; following it is never safe, | permanent |
| and repeating it changes nothing until somebody corrects the URL     |           |
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from tocsin.channels.channel import Tools, permanent
from tocsin.channels.document import ChannelDocument
from tocsin.channels.http import Answer, request, secrets_in, without
from tocsin.channels.signature import key_of, signed_headers
from tocsin.delivery.attempt import Delivered, SendResult
from tocsin.delivery.notification import Notification


def _checked(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


Secrets = Annotated[list[Annotated[SecretStr, AfterValidator(_checked)]], Field(min_length=1, max_length=4)]
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[1-9][0-9]{0,4})?")
_ENDPOINTS = 100


class Endpoint(BaseModel):
    """What is shared with one receiver alone (Standard Webhooks 1.0, "Signature scheme": a secret an endpoint)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secrets: Secrets
    """Newest first; more than one while a secret is being rotated."""


def _by_host(endpoints: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    hosts = {host.lower(): endpoint for host, endpoint in endpoints.items()}
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("is by host, like hooks.example.com or hooks.example.com:8443")
    if len(hosts) < len(endpoints):
        raise ValueError("has a host twice")
    return hosts


class WebhookDocument(ChannelDocument):
    """The channel's parameter. A URL often is a secret itself."""

    secrets: Secrets
    """Newest first; more than one while a secret is being rotated."""
    url: SecretStr = SecretStr("")
    """Where notifications go that name no URL of their own."""
    endpoints: Annotated[dict[str, Endpoint], Field(max_length=_ENDPOINTS), AfterValidator(_by_host)] = Field(
        default_factory=dict
    )
    """Secrets of one host alone, for notifications that name a URL there; a host with a port is of that port only."""


class WebhookChannel:
    """Posts each notification as one signed event; the same bytes and the same `webhook-id` on every try."""

    def __init__(self, config: WebhookDocument, tools: Tools) -> None:
        """Keep the keys; nothing is opened yet."""
        self._keys = _keys(config.secrets)
        self._keys_of = {host: _keys(endpoint.secrets) for host, endpoint in config.endpoints.items()}
        self._default_url = config.url
        self._reach = tools.settings.reach
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Post it once."""
        url = notification.recipient or self._default_url.get_secret_value()
        if not url:
            return permanent("no url: neither the notification nor the channel's configuration has one")
        if problem := self._reach.url_problem(url):
            return permanent(problem)
        return await self._post(url, notification)

    async def _post(self, url: str, notification: Notification) -> SendResult:
        body = event_body(notification)
        headers = {
            "content-type": "application/json",
            "user-agent": "Tocsin-Webhook/1",
            **signed_headers(notification.id, self._tools.now(), body, self._keys_for(notification)),
        }
        match await request(self._tools, url, body=body, headers=headers):
            case Answer(is_success=True) as answer:
                return Delivered(answer.status)
            case Answer() as answer:  # which may repeat the URL, and the document's is a secret
                return replace(answer, text=without(secrets_in(url), answer.text)).refused()
            case failure:
                return failure

    def _keys_for(self, notification: Notification) -> list[bytes]:
        """Give the keys of the URL that it names: of its host and port, else of its host, else of all."""
        place = where(notification)
        for host in (place, place.rpartition(":")[0]):
            if host in self._keys_of:
                return self._keys_of[host]
        return self._keys


def _keys(secrets: Iterable[SecretStr]) -> list[bytes]:
    return [key_of(secret.get_secret_value()) for secret in secrets]


def where(notification: Notification) -> str:
    """Name the host and port; empty for the configured URL."""
    if not notification.recipient:
        return ""
    try:
        split = urlsplit(notification.recipient)
        port = split.port or (80 if split.scheme == "http" else 443)
    except ValueError:
        return "invalid"
    return f"{split.hostname or 'invalid'}:{port}"


def event_body(notification: Notification) -> bytes:
    """Return the event as receivers see it. Made of what never changes, so every try sends the same bytes."""
    data = event_data(notification)
    event = {
        "type": f"notification.{notification.type.replace(':', '.')}",
        "timestamp": data["created_at"],
        "data": data,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def event_data(notification: Notification) -> dict[str, str | None]:
    """Return what an event says of a notification, to a receiver that reads data and not words."""
    return {
        "id": notification.id,
        "type": notification.type,
        "severity": notification.severity,
        "subject": notification.subject,
        "message": notification.message,
        "certificate_id": notification.certificate_id,
        "created_at": notification.created_at.isoformat().replace("+00:00", "Z"),
    }
