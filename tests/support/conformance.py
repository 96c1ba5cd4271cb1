"""Whether an API is as its description says: schemathesis asks, signed, and what it finds is listed."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests import PreparedRequest
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.hooks import HookContext

from tests.support.certificates import self_signed

UNSIGNED = "to be signed"
_CHANNELS = "/api/v1/channels/"
PAST = "2020-02-29T12:00:00Z"
FUTURE = "2100-01-01T00:00:00Z"


@dataclass
class Report:
    """What a run asked, by phase and by the status of the answers, and each finding."""

    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.cases.total()} cases {dict(self.cases)}, statuses {dict(sorted(self.statuses.items()))}"


@dataclass
class Signer:
    """Signs a request as it goes out, with SigV4 for `execute-api`."""

    credentials: Credentials
    region: str

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign it, unless it is one of those that are to be refused."""
        if request.headers.get("Authorization") != UNSIGNED:
            return request
        described = {name: value for name, value in request.headers.items() if name.lower() in ("content-type", "host")}
        asked = AWSRequest(request.method, request.url, data=request.body or b"", headers=described)
        SigV4Auth(self.credentials, "execute-api", self.region).add_auth(asked)
        request.headers.update(dict(asked.headers.items()))
        return request


def explored(url: str, description: dict[str, Any], sign: Signer, *, examples: int, **phases: bool) -> Report:
    """Ask the API below `url` all that its description allows and forbids, the same at each run."""
    configuration = {
        "seed": 9,
        "base-url": url,
        "headers": {"Authorization": UNSIGNED},
        "continue-on-failure": True,
        "generation": {
            "max-examples": examples,
            "deterministic": True,
            "database": "none",
            "no-shrink": True,
            "with-security-parameters": False,  # the gateway says 403 where schemathesis expects 401
        },
        "checks": {
            # RFC 6585 has a status of its own for this.
            "missing_required_header": {"expected-statuses": [400, 403, 404, 422, 428]},
            # Which version a thing has, no description can say.
            "positive_data_acceptance": {"expected-statuses": ["2xx", 403, 404, 409, 412]},
            "negative_data_rejection": {"expected-statuses": [400, 403, 404, 412, 413, 422, 428]},
        },
        "phases": {name: {"enabled": is_on} for name, is_on in phases.items()},
    }
    schema = schemathesis.openapi.from_dict(description, config=SchemathesisConfig.from_dict(configuration))
    report = Report()
    with _hooked(_making_sense(sign, url)):
        for event in from_schema(schema).execute():
            report.findings += _told(event, report)
    return report


def _told(event: events.EngineEvent, report: Report) -> Iterator[str]:
    """Count what an event says, and give its findings."""
    if isinstance(event, events.NonFatalError):
        yield f"{event.label}: {event.value}"
    elif isinstance(event, events.FatalError):
        raise event.exception
    elif isinstance(event, events.ScenarioFinished):
        report.cases[event.phase.value] += len(event.recorder.cases)
        said = [one.response for one in event.recorder.interactions.values() if one.response]
        report.statuses.update(response.status_code for response in said)
        for case, nodes in event.recorder.checks.items():
            seen = event.recorder.find_response(case_id=case)
            answer = f"{seen.status_code} {seen.text[:300]}" if seen else "no answer"
            for info in (node.failure_info for node in nodes if node.failure_info):
                failure = info.failure
                yield f"{event.label}: {failure.title}\n{failure.message}\n{info.code_sample[:1000]}\n{answer}"


@contextmanager
def _hooked(hook: Callable[..., None]) -> Iterator[None]:
    schemathesis.openapi.format("pem", st.just(self_signed().pem))
    schemathesis.hook("before_call")(hook)
    try:
        yield
    finally:
        schemathesis.hooks.unregister(hook)


def _making_sense(sign: Signer, url: str) -> Callable[..., None]:
    """Make the hook that signs, and makes good of a case that is to be taken what no description can say.

    That is: which cursors and tokens are signed, which ids there are, what the present is, and how fields depend on
    one another.
    """

    def before_call(context: HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]) -> None:
        kwargs["auth"] = sign
        if case.meta and case.meta.generation.mode.is_positive:
            if case.query:
                case.query.pop("cursor", None)
            if isinstance(case.body, dict):
                channel = case.path_parameters.get("name", "") if case.path.startswith(_CHANNELS) else ""
                _make_sense(case.body, str(channel))
                if "token" in case.body:
                    case.body["token"] = _token(url, sign)

    return before_call


def _token(url: str, sign: Signer) -> str:
    """Let the API count its dead letters, and give the token of that."""
    headers = {"Authorization": UNSIGNED, "Content-Type": "application/json"}
    answer = requests.post(
        f"{url}/api/v1/requeue-jobs/preview", data='{"filters": {}}', headers=headers, auth=sign, timeout=30
    )
    return str(answer.json()["token"])


def _make_sense(body: dict[str, Any], channel: str) -> None:
    now = datetime.now(UTC)
    for name in ("archived_at", "revoked_at"):
        if isinstance(body.get(name), str) and _time(body[name]) > now:
            body[name] = PAST
    if isinstance(body.get("deadline"), str) and _time(body["deadline"]) <= now:
        body["deadline"] = FUTURE
    if "start" in body and _time(body["end"]) <= _time(body["start"]):
        body |= {"start": PAST, "end": "2021-01-01T00:00:00Z"}
    if isinstance(body.get("fallbacks"), dict):  # none that leads back to itself
        body["fallbacks"] = dict([pair for pair in body["fallbacks"].items() if pair[0] != pair[1]][:1])
    if isinstance(body.get("template"), dict):  # what is no Jinja, or says nothing, is refused
        body["template"] = {name: text and "{{ subject }}" for name, text in body["template"].items()}
        if not channel.startswith("Email"):  # only mail has a second form
            body["template"].pop("html", None)
    if "about" in body:
        body |= {"act": "trigger", "about": None}
    if channel and "message" not in body and "template" not in body:
        body["recipient"] = "ops@example.com" if channel.startswith("Email") else ""


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.upper())
