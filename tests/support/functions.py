"""The functions, called in this process as Lambda calls them."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.inventory_store import Store, a_store
from tocsin.bootstrap import delivery, heartbeat, inventory, renewals, requeueing, resources, trial

FUNCTIONS = Path(__file__).parents[2] / "functions"
EVENTS = Path(__file__).parents[2] / "events"
Handler = Callable[[Any, Any], Any]


@dataclass
class Context:
    """Lambda's context object, with as much time as the test gives."""

    aws_request_id: str = "request-1"
    function_name: str = "tocsin"
    memory_limit_in_mb: int = 1024
    milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@cache
def handler(function: str) -> Handler:
    """Load functions/<function>/app.py, whose own modules lie beside it."""
    directory = FUNCTIONS / function
    if str(directory) not in sys.path:
        sys.path.append(str(directory))
    spec = importlib.util.spec_from_file_location(f"{function}_app", directory / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: Handler = module.handler
    return found


def environment(
    stack: str, table: str, endpoint: str, inventory: str = "inventory", audit: str = "audit"
) -> dict[str, str]:
    """What template.yaml tells the functions, with its defaults."""
    return {
        "TOCSIN_STACK": stack,
        "ENVIRONMENT": "production",
        "PAUSED": "no",
        "NOTIFICATIONS_TABLE": table,
        "CHANNEL_PREFIX": f"/{stack}/channels",
        "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts",
        "INVENTORY_TABLE": inventory,
        "AUDIT_TABLE": audit,
        "FALLBACK_EMAIL": "",
        "ENDPOINTS_PARAMETER": f"/{stack}/sources/tls",
        "READ_ACM": "yes",
        "READ_IAM_CERTIFICATES": "no",
        "READ_PRIVATE_CAS": "no",
        "READ_SECRET_ROTATIONS": "no",
        "READ_DOMAINS": "no",
        "RETENTION_DAYS": "90",
        "MAX_ATTEMPTS": "5",
        "BACKOFF_BASE_SECONDS": "60",
        "BACKOFF_CAP_SECONDS": "3600",
        "BACKOFF_JITTER": "0",
        "MISSING_CHANNEL_ACTION": "sent",
        "PENDING_GRACE_SECONDS": "120",
        "CLAIM_MARGIN_SECONDS": "330",
        "THROTTLE_BUDGET_HOURS": "24",
        "ALLOWED_PRIVATE_RANGES": "",
        "ALLOWED_RECIPIENT_DOMAINS": "",
        "ALLOWED_WEBHOOK_HOSTS": "",
        "ALLOW_PLAIN_HTTP": "no",
        "LINK_BASE_URL": "",
        "CONFIGURATION_SET": "",
        "APPRISE_FUNCTION": f"{stack}-apprise",
        "WIDGET_LOOK": f"arn:aws:lambda:us-east-1:123456789012:function:customWidget-{stack}:live",
        "WIDGET_ACT": f"arn:aws:lambda:us-east-1:123456789012:function:customWidget-{stack}-act:live",
        "HEARTBEAT_PARAMETER": "",
        "EVENT_BUS": stack,
        "RETRY_BUDGETS": "",
        "REQUEUE_RATE": "100",
        "POWERTOOLS_SERVICE_NAME": stack,
        "POWERTOOLS_METRICS_NAMESPACE": "Tocsin",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "tocsintests",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def forget_wiring() -> None:
    """Make bootstrap wire anew, as a cold start does."""
    wired = (resources, delivery, heartbeat, inventory, renewals, requeueing, trial)
    for made in (made for module in wired for made in vars(module).values()):
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def sample(name: str) -> dict[str, Any]:
    """Read an event of events/."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> set[str]:
        """Name the fields that a problem complains of."""
        return {error["field"] for error in self.json.get("errors", [])}


def call(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None, **event: Any) -> Answer:
    """Send one request, as API Gateway hands it on. `body` is sent as JSON, or as it is if it is text."""
    raw = body if isinstance(body, str) or body is None else json.dumps(body)
    sent = {"content-type": "application/json"} if raw is not None and headers is None else dict(headers or {})
    return answer_of(handler("api")(_event(method, url, raw, sent) | event, Context()))


def answer_of(returned: Mapping[str, Any]) -> Answer:
    """Read what the handler returned, as strictly as API Gateway does: a body that is no text is a 502 there."""
    assert isinstance(returned["body"], str), returned["body"]
    headers = {name.lower(): values[0] for name, values in returned.get("multiValueHeaders", {}).items()}
    headers |= {name.lower(): value for name, value in (returned.get("headers") or {}).items()}
    return Answer(returned["statusCode"], headers, returned["body"])


def _event(method: str, url: str, body: str | None, headers: Mapping[str, str]) -> dict[str, Any]:
    """Make an event of what API Gateway's looks like in events/."""
    split = urlsplit(url)
    query = parse_qsl(split.query, keep_blank_values=True)
    many: dict[str, list[str]] = {}
    for name, value in query:
        many.setdefault(name, []).append(value)
    event = sample("api_create")
    event["requestContext"] |= {"httpMethod": method, "path": f"/live{split.path}", "resourcePath": split.path}
    return event | {
        "resource": split.path,
        "path": split.path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": many or None,
        "body": body,
    }


@contextmanager
def wired(endpoint: str) -> Iterator[Store]:
    """Let the functions of this process work on fresh tables."""
    with a_store(endpoint) as fresh, pytest.MonkeyPatch.context() as patch:
        notifications, inventory, audit = (fresh.names[table] for table in ("Notifications", "Inventory", "Audit"))
        stack = f"stack-{notifications[-12:]}"
        for name, value in environment(stack, notifications, endpoint, inventory, audit).items():
            patch.setenv(name, value)
        forget_wiring()
        yield fresh
        forget_wiring()
