"""What the pages' tests look up in the template."""

from collections.abc import Iterator, Mapping
from typing import Any

from build.template import template


def resources(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """Give the resources of one type, with their properties."""
    found = template()["Resources"].items()
    return {name: resource["Properties"] for name, resource in found if resource["Type"] == kind}


def routes() -> set[str]:
    """Give the API's routes, as `GET /notifications`."""
    paths = resources("AWS::Serverless::Api")["Api"]["DefinitionBody"]["paths"]
    return {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, methods in paths.items() for method in methods}


_WITH_SUBNETS = {"NetworkPolicy": ("DispatchRole", "RetrySweepRole", "SourceSyncRole")}
"""Who has NetworkPolicy, which must be there before the functions are, so the roles name it. No role has people's."""


def actions_of_roles() -> dict[str, set[str]]:
    """Give what each role may do in an account: its own policies and the managed ones, but not the embedded AWS's."""
    found = {name: set(_actions(always(role))) for name, role in resources("AWS::IAM::Role").items()}
    for name, policy in resources("AWS::IAM::ManagedPolicy").items():
        if template()["Resources"][name].get("Condition") != "IsEmbedded":
            for role in policy.get("Roles", _WITH_SUBNETS.get(name, ())):
                found[role] |= set(_actions([policy]))
    return found


def always(role: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the inline policies that a role has whatever the parameters say."""
    return [policy for policy in role["Policies"] if isinstance(policy, dict)]


def under_a_condition(role: Mapping[str, Any]) -> dict[str, set[str]]:
    """Give the actions that a role has only under a condition, by the condition's name."""
    return {policy[0]: set(_actions([policy[1]])) for policy in role["Policies"] if isinstance(policy, list)}


def _actions(policies: list[Mapping[str, Any]]) -> Iterator[str]:
    for policy in policies:
        for statement in policy["PolicyDocument"]["Statement"]:
            listed = statement["Action"] if statement["Effect"] == "Allow" else []
            yield from [listed] if isinstance(listed, str) else listed
