"""Services that keep incidents, as their documentation describes them: they check what they get, and remember it.

PagerDuty: its pages "Events API v2 Overview" and "Send an Alert Event". OpsGenie, as which JSM Operations speaks: its
pages "Alert API" and "Response"; that a request is not found before it was worked on: opsgenie/opsgenie-python-sdk#31.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it comes with none
from pydantic import SecretStr

from local.receiver import Exchange, answers
from tests.support.channels import some_tools
from tocsin.channels.jsm import AlertsChannel, JsmDocument
from tocsin.channels.pagerduty import PagerDutyChannel, PagerDutyDocument

KEY = "e93facc04764012d7bfb002500d5d1a6"
OLD_KEY = "0123456789abcdefABCDEF0123456789"
API_KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
SIZE_LIMIT = 512_000
"""Bytes of an event: 512 KB, in the smaller of its two meanings."""

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$"
_HREF = {"type": "string", "pattern": "^https?://"}
_EVENT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["routing_key", "event_action"],
    "properties": {
        "routing_key": {"type": "string", "pattern": "^[A-Za-z0-9]{32}$"},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": {"type": "string"},
        "client_url": _HREF,
        "payload": {
            "type": "object",
            "additionalProperties": False,
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string", "minLength": 1},
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {
                    "type": "string",
                    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$",
                },
                "component": {"type": "string"},
                "group": {"type": "string"},
                "class": {"type": "string"},
                "custom_details": {"type": "object"},
            },
        },
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["href"],
                "properties": {"href": _HREF, "text": {"type": "string"}},
            },
        },
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "else": {"required": ["dedup_key"]},
}
_ALERT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["message"],
    "properties": {
        "message": {"type": "string", "minLength": 1, "maxLength": 130},
        "alias": {"type": "string", "maxLength": 512},
        "description": {"type": "string", "maxLength": 15_000},
        "tags": {"type": "array", "maxItems": 20, "items": {"type": "string", "minLength": 1, "maxLength": 50}},
        "details": {"type": "object", "additionalProperties": {"type": "string"}},
        "entity": {"type": "string", "maxLength": 512},
        "source": {"type": "string", "maxLength": 100},
        "priority": {"enum": ["P1", "P2", "P3", "P4", "P5"]},
    },
}
_ACTION: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "user": {"type": "string", "maxLength": 100},
        "source": {"type": "string", "maxLength": 100},
        "note": {"type": "string", "maxLength": 25_000},
    },
}
DETAILS_LIMIT = 8000
"""Characters of all the details of an alert."""


def event_problems(event: object) -> list[str]:
    """Say what PagerDuty's documentation finds wrong with an event."""
    return [error.json_path for error in Draft202012Validator(_EVENT).iter_errors(event)]


def alert_problems(alert: object, schema: dict[str, Any] = _ALERT) -> list[str]:
    """Say what Opsgenie's documentation finds wrong with the body of a request."""
    problems = [error.json_path for error in Draft202012Validator(schema).iter_errors(alert)]
    details = alert.get("details", {}) if isinstance(alert, dict) else {}
    too_many = sum(len(name) + len(str(value)) for name, value in details.items()) > DETAILS_LIMIT
    return [*problems, "$.details"] if too_many else problems


@dataclass
class PagerDuty:
    """An account: each key is an integration, with incidents of its own."""

    keys: Sequence[str] = (KEY,)
    incidents: dict[tuple[str, str], str] = field(default_factory=dict)
    """The state of the newest incident by key and dedup_key."""
    dropped: list[str] = field(default_factory=list)
    """What was taken with a 202 and then dropped."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        asked = exchange.request
        if (asked.method, asked.path) != ("POST", "/v2/enqueue"):
            return await answers(404)(exchange)
        event = json.loads(asked.body)
        errors = event_problems(event) + (["too large"] if len(asked.body) > SIZE_LIMIT else [])
        if not errors and event["routing_key"] not in self.keys:
            errors = ["Invalid routing key"]
        if errors:
            return await answers(400, _json(status="invalid event", message="Event object is invalid", errors=errors))(
                exchange
            )
        self._take(event["routing_key"], event["dedup_key"], event["event_action"])
        taken = _json(status="success", message="Event processed", dedup_key=event["dedup_key"])
        return await answers(202, taken)(exchange)

    def _take(self, key: str, dedup_key: str, action: str) -> None:
        if action == "trigger":
            self.incidents[key, dedup_key] = "triggered"
        elif self.incidents.get((key, dedup_key), "resolved") == "resolved":
            self.dropped.append(action)
        else:
            self.incidents[key, dedup_key] = f"{action}d"


@dataclass
class Alerts:
    """An account of OpsGenie or JSM: a request is worked on when the test says so."""

    key: str = API_KEY
    path: str = "/v2/alerts"
    alerts: dict[str, str] = field(default_factory=dict)
    """The state of each alert by its alias."""
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What each request that nobody has worked on asks: an action and an alias."""
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        asked = exchange.request
        if asked.headers.get("authorization") != f"GenieKey {self.key}":
            return await answers(401, _json(message="Could not authenticate"))(exchange)
        behind = asked.path.removeprefix(self.path)
        if asked.method == "GET" and (found := re.fullmatch(r"/requests/([\w-]+)", behind)):
            return await self._tell(found[1], exchange)
        action = re.fullmatch(r"/([\w%-]+)/(acknowledge|close)\?identifierType=alias", behind)
        if asked.method != "POST" or not (action or behind == ""):
            return await answers(404)(exchange)
        body = json.loads(asked.body)
        if errors := alert_problems(body, _ACTION if action else _ALERT):
            return await answers(422, _json(message="Request body is not processable", errors=errors))(exchange)
        identity = f"513085b8-caf3-4f91-aa23-{len(self.waiting) + len(self.done):012x}"
        self.waiting[identity] = (action[2], action[1]) if action else ("create", body["alias"])
        return await answers(202, _json(result="Request will be processed", took=0.1, requestId=identity))(exchange)

    async def _tell(self, identity: str, exchange: Exchange) -> None:
        if identity in self.done:
            return await answers(200, _json(data=self.done[identity], took=0.02, requestId=identity))(exchange)
        return await answers(404, _json(message="Request not found. It might not be processed, yet."))(exchange)

    def work(self) -> None:
        """Work on all that waits."""
        for identity, (action, alias) in self.waiting.items():
            exists = action == "create" or self.alerts.get(alias, "closed") != "closed"
            if exists:
                self.alerts[alias] = {"create": "open", "acknowledge": "acknowledged", "close": "closed"}[action]
            status = f"{action} worked" if exists else "Alert does not exist"
            self.done[identity] = {"success": exists, "isSuccess": exists, "action": action, "status": status}
        self.waiting.clear()


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@asynccontextmanager
async def a_pagerduty(url: str, keys: Sequence[str] = (KEY,), **tools: Any) -> AsyncIterator[PagerDutyChannel]:
    """Open a PagerDuty channel whose document has these keys."""
    config = PagerDutyDocument(routing_keys=[SecretStr(key) for key in keys], url=SecretStr(url))
    async with some_tools(**tools) as lent:
        yield PagerDutyChannel(config, lent)


@asynccontextmanager
async def an_alerts_channel(url: str, key: str = API_KEY, **tools: Any) -> AsyncIterator[AlertsChannel]:
    """Open a channel to OpsGenie or JSM."""
    async with some_tools(**tools) as lent:
        yield AlertsChannel(JsmDocument(api_key=SecretStr(key), url=SecretStr(url)), lent)
