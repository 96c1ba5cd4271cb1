"""The stack's HTTP API, signed with the operator's own credentials (SigV4)."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tocsin_cli.connection import Connection, NotFoundStackError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest, AWSResponse
    from botocore.httpsession import URLLib3Session

_CONNECT_SECONDS, _READ_SECONDS = 5, 35
"""API Gateway gives up after 29."""
_PAUSES = (0.5, 2.0)
"""Seconds before a read is tried again."""
_AGAIN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
"""What a read is tried again after. A change never is: it may have happened."""
UNANSWERED = 0
"""The status of an ApiError where nothing answered."""


class ApiError(Exception):
    """The API refused, or could not answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[Mapping[str, str], ...] = (),
        request_id: str | None = None,
    ) -> None:
        """Take the HTTP status and what RFC 9457's problem said; `errors` names fields.

        `request_id` is API Gateway's: the lines that the API logs carry it.
        """
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.request_id = request_id


@dataclass(frozen=True)
class Api:
    """One stack's API."""

    connection: Connection

    def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401 - JSON is what it is
        """Read what is at `path` below /api/v1. Raises ApiError.

        What is null in `query` is left out; of a list each is said.
        """
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON is what it is
        """Do what is at `path` below /api/v1. Raises ApiError."""
        return self.call("POST", path, body=body)

    def delete(self, path: str, version: int) -> None:
        """Delete what is at `path` below /api/v1, if this is still its version. Raises ApiError."""
        self.call("DELETE", path, if_match=f'"{version}"')

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
        if_match: str | None = None,
    ) -> Any:  # noqa: ANN401 - JSON is what it is
        """Send one signed request; raise ApiError for what is no 2xx, and where nothing answers.

        A read is tried three times, where the API could not answer just then. A change is sent once.
        """
        asked = [
            (name, _written(one))
            for name, value in (query or {}).items()
            for one in (value if isinstance(value, list | tuple) else [value])
            if one is not None
        ]
        url = f"{self.connection.api_url}/api/v1{path}" + (f"?{urlencode(asked, quote_via=quote)}" if asked else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"If-Match": if_match} if if_match else {}
        for pause in _PAUSES if method == "GET" else ():
            try:
                return self._sent(method, url, data, headers)
            except ApiError as error:
                if error.status not in (UNANSWERED, *_AGAIN):
                    raise
            time.sleep(pause)
        return self._sent(method, url, data, headers)

    @cached_property
    def _http(self) -> "URLLib3Session":
        """Open connections as botocore's clients do: by the proxy and with the CA bundle that the operator has set."""
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415 - an import that help must not pay for
        from botocore.utils import get_environ_proxies  # noqa: PLC0415 - the same

        bundle = self.connection.session._session.get_config_variable("ca_bundle")  # noqa: SLF001 - boto3 shows no other way to it
        return URLLib3Session(
            verify=bundle or True,
            proxies=get_environ_proxies(self.connection.api_url),
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),  # type: ignore[arg-type]  # its stub knows one number only
        )

    def _sent(self, method: str, url: str, data: bytes | None, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON is what it is
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - an import that help must not pay for

        request = self._signed(method, url, data, headers)
        try:
            return _read(self._http.send(request.prepare()))
        except BotoCoreError as error:
            raise ApiError(UNANSWERED, f"{self.connection.api_url} does not answer: {error}") from None

    def _signed(self, method: str, url: str, data: bytes | None, more: Mapping[str, str]) -> "AWSRequest":
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - an import that help must not pay for
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - the same
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - the same

        headers = {"Accept": "application/json", **more}
        headers |= {"Content-Type": "application/json"} if data is not None else {}
        request = AWSRequest(method, url, headers, data)
        try:
            credentials = self.connection.session.get_credentials()
            if credentials is None:
                raise NotFoundStackError("No AWS credentials were found: set a profile, or sign in.")
            frozen = credentials.get_frozen_credentials()
        except BotoCoreError as error:  # such as a sign-in that is over
            raise NotFoundStackError(f"There are no credentials: {error}") from None
        SigV4Auth(frozen, "execute-api", self.connection.region_name).add_auth(request)
        return request


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(answer: "AWSResponse") -> Any:  # noqa: ANN401 - JSON is what it is
    said = _content(answer)
    if HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
        return said
    request_id = answer.headers.get("x-amzn-requestid")
    if not isinstance(said, dict):
        raise ApiError(answer.status_code, str(said or f"HTTP {answer.status_code}"), request_id=request_id)
    detail = said.get("detail") or said.get("message") or said.get("Message") or f"HTTP {answer.status_code}"
    raise ApiError(answer.status_code, str(detail), tuple(said.get("errors") or ()), request_id)


def _content(answer: "AWSResponse") -> Any:  # noqa: ANN401 - JSON is what it is
    """Read an answer's body; what stands in the way of the API (a proxy, a portal) may answer anything."""
    text = answer.content.decode(errors="replace")
    if "json" not in answer.headers.get("content-type", "") or not text:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise ApiError(answer.status_code, f"The answer is no JSON: {text[:200]}") from None
