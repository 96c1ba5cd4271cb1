"""Types of fields that several bodies have, and what the bodies have in common."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.functional_validators import AfterValidator, BeforeValidator

from tocsin.inventory.certificate import KEY_SIZE_LIMIT
from tocsin.inventory.tags import KEY_LIMIT, TAGS_LIMIT, VALUE_LIMIT
from tocsin.text import is_storable


@dataclass(frozen=True, slots=True, eq=False)  # pydantic hashes it, and a mapping has no hash
class Says:
    """What the API's description says of a type beside what pydantic sees: that which its validators enforce.

    It must never allow what is refused. What it leaves out and is taken nevertheless does no harm.
    """

    more: Mapping[str, object]

    def __get_pydantic_json_schema__(self, schema: object, handler: Callable[[object], dict[str, Any]]) -> object:
        """Add it (pydantic, "JSON Schema", implementing `__get_pydantic_json_schema__`)."""
        return {**handler(schema), **self.more}


def storable(text: str) -> str:
    """Refuse what no UTF-8 can hold."""
    if not is_storable(text):
        raise ValueError("holds half a character (a lone surrogate)")
    return text


def _one_line(text: str) -> str:
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("must be one line without control characters")
    return text


def _written_out(value: object) -> object:
    digits = isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"[-+.0-9]*", value))
    if digits:  # pydantic takes them as seconds since 1970
        raise ValueError("must be a time of RFC 3339, like 2026-01-02T03:04:05Z")
    return value


def _in_our_era(at: datetime) -> datetime:
    if (
        not datetime(1970, 1, 1, tzinfo=UTC) <= at < datetime(9999, 1, 1, tzinfo=UTC)
    ):  # as fixed-width text, in any zone
        raise ValueError("must be from 1970 to 9998")
    return at


def whole(value: object) -> object:
    """Take 5.0 as 5, for a strict integer: JSON has one kind of number, and its schema counts both as integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


LINE_PATTERN = r"^[^\x00-\x1f\x7f]*$"
_ONE_LINE = Says({"pattern": LINE_PATTERN})
_YEARS = Says({"pattern": "^(197[1-9]|19[89][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-7])-"})
"""1971 to 9997: with the days at both ends that are in our era in one zone and not in another left out."""

Line = Annotated[str, AfterValidator(storable), AfterValidator(_one_line), _ONE_LINE]
Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_our_era), _YEARS]
_LIMIT = 1024
_NAME_LIMIT = 256
Name = Annotated[Line, Field(min_length=1, max_length=_NAME_LIMIT)]
Text = Annotated[Line, Field(max_length=_LIMIT)]
Id = Annotated[Line, Field(min_length=1, max_length=256)]
ULID_PATTERN = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
Named = Annotated[str, Says({"minLength": 1, "maxLength": _NAME_LIMIT, "pattern": LINE_PATTERN})]
"""The name of a policy, an owner or a team, which the domain checks."""
Bits = Annotated[int, Field(ge=1, le=KEY_SIZE_LIMIT, strict=True), BeforeValidator(whole)]
_TAG_LETTERS = r"A-Za-z0-9 \u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af_.:/=+@-"
"""Of Unicode's letters those of the Latin script: not every reader of patterns knows Unicode's classes."""
Tags = Annotated[
    dict[str, str],
    Says(
        {
            "maxProperties": TAGS_LIMIT,
            "propertyNames": {
                "minLength": 1,
                "maxLength": KEY_LIMIT,
                "pattern": f"^(?![aA][wW][sS]:)[{_TAG_LETTERS}]+$",
            },
            "additionalProperties": {"type": "string", "maxLength": VALUE_LIMIT, "pattern": f"^[{_TAG_LETTERS}]*$"},
        }
    ),
]
"""Tags, which the domain checks: it names each that is wrong."""
ThresholdText = Annotated[str, BeforeValidator(str)]


class Strict(BaseModel):
    """A body: a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """An answer, read off the attributes of what it shows."""

    model_config = ConfigDict(from_attributes=True)
