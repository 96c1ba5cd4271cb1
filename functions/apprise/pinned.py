"""What Apprise's plugins send goes through here: to the hosts of one service only, and nothing more after a refusal.

A plugin makes its addresses from parts of the operator's URL, opens connections of its own and follows redirects. So
this stands where `requests` takes a connection out of its pool, and looks at the host that will really be connected to.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO

import certifi
import requests.sessions
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from services import Service
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

AUTHORITIES = certifi.where()
"""Whose certificates are trusted; neither a plugin nor the environment chooses."""
BODY_LIMIT = 65_536
"""Bytes of an answer that a plugin gets to see. Those that matter have a few hundred."""
HTTPS_PORT = 443
REDIRECTS = range(300, 400)
"""RFC 9110, 15.4."""
REFUSALS_FROM = 300
"""Statuses from here on are no success."""


class ForbiddenError(RequestException):
    """A plugin asked for what is not allowed. Plugins take it for a failed request."""


@dataclass(slots=True)
class Try:
    """What is known of one try, as its requests go."""

    service: Service
    end: float
    """By time.monotonic()."""
    asked: bool = False
    """Whether a request was begun."""
    is_out: bool = False
    """Whether one may have reached the service."""
    is_forbidden: bool = False
    """Whether one was to go elsewhere."""
    status: int | None = None
    """What the latest request was answered; None: not yet."""
    retry_after: str | None = None
    """The header of that answer, as it came."""


CURRENT: ContextVar[Try | None] = ContextVar("try", default=None)
"""Apprise hands it on to the thread in which it calls a plugin."""


class PinnedAdapter(HTTPAdapter):
    """Sends to the hosts of the current try's service alone, and notes what came of it."""

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - requests has it so
        *_ignored: object,
        **_not_heard: object,
    ) -> Response:
        """Send one request, unless one before it was refused: no plugin tries again by itself.

        Timeouts, certificates and proxies are ours to say.
        """
        current = CURRENT.get()
        if current is None or (current.status or 0) >= REFUSALS_FROM:
            raise ForbiddenError(request=request)
        was_out = current.is_out
        current.asked, current.is_out, current.status = True, True, None
        left = current.end - time.monotonic()
        try:
            if left <= 0:
                raise ConnectTimeout(request=request)
            response = super().send(request, stream, (left, left), AUTHORITIES, None, {})
        except RequestException as error:
            current.is_out = was_out or not _is_unconnected(error)
            raise
        current.status = response.status_code
        current.retry_after = response.headers.get("Retry-After")
        if response.status_code in REDIRECTS:
            response.close()
            raise ForbiddenError(request=request)
        response.raw = _beginning(response.raw, current.end)
        return response

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str,  # noqa: FBT001 - requests has it so
        proxies: dict[str, str] | None = None,
        cert: str | tuple[str, str] | None = None,
    ) -> HTTPConnectionPool:
        """Take a connection, if it leads to one of the service's hosts."""
        pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        current = CURRENT.get()
        is_permitted = (
            current is not None
            and pool.scheme == "https"
            and pool.port == HTTPS_PORT
            and current.service.may_reach(pool.host)
        )
        if not is_permitted:
            if current is not None:
                current.is_forbidden = True
            raise ForbiddenError(request=request)
        return pool


def _is_unconnected(error: RequestException) -> bool:
    """Tell whether nothing can have gone out: no name, no connection, no TLS, or not ours to ask."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, ForbiddenError | ConnectTimeout | SSLError) or isinstance(cause, NewConnectionError)


def _beginning(body: BaseHTTPResponse, end: float) -> BytesIO:
    """Read BODY_LIMIT bytes at most, in half of the time that is left until `end`: a body may be endless, or drip."""
    read = bytearray()
    end -= (end - time.monotonic()) / 2
    try:
        while len(read) < BODY_LIMIT and time.monotonic() < end and (chunk := body.read1(BODY_LIMIT - len(read))):
            read += chunk
    except HTTPError:
        pass  # cut off, malformed or too slow: the plugin judges what came
    finally:
        body.close()
    return BytesIO(bytes(read))


def install() -> None:
    """Make every session of this process send by it: `requests` looks the name up whenever it makes one."""
    requests.sessions.HTTPAdapter = PinnedAdapter  # type: ignore[attr-defined]  # the name that it looks up there
