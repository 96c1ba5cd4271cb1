"""A stand-in for the AWS CLI that knows what the documents use of it, by botocore's own description of each service.

It checks commands without sending them, and carries them out where a machine has no AWS CLI:
`python -m tests.docs.aws_cli ssm get-parameter --name x`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]  # it comes with botocore, without types
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape

OF_THE_CLI = {"query", "output"}
POSITIONAL = {("lambda", "invoke"): "outfile"}
CUSTOM = {("configure", "export-credentials"): {"format"}}
"""Commands of the CLI that are no operation of a service."""
RENAMED = {("sns", "subscribe", "endpoint"): "notification-endpoint"}
"""Options that the CLI calls by another name than the service."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command, understood."""

    service: str
    operation: str
    """As boto3 names it."""
    arguments: Mapping[str, Any]
    query: str | None = None
    output: str = "json"
    outfile: str | None = None
    waits: bool = False


def understood(words: Sequence[str]) -> Call:
    """Read the words behind `aws`; an assertion says what the service would not know."""
    service, command, *rest = words
    if waits := command == "wait":
        command, *rest = rest
        waiters = Loader().load_service_model(service, "waiters-2")["waiters"]
        named = {_kebab(name): described["operation"] for name, described in waiters.items()}
        operation = _kebab(named[command])
    else:
        operation = command
    model = _model(service)
    operations = {_kebab(name): name for name in model.operation_names}
    assert operation in operations, f"aws {service} has no command {operation}"
    shape = model.operation_model(operations[operation]).input_shape
    options, positional = _options(rest, _members(service, operation, shape))
    arguments = {name: value for name, value in options.items() if name not in OF_THE_CLI}
    missing = {member for member in _required(shape) if member not in arguments}
    assert not missing, f"aws {service} {operation} needs {missing}"
    assert bool(positional) == ((service, operation) in POSITIONAL), f"aws {service} {operation}: {positional}"
    return Call(
        service,
        xform_name(command.title().replace("-", "")) if waits else xform_name(operations[operation]),
        arguments,
        options.get("query"),
        options.get("output", "json"),
        positional[0] if positional else None,
        waits,
    )


def _model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _kebab(name: str) -> str:
    return xform_name(name).replace("_", "-")


def _required(shape: Shape | None) -> Sequence[str]:
    return shape.required_members if isinstance(shape, StructureShape) else []


def _members(service: str, operation: str, shape: Shape | None) -> dict[str, tuple[str, Shape]]:
    """Give what the operation takes, by the name of the option: its own name and its form."""
    members = shape.members if isinstance(shape, StructureShape) else {}
    options = {_kebab(name): (name, member) for name, member in members.items()}
    return {RENAMED.get((service, operation, option), option): member for option, member in options.items()}


def _options(words: Sequence[str], by_option: Mapping[str, tuple[str, Shape]]) -> tuple[dict[str, Any], list[str]]:
    """Give what each option says, by the name of the service's own member, and the words that are no option."""
    found: dict[str, Any] = {}
    positional: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option = word.removeprefix("--")
        if option == word:
            positional.append(word)
        elif option in OF_THE_CLI:
            found[option] = rest.pop(0)
        elif option.removeprefix("no-") in by_option and _is_flag(by_option[option.removeprefix("no-")][1]):
            found[by_option[option.removeprefix("no-")][0]] = not option.startswith("no-")
        else:
            assert option in by_option, f"there is no option {word}"
            name, member = by_option[option]
            given = []
            while rest and not rest[0].startswith("--"):
                given.append(rest.pop(0))
                if member.type_name not in ("list", "map"):
                    break
            assert given, f"{word} needs a value"
            found[name] = _value(member, given)
    return found, positional


def _is_flag(member: Shape) -> bool:
    return member.type_name == "boolean"


def _value(member: Shape, given: list[str]) -> Any:
    if given[0].startswith(("{", "[")) and member.type_name != "string":
        return json.loads(given[0])
    match member.type_name:
        case "list":
            return [_shorthand(text) if member.member.type_name == "structure" else text for text in given]  # type: ignore[attr-defined]
        case "integer" | "long":
            return int(given[0]) if given[0].isdigit() else given[0]
    return given[0]


def _shorthand(text: str) -> dict[str, Any]:
    """Read `Key=Name,Option=BeginsWith,Values=/x`."""
    pairs = dict(pair.split("=", 1) for pair in text.split(","))
    return {name: [value] if name == "Values" else value for name, value in pairs.items()}


def shown(answer: Any, query: str | None, output: str) -> str:
    """Give an answer as the CLI prints it."""
    found = jmespath.search(query, answer) if query else answer
    if output == "text":
        return "\t".join(map(str, found)) if isinstance(found, list) else str(found)
    return json.dumps(found, indent=4, default=str)


def main(words: Sequence[str]) -> None:
    """Carry one command out."""
    call = understood(words)
    client = boto3.client(call.service)  # type: ignore[call-overload]  # any service
    if call.waits:
        client.get_waiter(call.operation).wait(**call.arguments)
        return
    answer = getattr(client, call.operation)(**call.arguments)
    answer.pop("ResponseMetadata", None)
    if call.outfile:
        Path(call.outfile).write_bytes(answer.pop("Payload").read())
    print(shown(answer, call.query, call.output))  # noqa: T201 - it is a command


if __name__ == "__main__":
    main(sys.argv[1:])
