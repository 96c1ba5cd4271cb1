"""What the bodies of the inventory have in common."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from wire import Line

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
