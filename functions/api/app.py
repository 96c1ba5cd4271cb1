"""The HTTP API: one route per operation, IAM-signed at the gateway. Statuses for errors are in `problems`."""

import json
import re
from functools import cache, partial
from importlib import import_module
from typing import Any

import problems
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types

from tocsin.bootstrap import resources

BASE_PATH = re.compile("^/(?!api/v1/).*?(?=/api/v1/)")
"""What a custom domain puts before the API's paths (API Gateway developer guide, "API mappings")."""

_FIRST_PART = re.compile("/api/v1/([a-z-]+)")

_NOTIFICATION = re.compile("/api/v1/notifications/([0-7][0-9A-HJKMNP-TV-Z]{25})")

# UTF-8 as it is: an umlaut is two bytes, its escape six, in a text that Lambda escapes once more.
app = APIGatewayRestResolver(
    enable_validation=True,
    serializer=partial(json.dumps, separators=(",", ":"), ensure_ascii=False),
    strip_prefixes=[BASE_PATH],
)
problems.handle_in(app)

ROUTES = {
    "notifications": "notifications",
    "dead-letter-groups": "notifications",
    "requeue-jobs": "requeue_jobs",
    "stats": "stats",
    "metrics": "stats",
    "channels": "channels",
    "certificates": "certificates",
    "issuers": "issuers",
    "renewal-policies": "policies",
    "renewal-jobs": "renewal_jobs",
    "policies": "rules",
    "owners": "contacts",
    "teams": "contacts",
    "audit-events": "audit_events",
    "sources": "sources",
    "agents": "agents",
}
"""Which module of `routes` answers what is below each first part of a path."""


@cache
def load(module: str) -> None:
    """Load some routes, when the first request asks for one of them: the others would be a fifth of its start."""
    app.include_router(import_module(f"routes.{module}").router, prefix="/api/v1")


def load_all() -> None:
    """Load every route, for the description."""
    for module in ROUTES.values():
        load(module)


load("notifications")


@app.get("/api/v1/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    """Describe this API, where it was asked."""
    from description import document, server_of  # noqa: PLC0415 - no other request needs it

    load_all()
    text = json.dumps(document(app, server_of(app.current_event.raw_event)), separators=(",", ":"))
    return Response(200, content_types.APPLICATION_JSON, text)


def _named(event: dict[str, Any]) -> dict[str, str]:
    """Give what the lines of a request carry: the id that its caller was answered with, and what it is about.

    Source: API Gateway developer guide, "$context.requestId"; the caller has it as the header x-amzn-RequestId.
    """
    named = {"api_request_id": str((event.get("requestContext") or {}).get("requestId") or "unknown")}
    about = _NOTIFICATION.search(event["path"])
    return named | ({"notification_id": about[1]} if about else {})


def handler(event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway (REST, proxy integration)."""
    resources.begin(context, **_named(event))
    if asked := _FIRST_PART.search(event["path"]):
        load(ROUTES.get(asked[1], "notifications"))
    try:
        return problems.at_the_door(event) or app.resolve(event, context)  # type: ignore[arg-type]  # Powertools asks for its own class of context
    finally:
        resources.finish()
