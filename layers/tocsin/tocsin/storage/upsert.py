"""An update of an item that may not be there yet, as an action of a transaction."""

from collections.abc import Iterable, Mapping
from typing import Any


def upserting(
    table: str,
    key: Mapping[str, Any],
    *,
    sets: Mapping[str, Any] | None = None,
    once: Mapping[str, Any] | None = None,
    removes: Iterable[str] = (),
    adds: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Give the action that `sets` attributes, sets others `once` (where they are not there), `removes` and `adds`.

    At least one attribute is set.
    """
    sets, once, adds = sets or {}, once or {}, adds or {}
    alias = {name: f"n{number}" for number, name in enumerate(sorted({*sets, *once, *removes, *adds}))}
    parts = [f"#{alias[name]} = :{alias[name]}" for name in sets]
    parts += [f"#{alias[name]} = if_not_exists(#{alias[name]}, :{alias[name]})" for name in once]
    expression = f"SET {', '.join(parts)}"
    if gone := ", ".join(f"#{alias[name]}" for name in sorted(removes)):
        expression += f" REMOVE {gone}"
    if added := ", ".join(f"#{alias[name]} :{alias[name]}" for name in adds):
        expression += f" ADD {added}"
    steps = {name: {"N": str(step)} for name, step in adds.items()}
    return {
        "Update": {
            "TableName": table,
            "Key": dict(key),
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{short}": name for name, short in alias.items()},
            "ExpressionAttributeValues": {
                f":{alias[name]}": value for name, value in {**sets, **once, **steps}.items()
            },
        }
    }
