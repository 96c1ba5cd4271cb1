"""Facts about the example renewer that a renewal which succeeds does not show."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from build.template import template
from local.example_renewer import EXAMPLE
from renewer import errors, steps

RESOURCES: dict[str, Any] = template(EXAMPLE / "template.yaml")["Resources"]
MACHINES = {name: json.loads((EXAMPLE / f"{name}.asl.json").read_text()) for name in ("start", "renewal")}
OF_AWS = ("States.", "Lambda.", "Sandbox.", "StepFunctions.", "ExecutionAlreadyExists")


def states() -> Iterator[tuple[str, dict[str, Any]]]:
    for machine in MACHINES.values():
        yield from machine["States"].items()


def functions() -> dict[str, Any]:
    return {name: found for name, found in RESOURCES.items() if found["Type"] == "AWS::Serverless::Function"}


def actions_of(resource: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for policy in resource["Properties"].get("Policies", []):
        for statement in policy["Statement"]:
            one = statement if isinstance(statement, dict) else statement[1]  # under a condition
            found |= {one["Action"]} if isinstance(one["Action"], str) else set(one["Action"])
    return found


def test_each_step_may_do_what_it_does_and_no_more() -> None:
    """Single actions. That each is needed, the deployed example shows: the embedded AWS enforces them."""
    assert {name: actions_of(function) for name, function in functions().items()} == {
        "Plan": {"acm:DescribeCertificate"},
        "Order": {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"},
        "Answer": {"route53:GetHostedZone", "route53:ListResourceRecordSets", "route53:ChangeResourceRecordSets"},
        "Clean": {"route53:GetHostedZone", "route53:ListResourceRecordSets", "route53:ChangeResourceRecordSets"},
        "Check": {"secretsmanager:GetSecretValue", "route53:GetChange"},
        "Issue": {
            *("secretsmanager:GetSecretValue", "acm:ImportCertificate", "ssm:GetParameter", "ssm:PutParameter"),
            *("secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"),
        },
        "Report": {"execute-api:Invoke"},
    }


def test_only_challenges_may_be_written() -> None:
    """Of a zone, this renewer can change nothing but the texts that answer challenges."""
    for name in ("Answer", "Clean"):
        (write,) = (
            statement
            for policy in functions()[name]["Properties"]["Policies"]
            for statement in policy["Statement"]
            if statement["Action"] == "route53:ChangeResourceRecordSets"
        )
        assert write["Condition"] == {
            "ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]},
            "ForAllValues:StringLike": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": ["_acme-challenge.*"]},
        }


@pytest.mark.parametrize("name", functions())
def test_each_function_has_its_handler(name: str) -> None:
    module, _, handler = functions()[name]["Properties"]["Handler"].rpartition(".")
    assert (module, callable(getattr(steps, handler))) == ("renewer.steps", True)


@pytest.mark.parametrize(("logical_id", "machine"), [("Start", "start"), ("Renewal", "renewal")])
def test_each_machine_is_whole(logical_id: str, machine: str) -> None:
    """Each state leads to one that is there, and is led to; what the template replaces is what stands there."""
    definition = MACHINES[machine]
    targets = {definition["StartAt"]}
    for state in definition["States"].values():
        targets |= {state.get("Next"), state.get("Default")}
        targets |= {one["Next"] for one in (*state.get("Catch", []), *state.get("Choices", []))}
    assert targets - {None} == definition["States"].keys()
    text = (EXAMPLE / f"{machine}.asl.json").read_text()
    given = RESOURCES[logical_id]["Properties"]["DefinitionSubstitutions"]
    assert all(f"${{{name}}}" in text for name in given)
    assert text.count("${") == sum(text.count(f"${{{name}}}") for name in given)


def test_errors_are_caught_by_names_that_are_raised() -> None:
    """A name with a typing error would catch nothing, and say nothing."""
    caught = {
        name
        for _, state in states()
        for clause in (*state.get("Retry", []), *state.get("Catch", []))
        for name in clause["ErrorEquals"]
    }
    own = {name for name in caught if not name.startswith(OF_AWS)}
    assert own == {"AuthorityBusyError", "OrderSpentError", "JobIsOverError", "TocsinUnreachableError"}
    assert all(isinstance(getattr(errors, name), type) for name in own)


def test_a_failure_anywhere_cleans_up_and_is_reported() -> None:
    """Once there is an order, every step leads through the cleaning; and nothing ends without a word to Tocsin."""
    renewal = MACHINES["renewal"]["States"]
    for name in ("Order", "Answer", "Check", "Issue"):
        assert renewal[name]["Catch"][-1] == {
            "ErrorEquals": ["States.ALL"],
            "ResultPath": "$.problem",
            "Next": "Clean up after failure",
        }
    for name in ("Plan", "Report started"):
        assert renewal[name]["Catch"][-1]["Next"] == "Report failed"
    cleaning = renewal["Clean up after failure"]
    assert (cleaning["Next"], cleaning["Catch"][-1]["Next"]) == ("Report failed", "Report failed")
    assert renewal["Report failed"]["Next"] == "Failed"
