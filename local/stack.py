"""The running stack as an operator's program sees it: where it is, with which credentials, and its signed API."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON is what it is
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Stack:
    """A deployed stack in an embedded AWS, and the key to it."""

    name: str
    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str
    api_url: str
    outputs: Mapping[str, str]

    @property
    def variables(self) -> dict[str, str]:
        """What `stack.env` exports: all that boto3, the AWS CLI and Tocsin's own commands need."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "TOCSIN_STACK": self.name,
            "TOCSIN_API_URL": self.api_url,
        }

    def write(self, state_dir: Path) -> None:
        """Write `stack.env`, which a shell can source, and `stack.json`, which `read` understands."""
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in self.variables.items())
        (state_dir / "stack.env").write_text("".join(lines))
        (state_dir / "stack.json").write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, state_dir: Path) -> "Stack":
        """The stack that `up` brought up with this state directory."""
        return cls(**json.loads((state_dir / "stack.json").read_text()))

    def session(self) -> boto3.Session:
        """A boto3 session with the stack's credentials. Its clients need `endpoint_url`: `client()` gives it."""
        return boto3.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=self.region,
        )

    def client(self, service: str) -> Any:  # noqa: ANN401 - its type depends on the name
        """A client of one AWS service; the caller annotates it with its type from boto3-stubs."""
        return self.session().client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]  # any service

    @cached_property
    def api(self) -> "SignedApi":
        """The stack's API, signed with its credentials."""
        return SignedApi(self.api_url, self.region, Credentials(self.access_key_id, self.secret_access_key))


class SignedApi:
    """The REST API, with each request signed (SigV4, service execute-api)."""

    def __init__(self, base_url: str, region: str, credentials: Credentials, *, timeout: float = 30.0) -> None:
        """Requests go to `base_url` + the path given to `request`; the timeout is in seconds."""
        self._base_url = base_url.rstrip("/")
        self._signer = SigV4Auth(credentials, "execute-api", region)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json_body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; the path begins with `/api/v1`."""
        url = self._base_url + path + (f"?{urlencode(query)}" if query else "")
        body = b"" if json_body is None else json.dumps(json_body).encode()
        described = {"Content-Type": "application/json"} if body else {}
        unsigned = AWSRequest(method, url, data=body, headers=described | dict(headers or {}))
        self._signer.add_auth(unsigned)
        answer = self._pool.request(method, url, body=body, headers=dict(unsigned.headers.items()), redirect=False)
        return Answer(answer.status, answer.headers, answer.data)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()
