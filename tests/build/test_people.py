"""The policies for people: what each allows, worked out from the template. Which routes: tests/docs/test_tables.py."""

import json
import re
from typing import Any

import pytest

from build.template import template
from tests.docs.template import routes
from tests.support.people import (
    ADMINISTRATOR,
    AGENT,
    OPERATOR,
    POLICIES,
    PRODUCER,
    READER,
    RENEWER,
    actions,
    document,
    may,
    may_call,
)

LIMIT = 6_144
"""Characters of a managed policy, white space not counted (IAM user guide, "IAM and AWS STS quotas")."""
FILLED_IN = {
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "1" * 12,
    "Api": "a" * 10,
}
"""As long as they get."""
ARN = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"
FUNCTION = ARN % ("lambda", "function:")
PARAMETER = ARN % ("ssm", "parameter/${AWS::StackName}")

every_policy = pytest.mark.parametrize("policy", POLICIES)


@every_policy
def test_a_policy_is_an_output_and_has_the_path_that_the_account_asks_for(policy: str) -> None:
    properties = template()["Resources"][policy]["Properties"]
    assert properties["Path"] == "RolePath"
    assert not properties.keys() & {"Roles", "Users", "Groups", "ManagedPolicyName"}
    output = template()["Outputs"][f"{policy}Arn"]
    assert output["Value"] == policy
    assert output["Description"]


@every_policy
def test_a_policy_fits_the_longest_names(policy: str) -> None:
    longest = FILLED_IN | {"AWS::StackName": "x" * 51}
    written = json.dumps(document(policy), separators=(",", ":"))
    filled = re.sub(r"\$\{([^}]+)\}", lambda found: longest[found[1]], written)
    assert len(filled) <= LIMIT


def test_each_may_what_the_one_before_may_producers_only_create_and_agents_only_report() -> None:
    allowed = {policy: {route for route in routes() if may_call(policy, route)} for policy in POLICIES}
    assert allowed[PRODUCER] == {"POST /notifications"}
    assert allowed[AGENT] == {"POST /agents/{name}/reports"}
    assert allowed[READER] < allowed[OPERATOR] < allowed[ADMINISTRATOR]
    assert allowed[RENEWER] == {"POST /renewal-jobs/{id}/report"}, "programs report, people cancel"
    everybody = allowed[ADMINISTRATOR] | allowed[PRODUCER] | allowed[AGENT] | allowed[RENEWER]
    assert everybody == routes()


@pytest.mark.parametrize("policy", [READER, OPERATOR, ADMINISTRATOR])
def test_every_read_is_allowed_to_all_but_producers(policy: str) -> None:
    assert all(may_call(policy, route) for route in routes() if route.startswith("GET "))


def test_a_simulation_is_the_only_post_of_a_reader() -> None:
    assert {route for route in routes() if may_call(READER, route) and not route.startswith("GET ")} == {
        "POST /renewal-policies/{id}/simulate"
    }


@pytest.mark.parametrize("alias", ["", ":live"])
@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        ("customWidget-${AWS::StackName}", {READER, OPERATOR, ADMINISTRATOR}),
        ("customWidget-${AWS::StackName}-act", {OPERATOR, ADMINISTRATOR}),
        ("customWidget-${AWS::StackName}2", set()),  # another stack's
        ("${AWS::StackName}-dispatch", set()),
        ("${AWS::StackName}-retry-sweep", set()),
    ],
)
def test_who_looks_does_not_act(function: str, alias: str, allowed: set[str]) -> None:
    """A widget's two functions are two permissions."""
    invoking = {policy for policy in POLICIES if may(policy, "lambda:InvokeFunction", FUNCTION + function + alias)}
    assert invoking == allowed


@pytest.mark.parametrize(
    ("action", "parameter", "allowed"),
    [
        ("ssm:PutParameter", "/channels/Slack/payments", {ADMINISTRATOR}),
        ("ssm:PutParameter", "/templates/Email/default", {ADMINISTRATOR}),
        ("ssm:DeleteParameter", "/sources/tls", {ADMINISTRATOR}),
        ("ssm:GetParameter", "/channels/Slack/payments", set()),
        ("ssm:GetParametersByPath", "/channels", set()),
        ("ssm:GetParameter", "/sources/tls", {ADMINISTRATOR}),
        ("ssm:PutParameter", "2/channels/Slack", set()),  # another stack's
    ],
)
def test_who_stores_documents_reads_no_secret(action: str, parameter: str, allowed: set[str]) -> None:
    assert {policy for policy in POLICIES if may(policy, action, PARAMETER + parameter)} == allowed


def test_an_agent_may_nothing_beside() -> None:
    """A host's credentials are the easiest to lose."""
    assert actions(AGENT) == {"execute-api:Invoke"}


@every_policy
def test_a_policy_only_allows_and_knows_no_table(policy: str) -> None:
    """What `may` works out holds for policies without Deny and without conditions."""
    statements: list[dict[str, Any]] = document(policy)["Statement"]
    assert all(statement.keys() == {"Effect", "Action", "Resource"} for statement in statements)
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    assert "dynamodb" not in json.dumps(statements)
    assert "kms" not in json.dumps(statements)
