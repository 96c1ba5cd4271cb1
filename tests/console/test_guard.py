"""Requests from elsewhere: the console acts with the operator's credentials, and only its own page may ask it to."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import urllib3

from tests.support.fake_aws import ACT, FakeAws, arn
from tocsin_cli.console.guard import HEADERS, LARGEST, TOKEN_HEADER

ASKED = {"endpoint": ACT, "params": {"action": "requeue", "id": "01J"}}


@dataclass
class Client:
    """What the console's page sends, unless a test says otherwise."""

    link: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.link.partition("/#")[0]

    def send(
        self, method: str, path: str, body: object = None, **changed: str | None
    ) -> urllib3.response.BaseHTTPResponse:
        usual = self.headers | {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        usual |= {"Content-Type": "application/json"} if body is not None else {}
        headers = usual | {name.replace("_", "-"): value for name, value in changed.items()}
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        sent = {name: value for name, value in headers.items() if value is not None}
        return urllib3.request(method, self.origin + path, body=data, headers=sent, redirect=False, retries=False)

    def entered(self) -> "Client":
        answer = self.send("POST", "/api/session", {"token": self.link.partition("#token=")[2]})
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        self.headers = {"Cookie": cookie, TOKEN_HEADER: answer.json()["token"]}
        return self


@pytest.fixture
def client(link: str) -> Client:
    return Client(link).entered()


def refused(aws: FakeAws, answer: urllib3.response.BaseHTTPResponse, status: int) -> None:
    assert (answer.status, aws.calls) == (status, [])
    assert answer.json()["title"] == "Refused"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_page_itself_may(client: Client, aws: FakeAws) -> None:
    answer = client.send("POST", "/api/invoke", ASKED)
    assert (answer.status, answer.json()) == (200, {"html": "<p>Done</p>", "acts": True})
    assert [(name, event["id"]) for name, event in aws.calls] == [("customWidget-tocsin-act:live", "01J")]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", None])
def test_another_origin_may_not_act(client: Client, aws: FakeAws, origin: str | None) -> None:
    """Nor a request without one: a browser sends it with each POST."""
    refused(aws, client.send("POST", "/api/invoke", ASKED, Origin=origin), 403)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.example", "[::1]:80"])
@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/state", "/api/invoke"])
def test_a_name_that_was_made_to_point_here_is_no_name_of_ours(
    client: Client, aws: FakeAws, host: str, path: str
) -> None:
    """DNS rebinding: the browser takes the foreign page and this server for one origin; the name tells them apart."""
    acts = path == "/api/invoke"
    foreign = client.send("POST" if acts else "GET", path, ASKED if acts else None, Host=host, Origin=f"http://{host}")
    refused(aws, foreign, 421)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
@pytest.mark.parametrize("path", ["/api/state", "/api/alarms"])
def test_another_site_may_not_read(client: Client, aws: FakeAws, site: str, path: str) -> None:
    refused(aws, client.send("GET", path, Origin=None, Sec_Fetch_Site=site), 403)
    refused(aws, client.send("POST", "/api/invoke", ASKED, Sec_Fetch_Site=site), 403)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", None])
def test_a_form_can_t_act(client: Client, aws: FakeAws, kind: str | None) -> None:
    """A form of any page may be sent here without asking; these are the types that it may have."""
    refused(aws, client.send("POST", "/api/invoke", json.dumps(ASKED), Content_Type=kind), 415)


@pytest.mark.parametrize("header", ["Cookie", TOKEN_HEADER])
@pytest.mark.parametrize("path", ["/api/state", "/api/graphs", "/api/alarms", "/api/invoke"])
def test_both_of_the_session_s_secrets_are_asked_for(client: Client, aws: FakeAws, header: str, path: str) -> None:
    acts = path == "/api/invoke"
    for value in (None, "wrong", client.headers[header] + "x"):
        without = client.headers | {header: value}
        client_without = Client(client.link, {name: given for name, given in without.items() if given is not None})
        refused(aws, client_without.send("POST" if acts else "GET", path, ASKED if acts else None), 401)


@pytest.mark.parametrize("token", ["", "wrong", None, 7, ["x"]])
def test_a_session_needs_the_link_s_token(link: str, aws: FakeAws, token: object) -> None:
    answer = Client(link).send("POST", "/api/session", {"token": token})
    refused(aws, answer, 401)
    assert "Set-Cookie" not in answer.headers


def test_the_cookie_is_strict_and_no_script_s(link: str) -> None:
    cookie = Client(link).send("POST", "/api/session", {"token": link.partition("#token=")[2]}).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(re.split(r";\s*", cookie))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_a_post_acts(client: Client, aws: FakeAws, method: str) -> None:
    answer = client.send(method, "/api/invoke", ASKED)
    assert (answer.status, aws.calls) == (405, [])


@pytest.mark.parametrize(
    "endpoint",
    [
        arn("somebody-elses"),
        arn("customWidget-tocsin", account="999999999999"),
        arn("customWidget-tocsin", region="us-east-1"),
        arn("customWidget-tocsin-act-too"),
        arn("customWidget-other"),
        arn("customWidget-tocsin").removesuffix(":live") + ":7",
        "customWidget-tocsin",
        "",
    ],
)
def test_only_the_stack_s_two_functions_are_called(client: Client, aws: FakeAws, endpoint: str) -> None:
    """Else a text that got into the widget could choose what is called with the operator's credentials."""
    refused(aws, client.send("POST", "/api/invoke", {"endpoint": endpoint}), 403)


@pytest.mark.parametrize("body", ["", "[]", "{", '"x"', '{"params": []}', '{"width": 1e9}', '{"forms": 1}'])
def test_what_the_page_does_not_send_is_refused(client: Client, aws: FakeAws, body: str) -> None:
    refused(aws, client.send("POST", "/api/invoke", body), 400)


def test_a_request_that_is_too_large_is_refused(client: Client, aws: FakeAws) -> None:
    refused(aws, client.send("POST", "/api/invoke", "x" * (LARGEST + 1)), 413)


def test_nobody_but_this_machine_reaches_it(link: str) -> None:
    assert urlsplit(link).hostname == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/state", "/nowhere"])
def test_every_answer_has_the_headers_that_keep_others_out(client: Client, path: str) -> None:
    found: Mapping[str, str] = client.send("GET", path).headers
    assert {name: found.get(name) for name in HEADERS} == HEADERS
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert {source for sources in policy.values() for source in sources.split()} <= {
        *("'none'", "'self'", "data:", "'unsafe-inline'")
    }


def test_the_shell_knows_nothing(link: str) -> None:
    """Anybody on this machine may have it: no stack, no token, no data."""
    shell = Client(link).send("GET", "/").data.decode()
    assert link.partition("#token=")[2] not in shell
    assert "tocsin-session" not in shell
