"""The API's description (OpenAPI), and whether the API is as it says: every status, media type, header and limit."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.credentials import Credentials

from build.toolchain import ROOT
from local.receiver import Receiver, answers
from tests.support.channels import SECRET
from tests.support.conformance import Signer, explored
from tests.support.functions import Answer, call, forget_wiring, sample
from tests.support.gateway import served
from tests.support.inventory_api import POLICIES, an_id_in
from tests.support.inventory_store import Store
from tests.support.ssm import PREFIX, a_parameter_store
from tests.support.trying import FakeLambda

pytestmark = pytest.mark.dynamodb_local

GATEWAYS_OWN = ("403", "429", "502", "504")
SIGNER = Signer(Credentials("AKIDEXAMPLE", "secret"), "us-east-1")


def described() -> dict[str, Any]:
    answer = call("GET", "/api/v1/openapi.json")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


@pytest.fixture
async def world(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """The tables, and beside them the parameters, a dispatch that can be asked, and one channel that works."""
    async with a_parameter_store() as ssm, Receiver(FakeLambda()) as aws, Receiver(answers(204)) as receiver:
        for name, value in {
            "AWS_ENDPOINT_URL_SSM": ssm.client.meta.endpoint_url,
            "AWS_ENDPOINT_URL_LAMBDA": aws.url(""),
            "CHANNEL_PREFIX": PREFIX,
            "ENVIRONMENT": "local",
            "ALLOWED_PRIVATE_RANGES": "127.0.0.0/8",
            "ALLOW_PLAIN_HTTP": "yes",
        }.items():
            monkeypatch.setenv(name, value)
        forget_wiring()
        ssm.parameters["Webhook"] = json.dumps({"secrets": [SECRET], "url": receiver.url()})
        yield store


async def test_the_api_is_as_described(world: Store) -> None:
    """Schemathesis finds nothing: what is allowed is taken, what is not is refused, and all answers are described."""

    def explore() -> None:
        description = described()
        with served() as url:
            report = explored(url, description, SIGNER, examples=10, stateful=False)
        assert not report.findings, f"{report}\n\n" + "\n\n".join(report.findings[:5])
        assert report.cases["coverage"] > 1_000

    await asyncio.to_thread(explore)


def asked(path: str, host: str = "abc123.execute-api.us-east-1.amazonaws.com") -> Answer:
    """Ask for the description by a path that has the stage or the mapping of a domain before it."""
    context = sample("api_create")["requestContext"] | {"domainName": host, "path": path}
    return call("GET", "/api/v1/openapi.json", requestContext=context)


@pytest.mark.parametrize(
    ("path", "host", "server"),
    [
        (
            "/live/api/v1/openapi.json",
            "abc123.execute-api.us-east-1.amazonaws.com",
            "https://abc123.execute-api.us-east-1.amazonaws.com/live",
        ),
        ("/api/v1/openapi.json", "alerts.example.com", "https://alerts.example.com"),
        ("/tocsin/api/v1/openapi.json", "apis.example.com", "https://apis.example.com/tocsin"),
    ],
    ids=["the stage", "a domain of its own", "a mapping of a shared domain"],
)
def test_the_server_is_where_it_was_asked(shared_store: Store, path: str, host: str, server: str) -> None:
    assert asked(path, host).json["servers"] == [{"url": server}]


def test_every_operation_is_signed_named_and_filed(shared_store: Store) -> None:
    document = described()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert document["security"] == [{"sigv4": []}]
    scheme = document["components"]["securitySchemes"]["sigv4"]
    assert (scheme["in"], scheme["name"], scheme["x-amazon-apigateway-authtype"]) == (
        "header",
        "Authorization",
        "awsSigv4",
    )
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)+", id_) for id_ in ids), ids
    assert {operation["tags"][0] for operation in operations} == {tag["name"] for tag in document["tags"]}
    assert all(operation["summary"] and operation["description"] for operation in operations)
    assert all(one["description"] for operation in operations for one in operation.get("parameters", ()))


def test_every_error_is_a_problem_or_the_gateways(shared_store: Store) -> None:
    """Contract 3.6 [T]: `application/problem+json`; what never gets to the function has the gateway's `message`."""
    document = described()
    shared = document["components"]["responses"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                answer = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
                if status >= "400":
                    assert set(answer["content"]) <= {"application/problem+json", "application/json"}
                    assert ("application/problem+json" in answer["content"]) == (status not in GATEWAYS_OWN) or (
                        status == "504"
                    )


def test_the_description_costs_no_other_request_anything() -> None:
    """Its modules are loaded by the one route that needs them."""
    script = "import app, sys; assert not {'description', 'operations'} & {*sys.modules}, 'loaded at start'"
    paths = os.pathsep.join(str(ROOT / path) for path in ("functions/api", "layers/tocsin"))
    environment = os.environ | {"PYTHONPATH": paths, "POWERTOOLS_TRACE_DISABLED": "true"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


@pytest.mark.parametrize("value", [0, 1, "yes", "true", None])
def test_what_is_no_boolean_is_refused(shared_store: Store, value: object) -> None:
    """It was taken for one before, against the description."""
    body = {"name": "x", "start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z", "all_certificates": value}
    answer = call("POST", f"{POLICIES}/{an_id_in(POLICIES)}/simulate", body)
    assert (answer.status, answer.fields) == (422, {"all_certificates"})
