"""The story's webhook receiver: it answers as it is told, or does not listen at all."""

import json
import random
import threading
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.loopback import HOST, listens

PORTS = range(20_000, 30_000)
"""Below those that the system gives to outgoing connections: nobody takes the port while the receiver is away."""
ALWAYS_DOWN = "/down"
"""The path that is refused whatever the receiver's mood."""
GONE, SLACK = "/gone", "/services/T0/B0/slack"
"""The paths of a receiver that is no more, and of what answers as Slack does."""


@dataclass(frozen=True)
class Received:
    """A request, and the status that it was answered with."""

    headers: Message
    body: bytes
    status: HTTPStatus

    @property
    def about(self) -> str:
        """The notification's id, as the body says it."""
        return str(json.loads(self.body)["data"]["id"])


class Hook:
    """A receiver on loopback, in threads of its own until it is closed. It begins by answering 503."""

    def __init__(self) -> None:
        """Listen."""
        self.received: list[Received] = []
        """Webhooks, but for those to the two others."""
        self.messages: list[bytes] = []
        """What Slack has taken."""
        self.is_revoked = True
        """Whether Slack refuses everything."""
        self._address = (HOST, next(port for port in random.sample(PORTS, 100) if not listens(port)))
        self._server: ThreadingHTTPServer | None = None
        self.answer(HTTPStatus.SERVICE_UNAVAILABLE)

    @property
    def mood(self) -> str:
        """What it does with a request now."""
        return f"answers {self.status.value}" if self._server else "refuses connections"

    def url(self, path: str = "/hook") -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._address[1]}{path}"

    def answer(self, status: HTTPStatus) -> None:
        """Give this status to every request from now on."""
        self.status, hook = status, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == GONE:
                    return self._say(HTTPStatus.GONE)
                if self.path == SLACK:
                    return self._slack(body)
                status = HTTPStatus.SERVICE_UNAVAILABLE if self.path == ALWAYS_DOWN else hook.status
                hook.received.append(Received(self.headers, body, status))
                self._say(status, b"down for maintenance" if status == HTTPStatus.SERVICE_UNAVAILABLE else b"")
                return None

            def _slack(self, body: bytes) -> None:
                if hook.is_revoked:
                    return self._say(HTTPStatus.NOT_FOUND, b"no_service")
                hook.messages.append(body)
                return self._say(HTTPStatus.OK, b"ok")

            def _say(self, status: HTTPStatus, text: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        if self._server is None:
            self._server = ThreadingHTTPServer(self._address, Handler)
            threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()

    def close(self) -> None:
        """Refuse connections, as a host does on which the program is gone."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
