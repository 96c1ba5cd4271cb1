"""Reading a channel's configuration from its text, with errors that name what is wrong and repeat nothing."""

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tocsin.channels.channel import retryable
from tocsin.delivery.attempt import Refused
from tocsin.delivery.notification import ChannelName

Config = TypeVar("Config", bound=BaseModel)

_FIELD_NAME = re.compile(r"[a-z_]{1,32}|[0-9]{1,4}")
"""What a field or an index looks like: a key of another form may be a secret in the wrong place."""


def configuration(name: ChannelName, model: type[Config], text: str) -> Config | Refused:
    """Read `text` as `model`; an operator can mend what is not valid, so that is retryable."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        return retryable(f"the configuration of {name} is not valid: {_problems(error)}")


def _problems(error: ValidationError) -> str:
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{_place(detail['loc'])}: {detail['msg']}" for detail in details)


def _place(location: tuple[int | str, ...]) -> str:
    parts = (str(part) for part in location)
    return ".".join(part if _FIELD_NAME.fullmatch(part) else "?" for part in parts) or "the text"
