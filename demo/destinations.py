"""What the organisation's alerts go to, and the TLS endpoints that it watches, in a process of its own.

`make up DEMO=1` starts it in the background, so that a requeued alert arrives: `python -m demo.destinations DIRECTORY`.
It prints a line for each request: the answer, whom it came to, and the notification's id.
"""

import json
import socketserver
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from build.toolchain import ToolError, clean_environment
from demo.organisation import RECEIVERS, Answer
from local.background import Background
from local.loopback import HOST, free_port, listens
from local.receiver import shows

NAME = "destinations"
"""The process's, and its files': destinations.json says where they listen."""
PATIENCE = 10.0
"""Seconds that it may take to listen."""
NOBODY = 1
"""A port on which nothing ever listens."""
ANSWERS: Mapping[Answer, tuple[HTTPStatus, bytes]] = {
    Answer.WELL: (HTTPStatus.OK, b"ok"),  # what Slack says
    Answer.DOWN: (HTTPStatus.SERVICE_UNAVAILABLE, b"down for maintenance"),
    Answer.GONE: (HTTPStatus.GONE, b"no longer here"),
    Answer.REVOKED: (HTTPStatus.NOT_FOUND, b"no_service"),  # what Slack says of a URL that was revoked
}


@dataclass(frozen=True)
class Destinations:
    """Where they listen."""

    port: int
    """Of all webhooks, by path."""
    endpoints: Mapping[str, int]
    """The port of each TLS endpoint, by the name on its certificate."""

    @classmethod
    def read(cls, state_dir: Path) -> Self | None:
        """Give what was started with this state directory; null: nothing was."""
        with suppress(FileNotFoundError):
            return cls(**json.loads(_file(state_dir).read_text()))
        return None

    def url(self, channel: str) -> str:
        """Say where a channel's messages go."""
        answer = RECEIVERS[channel]
        port = NOBODY if answer is Answer.NOBODY else self.port
        return f"http://{HOST}:{port}{_path(channel)}"


def _file(state_dir: Path) -> Path:
    return state_dir / f"{NAME}.json"


def _pem(state_dir: Path, name: str) -> Path:
    return state_dir / f"{NAME}.{name}.pem"


def _path(channel: str) -> str:
    kind, _, name = channel.partition(":")
    return f"/services/T0HARBOUR/B0{name.upper()}/x" if kind == "Slack" else f"/{name}"


def started(state_dir: Path, certificates: Mapping[str, str]) -> Destinations:
    """Have them listen, unless they do; raise ToolError. `certificates` are PEM texts with their keys, by name.

    Where they were known before, they listen at the same ports with the same certificates again.
    """
    process = Background(NAME, state_dir)
    known = Destinations.read(state_dir)
    if known is None:
        known = Destinations(free_port(), {name: free_port() for name in certificates})
        for name, pem in certificates.items():
            path = _pem(state_dir, name)
            path.touch(mode=0o600)
            path.write_text(pem)
        _file(state_dir).write_text(json.dumps(asdict(known)))
    if process.pid() is None:
        process.start([sys.executable, "-m", "demo.destinations", state_dir.resolve()], clean_environment({}))
    deadline = time.monotonic() + PATIENCE
    while not all(map(listens, (known.port, *known.endpoints.values()))):
        if process.pid() is None or time.monotonic() > deadline:
            raise ToolError(f"The demo's receivers did not start. Their output is in {process.log}")
        time.sleep(0.05)
    return known


class _Handler(BaseHTTPRequestHandler):
    answers: Mapping[str, tuple[HTTPStatus, bytes]] = {
        _path(channel): ANSWERS[answer] for channel, answer in RECEIVERS.items() if answer in ANSWERS
    }

    def do_POST(self) -> None:
        """Answer as the path's owner does."""
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        status, text = self.answers.get(self.path, (HTTPStatus.NOT_FOUND, b"no such hook"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        print(status.value, self.path, self.headers.get("webhook-id", "-"), flush=True)

    def log_message(self, *_: object) -> None:
        """Print nothing else."""


class _Endpoint(socketserver.ThreadingTCPServer):
    """Shows a certificate to whoever connects."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, pem: Path) -> None:
        super().__init__((HOST, port), socketserver.BaseRequestHandler)
        self._shown = shows(str(pem))

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - socketserver's signature
        """Do the handshake, and hang up."""
        with suppress(OSError), self._shown.wrap_socket(request, server_side=True):
            pass


def main(arguments: list[str] | None = None) -> int:
    """Listen until it is ended."""
    (directory,) = sys.argv[1:] if arguments is None else arguments
    state_dir = Path(directory)
    known = Destinations.read(state_dir)
    if known is None:
        sys.stderr.write(f"{_file(state_dir)} is missing: make up DEMO=1\n")
        return 1
    servers: list[socketserver.BaseServer] = [ThreadingHTTPServer((HOST, known.port), _Handler)]
    servers += [_Endpoint(port, _pem(state_dir, name)) for name, port in known.endpoints.items()]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
