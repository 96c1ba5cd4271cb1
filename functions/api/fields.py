"""Types of fields that several bodies have, and what the bodies have in common."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.functional_validators import AfterValidator, BeforeValidator

from tocsin.text import is_storable


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


Line = Annotated[str, AfterValidator(storable), AfterValidator(_one_line)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_our_era)]
_LIMIT = 1024
Name = Annotated[Line, Field(min_length=1, max_length=256)]
Text = Annotated[Line, Field(max_length=_LIMIT)]
Id = Annotated[Line, Field(min_length=1, max_length=256)]
ThresholdText = Annotated[str, BeforeValidator(str)]


class Strict(BaseModel):
    """A body: a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """An answer, read off the attributes of what it shows."""

    model_config = ConfigDict(from_attributes=True)
