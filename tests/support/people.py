"""What the template's policies for people allow, worked out as IAM does for policies that only allow."""

import re
from collections.abc import Iterator
from typing import Any

from build.template import template

POLICIES = PRODUCER, AGENT, RENEWER, READER, OPERATOR, ADMINISTRATOR = (
    "ProducerPolicy",
    "AgentPolicy",
    "RenewerPolicy",
    "ReaderPolicy",
    "OperatorPolicy",
    "AdministratorPolicy",
)
_API = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/live/"


def document(policy: str) -> Any:
    """Give a policy's document, in which what CloudFormation fills in stands as `${AWS::Region}`."""
    return template()["Resources"][policy]["Properties"]["PolicyDocument"]


def may_call(policy: str, route: str) -> bool:
    """Tell whether `policy` allows a route, as `POST /notifications/{id}/requeue`."""
    method, path = route.split()
    return may(policy, "execute-api:Invoke", f"{_API}{method}/api/v1{re.sub('{[^}]+}', '01JZ8W3T5N', path)}")


def may(policy: str, action: str, resource: str) -> bool:
    """Tell whether `policy` allows `action` on `resource`: some statement must match both."""
    return any(
        action in _listed(statement["Action"])
        and any(_matches(one, resource) for one in _listed(statement["Resource"]))
        for statement in document(policy)["Statement"]
    )


def actions(policy: str) -> set[str]:
    """Give the actions that `policy` allows on something."""
    return {action for statement in document(policy)["Statement"] for action in _listed(statement["Action"])}


def _matches(pattern: str, resource: str) -> bool:
    """Match as IAM does: `*` is any text, slashes included, and `?` one character (IAM user guide, "Resource")."""
    wildcards = {"*": ".*", "?": "."}
    return re.fullmatch("".join(wildcards.get(one, re.escape(one)) for one in pattern), resource) is not None


def _listed(value: Any) -> Iterator[str]:
    yield from value if isinstance(value, list) else [value]
