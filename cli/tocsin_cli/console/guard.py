"""Who may ask the console anything: the page that it served itself, opened by the link that it printed.

The console acts with the operator's credentials, and any page that the operator has open can send requests to this
machine. Four things are therefore asked, each of which stops something that the others let pass:

- `Host` is ours: a foreign name that was made to resolve to 127.0.0.1 (DNS rebinding) is told by it.
- `Origin` and `Sec-Fetch-Site` are ours: a foreign page can't change what the browser writes there.
- The session's cookie (`SameSite=Strict`, `HttpOnly`): it proves the browser that opened the link.
- The session's token in a header: cookies of 127.0.0.1 go to every port of it, so to other users' servers too; the
  token is kept by origin, port included. A form can't send a header, and another origin may not (there is no CORS).

Whoever can read this user's files or memory can do all that the user can: against that nothing here helps.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/api/"
SESSION = "/api/session"
"""Where the link's token is exchanged for the session's two: the one path below /api/ without them."""
TOKEN_HEADER = "X-Tocsin-Token"  # noqa: S105 - the header's name
LARGEST = 512_000
"""Bytes of a request: parameters and form fields."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer. Nothing of another origin is loaded, run or sent to; nothing is kept; nobody frames the page.

Styles may stand in a widget's HTML, as CloudWatch lets them: they can't load anything either.
"""


def _random() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Secrets:
    """What one start of the console knows and nobody else: 32 random bytes each."""

    link: str = field(default_factory=_random, repr=False)
    cookie: str = field(default_factory=_random, repr=False)
    header: str = field(default_factory=_random, repr=False)


@dataclass(frozen=True)
class Guard:
    """An ASGI middleware that lets pass what the console's own page asks."""

    app: ASGIApp
    secrets: Secrets
    port: int

    @property
    def cookie_name(self) -> str:
        """Name the cookie: two consoles on one machine have one each."""
        return f"tocsin-console-{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the reason, or hand on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, dressed)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        for status, why in self._objections(scope["method"], scope["path"], headers):
            return JSONResponse({"title": "Refused", "detail": why}, status)
        return None

    def _objections(self, method: str, path: str, headers: Headers) -> Iterable[tuple[HTTPStatus, str]]:
        """Give what is wrong with a request, worst first."""
        hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        host = headers.get("host", "")
        if host not in hosts:
            yield HTTPStatus.MISDIRECTED_REQUEST, "This is not the console's address."
        acts = method not in {"GET", "HEAD"}
        origin = headers.get("origin")
        if (acts or origin is not None) and origin != f"http://{host}":
            yield HTTPStatus.FORBIDDEN, "The request comes from another page."
        is_ours = path.startswith(API)
        if (acts or is_ours) and headers.get("sec-fetch-site", "same-origin") != "same-origin":
            yield HTTPStatus.FORBIDDEN, "The request comes from another page."
        if acts:
            yield from _form_objections(headers)
        if is_ours and path != SESSION and not self._is_known(headers):
            yield HTTPStatus.UNAUTHORIZED, "The console was started anew: open the link that its terminal shows."

    def _is_known(self, headers: Headers) -> bool:
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie_name, "")
        has_cookie = same(cookie, self.secrets.cookie)
        return has_cookie and same(headers.get(TOKEN_HEADER, ""), self.secrets.header)


def _form_objections(headers: Headers) -> Iterable[tuple[HTTPStatus, str]]:
    """Give what a form of another page can't avoid: it sends no JSON. And a size that no page of ours sends."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only JSON is understood."
    length = headers.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        yield HTTPStatus.LENGTH_REQUIRED, "The request does not say how long it is."
    elif int(length) > LARGEST:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The request has more than {LARGEST} bytes."


def same(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), wanted.encode())
