"""`make deploy` can't unprotect production, nor deploy it so that nobody hears its alarms."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping

import boto3
import pytest
from moto import mock_aws

from build.deploy import deployed, objection, parameters
from build.toolchain import ROOT

PRODUCTION = {"Environment": "production", "AlarmEmail": "ops@example.com"}
TRIAL = {"Environment": "trial"}
TEMPLATE = """
Parameters: {Environment: {Type: String}}
Resources: {Topic: {Type: AWS::SNS::Topic}}
"""


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


@pytest.mark.parametrize(
    ("given", "now", "why"),
    [
        (TRIAL, None, ""),
        (TRIAL, TRIAL, ""),
        (TRIAL, PRODUCTION, "protection"),
        (PRODUCTION, None, ""),
        (PRODUCTION, TRIAL, ""),
        ({"Environment": "production"}, PRODUCTION, ""),  # what is not given keeps its value
        ({"Environment": "production"}, None, "ALARM_EMAIL"),
        ({"Environment": "production"}, {"Environment": "production", "AlarmEmail": ""}, "ALARM_EMAIL"),
        (PRODUCTION | {"AlarmEmail": ""}, PRODUCTION, "ALARM_EMAIL"),
    ],
)
def test_what_must_not_be_deployed(given: Mapping[str, str], now: Mapping[str, str] | None, why: str) -> None:
    said = objection(given, now)
    assert why in said
    assert bool(said) == bool(why)


def test_trial_and_production_are_two_stacks() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    names = [config[name]["global"]["parameters"]["stack_name"] for name in ("default", "production")]
    assert len(set(names)) == 2
    assert [parameters(name, {})["Environment"] for name in ("default", "production")] == ["trial", "production"]


@pytest.mark.usefixtures("cloudformation")
def test_what_is_deployed_is_known_from_cloudformation() -> None:
    assert deployed("tocsin") is None
    boto3.client("cloudformation").create_stack(
        StackName="tocsin",
        TemplateBody=TEMPLATE,
        Parameters=[{"ParameterKey": "Environment", "ParameterValue": "production"}],
    )
    assert deployed("tocsin") == {"Environment": "production"}


def test_production_without_an_address_is_refused_before_anything_is_built() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "build.deploy"],
        cwd=ROOT,
        env=environment | {"CONFIG": "production", "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "ALARM_EMAIL" in done.stderr
