"""Channels, and trying them, as the API shows and takes them."""

from typing import Annotated

from fields import Line, Strict, storable
from pydantic import BaseModel, Field, model_validator
from pydantic.functional_validators import AfterValidator

from bodies.notifications import Message, Type
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Severity

DRAFT_LIMIT = 16 * 1024
"""Bytes of UTF-8 in a draft: twice what SSM keeps in an advanced parameter."""


class ChannelOut(BaseModel):
    """A channel, and whether this stack can send through it."""

    name: ChannelName
    configured: bool


class ChannelList(BaseModel):
    """All channels."""

    items: list[ChannelOut]


class ChannelTestIn(Strict):
    """What a test message says and where it goes; all of it may be left out, but mail needs a recipient."""

    recipient: Annotated[Line, Field(max_length=2048)] = ""
    severity: Severity = Severity.INFORMATIONAL


class ChannelTestOut(BaseModel):
    """What came of a test message."""

    result: str
    http_status: int | None
    error: str | None
    retry_after: float | None
    duration_ms: int


class TemplateIn(Strict):
    """A draft. What it leaves out is as it would be without it."""

    subject: Annotated[str, AfterValidator(storable)] | None = None
    body: Annotated[str, AfterValidator(storable)] | None = None
    html: Annotated[str, AfterValidator(storable)] | None = None

    @model_validator(mode="after")
    def _check_size(self) -> "TemplateIn":
        if sum(len(text.encode()) for text in self.given.values()) > DRAFT_LIMIT:
            raise ValueError(f"is over {DRAFT_LIMIT} bytes of UTF-8")
        return self

    @property
    def given(self) -> dict[str, str]:
        """Give the fields that say something."""
        return {name: text for name, text in self.model_dump().items() if text is not None}


class PreviewIn(Strict):
    """A message to be worded, and the draft of a template; by default what is stored."""

    type: Type = "Custom:preview"
    severity: Severity = Severity.INFORMATIONAL
    subject: Annotated[Line, Field(max_length=256)] = ""
    message: Message = "This is how a message looks."
    certificate_id: Annotated[Line, Field(min_length=1, max_length=256)] | None = None
    template: TemplateIn | None = None


class PreviewOut(BaseModel):
    """What a message would say. Nothing was sent."""

    subject: str
    body: str
    html: str | None
    template: str | None
    """The parameter that applies."""
    problem: str | None
    """Why it was not used: these are the default's words then."""
