"""An HTTP API on loopback that answers what a test has recorded, and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from click.testing import CliRunner, Result

from local.loopback import HOST
from tocsin_cli.main import main

ID = "01JZ8W3T5N6V0QJ4X2M7C9K1RB"
OTHER = "01JZ8W3T5N6V0QJ4X2M7C9K1RC"
RENEWAL = "01JZ8W3T5N6V0QJ4X2M7C9K1JB"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "a secret key",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}
REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

AGENT = {
    "name": "web-1",
    "first_seen_at": "2026-03-01T12:00:00Z",
    "last_report_at": "2026-03-02T12:00:00Z",
    "period_seconds": 3600,
    "certificates": 2,
    "problem_count": 1,
    "reported_by": "arn:aws:sts::123456789012:assumed-role/web/i-0abc",
    "version": "0.4.0",
    "silent_since": "2026-03-02T14:00:00Z",
}
"""An agent as a list of the API shows it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    pairs: tuple[tuple[str, str], ...] = ()
    """The whole query: of what is said twice `query` has the last."""
    if_match: str | None = None

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class RecordedApi:
    """What is answered, and what was asked. An answer that is a list is given one after the other."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    """By `GET /notifications`: the body, or the status and the body, or a list of these."""
    asked: list[Asked] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [one.line for one in self.asked]

    def environment(self, **others: str) -> dict[str, str]:
        return CREDENTIALS | {"TOCSIN_API_URL": self.url} | others

    def run(self, *arguments: str, typed: str | None = None, **environment: str) -> Result:
        """Run `tocsin` in this process, its output in a pipe."""
        told = {
            **dict.fromkeys(("AWS_PROFILE", "AWS_ENDPOINT_URL", "TOCSIN_STACK", "TOCSIN_URL")),
            **self.environment(),
        }
        return CliRunner().invoke(main, arguments, input=typed, env=told | environment)

    def next_answer(self, line: str) -> tuple[int, Any]:
        """Give what is recorded for a request; what is not is 404."""
        found = self.answers.get(line, (404, {"status": 404, "detail": f"There is no {line}."}))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, tuple) else (200, found)


@contextmanager
def recorded_api() -> Iterator[RecordedApi]:
    """Listen on loopback for as long as the block runs."""
    api = RecordedApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = url.path.removeprefix("/live/api/v1")
            pairs = tuple(parse_qsl(url.query))
            asked = Asked(self.command, path, dict(pairs), json.loads(raw) if raw else None, pairs)
            api.asked.append(replace(asked, if_match=self.headers.get("If-Match")))
            status, said = api.next_answer(f"{self.command} {path}")
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-amzn-RequestId", REQUEST_ID)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        api.url = f"http://{HOST}:{server.server_port}/live"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def a_notification(**said: Any) -> dict[str, Any]:
    """Give a dead letter as the API shows it."""
    row: dict[str, Any] = {
        "id": ID,
        "type": "Custom:disk",
        "channel": "Webhook",
        "recipient": "https://hooks.example.com/ops",
        "subject": "[Tocsin] Custom:disk",
        "message": "The disk is full.",
        "severity": "warning",
        "certificate_id": None,
        "created_by": "arn:aws:sts::123456789012:assumed-role/monitoring/nightly",
        "status": "dead",
        "outcome": None,
        "retry_count": 4,
        "max_attempts": 5,
        "next_retry_at": None,
        "last_error": "HTTP 503: down for maintenance",
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:15:00Z",
        "sent_at": None,
        "read_at": None,
        "complained_at": None,
        "act": "trigger",
        "about": None,
        "resolved_by": None,
        "fallback": None,
        "fallback_of": None,
        "fell_back_to": None,
        "deferred": None,
        "attempts": [],
    }
    assert said.keys() <= row.keys()
    return row | said


def a_job(**said: Any) -> dict[str, Any]:
    """Give a bulk requeue as the API shows it."""
    job: dict[str, Any] = {
        "id": "01JZ8W3T5N6V0QJ4X2M7C9K1JB",
        "state": "queued",
        "created_at": "2026-03-01T12:00:00Z",
        "created_by": "arn:aws:iam::123456789012:user/kim",
        "reason": "the receiver is back",
        "selection": {"ids": None, "filters": {"channel": "Webhook"}},
        "expected": 300,
        "is_exact": True,
        "requeued": 0,
        "superseded": 0,
        "passed_over": 0,
        "updated_at": "2026-03-01T12:00:00Z",
        "started_at": None,
        "finished_at": None,
        "last_error": None,
    }
    assert said.keys() <= job.keys()
    return job | said


def a_page(*rows: Any, next_cursor: str | None = None) -> dict[str, Any]:
    """Give a page of a list."""
    return {"items": list(rows), "next_cursor": next_cursor}


def a_renewal(**fields: Any) -> dict[str, Any]:
    """Make a renewal job as the API shows it."""
    boring = {
        "id": RENEWAL,
        "certificate_id": "01JZ8W3T5N6V0QJ4X2M7C9K1CE",
        "common_name": "shop.example.com",
        "expires_at": "2026-04-15T12:00:00Z",
        "state": "requested",
        "requested_at": "2026-03-01T12:00:00Z",
        "requested_by": "arn:aws:sts::123456789012:assumed-role/ops/ann",
        "reason": "the key has leaked",
        "deadline": "2026-03-02T12:00:00Z",
        "attempts": 1,
        "started_at": None,
        "finished_at": None,
        "finished_by": "",
        "next_hand_off_at": None,
        "last_report": "",
        "reported_identity": "",
        "updated_at": "2026-03-01T12:00:00Z",
        "version": 1,
    }
    return boring | fields
