"""API Gateway in front of the API's handler: routes and signatures are looked at, and the handler is the real one."""

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from build.template import template
from tests.support.functions import Context, handler, sample

STAGE = "/live"
_SIGNED = re.compile(
    "AWS4-HMAC-SHA256 Credential=[^ ]+/execute-api/aws4_request, SignedHeaders=[^ ]+, Signature=[0-9a-f]+"
)
_REFUSAL = json.dumps({"message": "Missing Authentication Token"})
"""What API Gateway says of both (API Gateway developer guide, "Gateway response types")."""

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class _Quiet(WSGIRequestHandler):
    """Keeps the path as it was sent, as API Gateway does; logs nothing."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug calls it so
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """Serve the API on loopback; gives the URL of its stage."""
    server = make_server("127.0.0.1", 0, gateway, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name="gateway")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}{STAGE}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def gateway(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer as the deployed API does: what is not signed or not routed never gets to the function.

    A signature's form is looked at, not its sum: that is verified on the embedded AWS, and in an account.
    """
    request = Request(environ)
    request.get_data()  # what is refused is read as well: a client that still writes would wait for ever
    path = str(environ["REQUEST_URI"]).partition("?")[0].removeprefix(STAGE)
    resource = _resource(request.method, path)
    if resource is None or not _SIGNED.fullmatch(request.headers.get("Authorization", "")):
        return _answer(start_response, 403, {"Content-Type": "application/json"}, _REFUSAL)
    returned = handler("api")(_event(request, path, resource), Context())
    assert isinstance(returned["body"], str), "API Gateway answers 502 for a body that is no text"
    headers = {name: values[0] for name, values in (returned.get("multiValueHeaders") or {}).items()}
    headers |= returned.get("headers") or {}
    return _answer(start_response, returned["statusCode"], headers, returned["body"])


@cache
def _routes() -> list[tuple[re.Pattern[str], str, frozenset[str]]]:
    """Give the template's routes: the form of each path, its resource, and its methods."""
    paths: Mapping[str, Mapping[str, object]] = template()["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"]
    return [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path, frozenset(map(str.upper, methods)))
        for path, methods in paths.items()
    ]


def _resource(method: str, path: str) -> str | None:
    """Find the resource of a path: one that is written out goes before one with a parameter, whatever its methods."""
    found = [(resource, methods) for form, resource, methods in _routes() if form.fullmatch(path)]
    resource, methods = min(found, key=lambda one: one[0].count("{"), default=("", frozenset()))
    return resource if method in methods else None


def _event(request: Request, path: str, resource: str) -> dict[str, Any]:
    headers = dict(request.headers.items())
    query = request.args.to_dict(flat=False)
    event = sample("api_create")
    event["requestContext"] |= {
        "domainName": request.host,
        "httpMethod": request.method,
        "path": f"{STAGE}{path}",
        "resourcePath": resource,
    }
    return event | {
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "body": request.get_data().decode(errors="replace") or None,
    }


def _answer(start: StartResponse, status: int, headers: Mapping[str, Any], body: str) -> Iterable[bytes]:
    raw = body.encode()
    sent = [(name, str(value)) for name, value in headers.items()]
    start(f"{status} {HTTPStatus(status).phrase}", [*sent, ("Content-Length", str(len(raw)))])
    return [raw]
