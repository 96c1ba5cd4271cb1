"""API Gateway in front of the API's handler, as WSGI: routes and signatures are checked, the handler is the real one."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request

from build.template import template
from tests.support.functions import Context, handler, sample

STAGE = "/live"
SIGNED = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature="
"""How a signed request's header begins. Here no signature is computed: on the embedded AWS and in an account it is."""

StartResponse = Callable[[str, list[tuple[str, str]]], object]


@cache
def _routes() -> dict[tuple[str, re.Pattern[str]], str]:
    """Give the template's routes: a method and a form of path, and its resource."""
    paths: Mapping[str, Mapping[str, object]] = template()["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"]
    return {
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path))): path
        for path, methods in paths.items()
        for method in methods
    }


def gateway(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer as the deployed API does: what is not signed or not routed never gets to the function."""
    request = Request(environ)
    path = environ["RAW_URI"].partition("?")[0] if "RAW_URI" in environ else request.path
    path = path.removeprefix(STAGE)
    resource = _resource(request.method, path)
    if resource is None or not request.headers.get("Authorization", "").startswith(SIGNED):
        return _answer(start_response, 403, {"Content-Type": "application/json"}, _REFUSAL)
    returned = handler("api")(_event(request, path, resource), Context())
    assert isinstance(returned["body"], str), "API Gateway answers 502 for a body that is no text"
    headers = {name: values[0] for name, values in (returned.get("multiValueHeaders") or {}).items()}
    headers |= returned.get("headers") or {}
    return _answer(start_response, returned["statusCode"], headers, returned["body"])


_REFUSAL = json.dumps({"message": "Missing Authentication Token"})
"""What API Gateway says of both (API Gateway developer guide, "Gateway response types")."""


def _resource(method: str, path: str) -> str | None:
    found = [resource for (verb, form), resource in _routes().items() if verb == method and form.fullmatch(path)]
    return min(found, key=lambda resource: resource.count("{"), default=None)


def _event(request: Request, path: str, resource: str) -> dict[str, Any]:
    headers = dict(request.headers.items())
    query = request.args.to_dict(flat=False)
    body = request.get_data().decode(errors="replace")
    event = sample("api_create")
    event["requestContext"] |= {"httpMethod": request.method, "path": f"{STAGE}{path}", "resourcePath": resource}
    return event | {
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "body": body or None,
    }


def _answer(start: StartResponse, status: int, headers: Mapping[str, Any], body: str) -> Iterable[bytes]:
    phrase = HTTPStatus(status).phrase
    start(f"{status} {phrase}", [(name, str(value)) for name, value in headers.items()])
    return [body.encode()]
