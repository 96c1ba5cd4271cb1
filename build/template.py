"""template.yaml, read: CloudFormation's short functions become what they are called with."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[1] / "template.yaml"


class _Loader(yaml.SafeLoader):
    """Reads `!Ref x` as "x", `!Sub text` as the text, other functions as their arguments."""


def _plain(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:  # noqa: ANN401 - YAML is what it is
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
    raise AssertionError(node)


_Loader.add_multi_constructor("!", _plain)


@cache
def template(path: Path = TEMPLATE) -> Any:  # noqa: ANN401 - see there
    """The template, or another one. Whoever reads it must not change it."""
    return yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader with one more rule


def parameter_defaults() -> dict[str, str]:
    """Every parameter of the template with its default, as text."""
    return {name: str(described.get("Default", "")) for name, described in template()["Parameters"].items()}


def environment(**told: str) -> dict[str, str]:
    """What the functions are told with every parameter at its default; `told` are all that no parameter says."""
    defaults = parameter_defaults()
    variables: dict[str, Any] = template()["Globals"]["Function"]["Environment"]["Variables"]
    by_default = {name: defaults.get(str(value), str(value)) for name, value in variables.items()}
    return {**by_default, **told}
