"""Rules of which only what a test names matters."""

from collections.abc import Mapping
from typing import Any

from tests.support.inventory import T0
from tocsin.inventory.rules.rule import Rule, parse_rule


def a_rule(type_: str, config: Mapping[str, object], **fields: Any) -> Rule:
    """Make a rule of all certificates; raise InvalidFieldsError."""
    boring: dict[str, Any] = {"id_": "r1", "name": "a rule", "now": T0}
    return parse_rule(**(boring | fields), type_=type_, config=config)
