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
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from tocsin.channels.channel import Tools, permanent
from tocsin.channels.document import ChannelDocument
from tocsin.channels.http import Answer, request, secrets_in, without
from tocsin.channels.signature import key_of, signed_headers
from tocsin.delivery.attempt import Delivered, SendResult
from tocsin.delivery.notification import Notification


def _checked(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


class WebhookDocument(ChannelDocument):
    """The channel's parameter. A URL often is a secret itself."""

    secrets: Annotated[list[Annotated[SecretStr, AfterValidator(_checked)]], Field(min_length=1, max_length=4)]
    """Newest first; more than one while a secret is being rotated."""
    url: SecretStr = SecretStr("")
    """Where notifications go that name no URL of their own."""


class WebhookChannel:
    """Posts each notification as one signed event; the same bytes and the same `webhook-id` on every try."""

    def __init__(self, config: WebhookDocument, tools: Tools) -> None:
        """Keep the keys; nothing is opened yet."""
        self._keys = [key_of(secret.get_secret_value()) for secret in config.secrets]
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
            **signed_headers(notification.id, self._tools.now(), body, self._keys),
        }
        match await request(self._tools, url, body=body, headers=headers):
            case Answer(is_success=True) as answer:
                return Delivered(answer.status)
            case Answer() as answer:  # which may repeat the URL, and the document's is a secret
                return replace(answer, text=without(secrets_in(url), answer.text)).refused()
            case failure:
                return failure


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
    created_at = notification.created_at.isoformat().replace("+00:00", "Z")
    event = {
        "type": f"notification.{notification.type.replace(':', '.')}",
        "timestamp": created_at,
        "data": {
            "id": notification.id,
            "type": notification.type,
            "severity": notification.severity,
            "subject": notification.subject,
            "message": notification.message,
            "certificate_id": notification.certificate_id,
            "created_at": created_at,
        },
    }
    return json.dumps(event, separators=(",", ":")).encode()
