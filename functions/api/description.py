"""The description of this API (OpenAPI 3.1): what Powertools reads off the routes, made whole.

Powertools knows routes, parameters and bodies. It doesn't know which errors occur, what the gateway answers, how a
request is signed and where the API is: these are added here, once, by what an operation is. Loaded for one route only.
"""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from operations import HEADERS, IDS, OPERATIONS, PARAMETERS, TAGS, Operation
from problems import BODY_LIMIT

PREFIX = "/api/v1"
TITLE = "Tocsin"
VERSION = "1"
ABOUT = "Alert delivery that never silently drops an alert. Errors are problems (RFC 9457); what the gateway itself "
ABOUT += "refuses has a `message`. Every request is signed with SigV4 for the service `execute-api`."
PROBLEM = "application/problem+json"

Node = dict[str, Any]

ANYWHERE: Node = {
    "url": "https://{host}/{stage}",
    "description": "The output `ApiUrl` of the stack, or a custom domain and what it is mapped to.",
    "variables": {
        "host": {"default": "abc123.execute-api.us-east-1.amazonaws.com", "description": "The API's host."},
        "stage": {"default": "live", "description": "The stage."},
    },
}
"""The server, where no request says which."""

SCHEMAS: Node = {
    "Problem": {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "const": "about:blank"},
            "title": {"type": "string", "description": "The status in words."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "description": "Which fields are wrong: the first hundred.",
                "minItems": 1,
                "maxItems": 100,
                "items": {
                    "type": "object",
                    "required": ["field", "detail"],
                    "properties": {
                        "field": {"type": "string", "description": "Such as `fallback.recipient`, or `If-Match`."},
                        "detail": {"type": "string"},
                    },
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
        "examples": [
            {
                "type": "about:blank",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "limit: Input should be greater than or equal to 1",
                "errors": [{"field": "limit", "detail": "Input should be greater than or equal to 1"}],
            }
        ],
    },
    "GatewayError": {
        "type": "object",
        "description": "What API Gateway itself answers.",
        "properties": {"message": {"type": ["string", "null"]}, "Message": {"type": "string"}},
    },
}


def _problem(status: HTTPStatus, description: str, *headers: str, gateway: bool = False) -> Node:
    """Describe an error of the API; `gateway`: API Gateway answers with this status as well."""
    content = {PROBLEM: {"schema": _ref("schemas", "Problem")}}
    if gateway:
        content["application/json"] = {"schema": _ref("schemas", "GatewayError")}
    return {"description": f"{status.phrase}: {description}", "content": content} | _headers(*headers)


def _gateway(description: str) -> Node:
    return {
        "description": description,
        "content": {"application/json": {"schema": _ref("schemas", "GatewayError")}},
    }


def _headers(*names: str) -> Node:
    return {"headers": {name: _ref("headers", name) for name in names}} if names else {}


def _ref(kind: str, name: str) -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}


ERRORS: dict[str, Node] = {
    "400": _problem(
        HTTPStatus.BAD_REQUEST,
        "JSON that can't be read, a `Content-Type` that is not `application/json`, or a cursor that can't be used.",
    ),
    "403": _gateway("Forbidden: not signed, not allowed, or no such path. The gateway says so."),
    "404": _problem(HTTPStatus.NOT_FOUND, "nothing has this id."),
    "412": _problem(HTTPStatus.PRECONDITION_FAILED, "it has changed since the version in `If-Match`."),
    "413": _problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {BODY_LIMIT:,} characters.", gateway=True
    ),
    "422": _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "a field or parameter is wrong; `errors` names which."),
    "428": _problem(HTTPStatus.PRECONDITION_REQUIRED, "`If-Match` is missing."),
    "429": _gateway("Too Many Requests: more than the gateway lets through. Try again later."),
    "500": _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of Tocsin; its log says more.", gateway=True),
    "502": _gateway("Bad Gateway: the function crashed, or could not start."),
    "503": _problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "the storage, or the function that sends, did not answer.", "Retry-After"
    ),
    "504": _gateway("Gateway Timeout: no answer within 29 seconds."),
}
"""What may go wrong, by status. Which of them an operation may answer, says `_errors`."""


def document(app: APIGatewayRestResolver, server: str | None = None) -> Node:
    """Describe all routes that `app` has; `server` is the URL before /api/v1, null: any stack's."""
    whole: Node = json.loads(app.get_openapi_json_schema(title=TITLE, version=VERSION, description=ABOUT))
    texts = {(route.method.lower(), route.openapi_path): getdoc(route.func) or "" for route in _routes(app)}
    for path, methods in whole["paths"].items():
        for method, found in methods.items():
            short = path.removeprefix(PREFIX)
            _complete(found, OPERATIONS[f"{method.upper()} {short}"], short, texts[method, path])
    schemas = whole["components"]["schemas"]
    for ours in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(ours, None)
    _tidy(whole)
    used = {operation["tags"][0] for methods in whole["paths"].values() for operation in methods.values()}
    return {
        "openapi": whole["openapi"],
        "info": whole["info"] | {"license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": server}] if server else [ANYWHERE],
        "security": [{"sigv4": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": {path: whole["paths"][path] for path in sorted(whole["paths"])},
        "components": {
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "description": "AWS Signature Version 4 for the service `execute-api`.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
            "headers": HEADERS,
            "responses": {f"E{status}": error for status, error in ERRORS.items()},
            "schemas": dict(sorted((schemas | SCHEMAS).items())),
        },
    }


def server_of(event: Mapping[str, Any]) -> str | None:
    """Say where a request was sent: the stage's URL, or a custom domain with what it is mapped to; null: it says not.

    Source: API Gateway developer guide, "$context": `domainName`, and `path`, which has the stage or the mapping.
    """
    context = event.get("requestContext") or {}
    host, path = context.get("domainName"), context.get("path") or ""
    return f"https://{host}{path.partition(PREFIX)[0]}" if host else None


def _routes(app: APIGatewayRestResolver) -> Iterator[Any]:
    # Powertools takes a route's docstring into no part of the description, and hands its routes out by no other name.
    yield from app._static_routes  # noqa: SLF001 - see above
    yield from app._dynamic_routes  # noqa: SLF001 - see above


def _complete(found: Node, known: Operation, path: str, text: str) -> None:
    """Add to an operation what its route doesn't say."""
    found |= {"operationId": known.id, "tags": [known.tag], "summary": known.summary, "description": text}
    for parameter in found.get("parameters", ()):
        _complete_parameter(parameter, path)
    if body := found.get("requestBody"):
        _complete_body(body, known)
    success = _success(found, known)
    repeated = {"200": success | {"description": known.repeated}} if known.repeated else {}
    found["responses"] = repeated | {str(known.status.value): success} | _errors(found, known, path)


def _complete_parameter(parameter: Node, path: str) -> None:
    place = parameter["in"]
    if place == "header":
        parameter["name"] = parameter["name"].title()
    parameter["schema"] = _without_null(parameter["schema"])
    if place == "path":
        parameter["schema"] = next(schema for start, schema in IDS.items() if path.startswith(start))
    if parameter["name"] == "If-Match":  # without it the answer is 428
        parameter["required"] = True
    name = parameter["name"]
    parameter["description"] = PARAMETERS.get(f"{name} in {place}") or PARAMETERS[name]


def _complete_body(body: Node, known: Operation) -> None:
    content = body["content"]["application/json"]
    content["schema"] = _without_null(content["schema"])  # left out, it may be; `null` is no JSON object
    if known.examples:
        content["examples"] = {name: {"value": value} for name, value in known.examples.items()}


def _without_null(schema: Node) -> Node:
    """Give the schema of what is there, where Powertools describes that it may be left out by a null."""
    others = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return others[0] | rest if len(others) == 1 else schema


def _success(found: Node, known: Operation) -> Node:
    read: Node = next((one for status, one in found["responses"].items() if status.startswith("2")), {})
    content = next(iter(read.get("content", {}).values()), {"schema": {"type": "string"}})
    made = {"description": read.get("description", ""), **_headers(*known.headers)}
    if made["description"] in ("", "Successful Response"):
        made["description"] = known.status.phrase
    if known.status is HTTPStatus.NO_CONTENT:
        return made
    return made | {"content": {known.kind: content}}


def _errors(found: Node, known: Operation, path: str) -> Node:
    """Say which errors an operation may answer with, by what it is. The one place that decides."""
    parameters = {parameter["name"] for parameter in found.get("parameters", ())}
    checked = any(parameter["in"] != "path" for parameter in found.get("parameters", ())) or "{name}" in path
    may = {
        "400": "requestBody" in found or "cursor" in parameters,
        "403": True,
        "404": "{" in path,
        "412": "If-Match" in parameters,
        "413": "requestBody" in found,
        "422": "requestBody" in found or checked,
        "428": "If-Match" in parameters,
        "429": True,
        "500": True,
        "502": True,
        "503": True,
        "504": True,
    }
    errors = {status: _ref("responses", f"E{status}") for status, does in may.items() if does}
    if known.conflict:
        errors["409"] = _problem(HTTPStatus.CONFLICT, known.conflict)
    if known.asks:
        errors["504"] = _problem(HTTPStatus.GATEWAY_TIMEOUT, "the function that sends did not answer.", gateway=True)
    return dict(sorted(errors.items()))


def _tidy(node: object) -> None:
    """Drop the titles that pydantic makes of names, and write whole numbers as such."""
    if isinstance(node, list):
        for one in node:
            _tidy(one)
    elif isinstance(node, dict):
        if isinstance(node.get("title"), str) and (
            "type" in node or "anyOf" in node or "$ref" in node or "allOf" in node
        ):
            del node["title"]
        for name, value in node.items():
            if name in ("minimum", "maximum") and isinstance(value, float) and value.is_integer():
                node[name] = int(value)
            _tidy(value)
