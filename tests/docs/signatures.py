"""A server that checks signatures as AWS does, which the embedded AWS does not: for what the documents send."""

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

from local.loopback import HOST

SECRET_KEY = "a secret key"
REGION = "eu-central-1"
ANSWER = b'{"id": "01JZ8W3T5N6V0QJ4X2M7C9K1RB", "status": "sent", "items": [], "next_cursor": null}'


@dataclass(slots=True)
class Gateway:
    """What came, as `GET /notifications`, and what was wrong with it."""

    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@contextmanager
def a_gateway() -> Iterator[Gateway]:
    """Listen on loopback for as long as the block runs."""
    seen = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlsplit(self.path).path.removeprefix("/live/api/v1")
            seen.requests.append((self.command, path))
            expected, given = self._signature(body), self.headers.get("Authorization", "").rpartition("Signature=")[2]
            if expected != given:
                seen.problems.append(f"{self.command} {self.path}: the signature does not match")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ANSWER)

        def _signature(self, body: bytes) -> str:
            """Sign what came by the rules of SigV4 (IAM user guide, "Create a signed AWS API request")."""
            url = urlsplit(self.path)
            signed = re.findall(r"SignedHeaders=([^,]+)", self.headers.get("Authorization", ""))[0]
            pairs = [pair.partition("=")[::2] for pair in url.query.split("&") if pair]
            encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
            headers = [f"{name}:{' '.join(self.headers[name].split())}\n" for name in signed.split(";")]
            canonical = "\n".join(
                [
                    self.command,
                    quote(url.path, safe="/-_.~"),
                    "&".join("=".join(pair) for pair in encoded),
                    "".join(headers),
                    signed,
                    hashlib.sha256(body).hexdigest(),
                ]
            )
            date = self.headers["X-Amz-Date"]
            scope = f"{date[:8]}/{REGION}/execute-api/aws4_request"
            text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
            key = f"AWS4{SECRET_KEY}".encode()
            for part in (*scope.split("/"), text):
                key = hmac.digest(key, part.encode(), "sha256")
            return key.hex()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    seen.url = f"http://{HOST}:{server.server_port}/live"
    thread = threading.Thread(target=server.serve_forever, name="gateway")
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _encoded(text: str) -> str:
    """Encode once, whatever it was before; a plus sign is a plus sign."""
    return quote(unquote(text), safe="-_.~")
