"""Facts about template.yaml that no deployment to an embedded AWS would show."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from build.release import parameter_defaults
from tests.support.database import TEMPLATE, template
from tests.support.functions import environment
from tocsin.delivery.notification import ChannelName
from tocsin.observability import Metric

RESOURCES: dict[str, Any] = template()["Resources"]
DASHBOARD = Path(TEMPLATE).parent / "build" / "dashboard.yaml"


def of_type(*types: str) -> Iterator[tuple[str, Any]]:
    return ((name, found) for name, found in RESOURCES.items() if found["Type"] in types)


def statements() -> Iterator[tuple[str, Any]]:
    """Every permission that a role has, with where it stands."""
    for name, role in of_type("AWS::IAM::Role"):
        for policy in role["Properties"].get("Policies", []):
            yield from ((name, one) for one in policy["PolicyDocument"]["Statement"])
    for name, policy in of_type("AWS::IAM::ManagedPolicy"):
        yield from ((name, one) for one in policy["Properties"]["PolicyDocument"]["Statement"])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_nothing_may_scan() -> None:
    """Design 3: never Scan; no function has the permission."""
    assert not [where for where, statement in statements() if "dynamodb:Scan" in listed(statement["Action"])]


def test_every_action_is_named() -> None:
    """No wildcard in an action."""
    assert not [where for where, statement in statements() for action in listed(statement["Action"]) if "*" in action]


def test_a_permission_on_everything_is_either_the_streams_or_embedded() -> None:
    """`*` as a resource: only where AWS takes no resource, or in policies that no account ever has."""
    allowed = [(where, statement) for where, statement in statements() if statement["Effect"] == "Allow"]
    everywhere = {
        (where, action)
        for where, statement in allowed
        if "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }
    assert everywhere == {
        ("DispatchRole", "dynamodb:ListStreams"),
        ("SourceSyncRole", "acm:ListCertificates"),
        ("EmbeddedSendPolicy", "dynamodb:BatchExecuteStatement"),
        ("EmbeddedSendPolicy", "ses:SendEmail"),
        ("EmbeddedReadPolicy", "ssm:GetParameters"),
    }
    embedded = [found for name, found in of_type("AWS::IAM::ManagedPolicy") if name.startswith("Embedded")]
    assert {policy["Condition"] for policy in embedded} == {"IsEmbedded"}
    assert template()["Conditions"]["IsEmbedded"] == ["Environment", "local"]


def test_the_api_can_decrypt_no_credentials() -> None:
    """Channel credentials are for the functions that send. The key aws/ssm lets everybody decrypt: it takes a Deny."""
    api = [statement for where, statement in statements() if where.startswith("ApiRole")]
    assert [one["Resource"] for one in api if one["Effect"] == "Deny" and one["Action"] == "kms:Decrypt"] == ["*"]
    assert not [one for one in api if "ssm:GetParameter" in listed(one["Action"])]


def test_every_function_has_a_role_and_a_log_group_of_its_own() -> None:
    functions = dict(of_type("AWS::Serverless::Function"))
    for name, found in functions.items():
        own = name.removesuffix("Function")
        assert found["Properties"]["Role"] == f"{own}Role.Arn", name
        assert found["Properties"]["LoggingConfig"]["LogGroup"] == f"{own}LogGroup", name
        assert found["Properties"]["AutoPublishCodeSha256"] == "Release", name
        assert found["Properties"]["AutoPublishAliasAllProperties"] is True, name


def test_no_route_catches_all() -> None:
    """Design 4: one route per operation, no `{proxy+}`, none without its signature."""
    events = RESOURCES["ApiFunction"]["Properties"]["Events"].values()
    routes = [(event["Properties"]["Method"], event["Properties"]["Path"]) for event in events]
    assert len(routes) == len(set(routes))
    for method, path in routes:
        assert method in {"GET", "POST", "PUT", "DELETE"}
        assert path.startswith("/api/v1/")
        assert "+" not in path
    assert RESOURCES["Api"]["Properties"]["Auth"]["DefaultAuthorizer"] == "AWS_IAM"
    assert not [event for event in events if "Auth" in event["Properties"]]


def test_a_missed_sweep_is_not_made_up_for() -> None:
    """Design 3: the next tick is the retry. 2.8 [S]: every 2 minutes by default."""
    tick = RESOURCES["RetrySweepFunction"]["Properties"]["Events"]["Tick"]["Properties"]
    assert tick["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert parameter_defaults()["RetryInterval"] == "2 minutes"


def test_the_stream_brings_what_is_pending_and_unclaimed() -> None:
    accepted = RESOURCES["DispatchFunction"]["Properties"]["Events"]["Accepted"]["Properties"]
    (pattern,) = accepted["FilterCriteria"]["Filters"]
    image = json.loads(pattern["Pattern"])["dynamodb"]["NewImage"]
    assert image == {"status": {"S": ["pending"]}, "claimed_until": {"N": ["0"]}}
    assert accepted["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_functions_are_told_what_the_tests_tell_them() -> None:
    """The environment that the functions are tested with is the deployed one: its names, and its defaults."""
    deployed: dict[str, str] = template()["Globals"]["Function"]["Environment"]["Variables"]
    tested = environment("stack", "table", "endpoint")
    assert {name for name in tested if not name.startswith("AWS_")} <= deployed.keys()
    defaults = parameter_defaults()
    by_parameter = {name: defaults[parameter] for name, parameter in deployed.items() if parameter in defaults}
    assert {name: tested[name] for name in by_parameter} == by_parameter


@pytest.mark.parametrize("name", sorted(name for name, _ in of_type("AWS::CloudWatch::Alarm")))
def test_an_alarm_tells_somebody_and_reads_a_metric_that_exists(name: str) -> None:
    alarm = RESOURCES[name]["Properties"]
    assert alarm["AlarmActions"] == ["AlarmTopic"]
    if alarm.get("Namespace") == "Tocsin":
        assert alarm["MetricName"] in set(Metric)


def test_the_dashboard_shows_metrics_that_exist_by_every_channel() -> None:
    """Its body is JSON once CloudFormation has filled in the names."""
    text: str = yaml.safe_load(DASHBOARD.read_text())["Fn::Sub"]
    assert set(re.findall(r"\$\{([^}]+)\}", text)) <= {
        "AWS::AccountId",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackName",
    }
    widgets = json.loads(text)["widgets"]
    shown = [metric for widget in widgets for metric in widget["properties"].get("metrics", [])]
    assert {metric[0] for metric in shown} == {"Tocsin"}
    assert {metric[1] for metric in shown} <= set(Metric)
    channels = {name: {metric[5] for metric in shown if metric[1] == name and "channel" in metric} for name in Metric}
    for name in (Metric.DELIVERED, Metric.ATTEMPT_FAILED, Metric.DEAD):
        assert channels[name] == set(ChannelName)
    alarms = {arn.rpartition(":alarm:")[2] for widget in widgets for arn in widget["properties"].get("alarms", [])}
    named = {found["Properties"]["AlarmName"] for _, found in of_type("AWS::CloudWatch::Alarm")}
    assert alarms == named
