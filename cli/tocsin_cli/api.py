"""The stack's HTTP API, signed with the operator's own credentials (SigV4)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from tocsin_cli.connection import Connection, NotFoundStackError

_TIMEOUT = urllib3.Timeout(connect=5, read=35)  # seconds; API Gateway gives up after 29
_UNAUTHORIZED = 403


class ApiError(Exception):
    """The API refused, or could not answer."""

    def __init__(self, status: int, detail: str, errors: tuple[Mapping[str, str], ...] = ()) -> None:
        """Take the HTTP status and what RFC 9457's problem said; `errors` names fields."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors


@dataclass(frozen=True)
class Api:
    """One stack's API."""

    connection: Connection

    def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401 - JSON is what it is
        """Read what is at `path` below /api/v1; what is null in `query` is left out. Raises ApiError."""
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON is what it is
        """Do what is at `path` below /api/v1. Raises ApiError."""
        return self.call("POST", path, body=body)

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - values of a query
        """Give all items of a list, page after page; a page may be empty and still have a next one."""
        cursor: str | None = None
        while True:
            found = self.get(path, **query, cursor=cursor)
            yield from found["items"]
            if (cursor := found.get("next_cursor")) is None:
                return

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON is what it is
        """Send one signed request; raise ApiError for what is no 2xx, and where nothing answers."""
        asked = {name: _written(value) for name, value in (query or {}).items() if value is not None}
        url = f"{self.connection.api_url}/api/v1{path}" + (f"?{urlencode(asked)}" if asked else "")
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if data is not None else {})
        request = AWSRequest(method, url, headers, data)
        credentials = self.connection.session.get_credentials()
        if credentials is None:
            raise NotFoundStackError("No AWS credentials were found: set a profile, or sign in.")
        SigV4Auth(credentials, "execute-api", self.connection.session.region_name).add_auth(request)
        try:
            answer = urllib3.request(
                method, url, body=data, headers=dict(request.headers), timeout=_TIMEOUT, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{self.connection.api_url} does not answer: {error}") from None
        return _read(answer)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(answer: urllib3.BaseHTTPResponse) -> Any:  # noqa: ANN401 - JSON is what it is
    is_json = "json" in answer.headers.get("Content-Type", "")
    said = json.loads(answer.data) if is_json and answer.data else answer.data.decode(errors="replace")
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the 2xx
        return said
    if not isinstance(said, dict):
        raise ApiError(answer.status, str(said) or f"HTTP {answer.status}")
    detail = said.get("detail") or said.get("message") or said.get("Message") or f"HTTP {answer.status}"
    raise ApiError(answer.status, str(detail), tuple(said.get("errors") or ()))
