"""Channels, and trying them, as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Self

from fields import Line, Says, Strict, storable
from pydantic import BaseModel, Field, model_validator
from pydantic.functional_validators import AfterValidator

from bodies.notifications import Message, Type
from tocsin.bootstrap.health import Health
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import State
from tocsin.delivery.notification import Severity

DRAFT_LIMIT = 16 * 1024
"""Bytes of UTF-8 in a draft: twice what SSM keeps in an advanced parameter."""


class CircuitOut(BaseModel):
    """What is known of a destination: a channel, or a host or topic that notifications name themselves."""

    name: str
    state: State
    """`closed`: everything goes. `open`: it hangs, `held`: the channel is broken; what goes there waits then."""
    since: datetime | None
    reason: str | None
    next_look_at: datetime | None
    """When one is let through next, or what waits is looked after."""
    waiting: int
    """Notifications that wait for it, counted up to 10,000."""


class ChannelOut(BaseModel):
    """A channel, whether this stack can send through it, and how it does. No secret, and nothing of its document."""

    name: ChannelName
    configured: bool
    state: State
    """The worst of its circuits."""
    last_delivered_at: datetime | None
    """To a few minutes: workers tell each other seldom."""
    last_failed_at: datetime | None
    last_error: str | None
    circuits: list[CircuitOut]
    """Those that somebody looks at: not closed, or with rows that wait."""
    warning: str | None

    @classmethod
    def of(cls, health: Health) -> Self:
        """Show `health`."""
        return cls(
            name=health.name,
            configured=health.configured,
            state=health.state,
            last_delivered_at=health.known.delivered_at,
            last_failed_at=health.known.failed_at,
            last_error=health.known.last_error,
            circuits=[
                CircuitOut(
                    name=circuit.name,
                    state=circuit.state,
                    since=circuit.since,
                    reason=circuit.reason,
                    next_look_at=circuit.look_at,
                    waiting=waiting,
                )
                for circuit, waiting in health.circuits
            ],
            warning=health.name.warning if health.configured else None,
        )


class ChannelList(BaseModel):
    """All channels: the default one of each kind, and those with a name."""

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


Draft = Annotated[
    str,
    AfterValidator(storable),
    Says(
        {
            "minLength": 1,
            "maxLength": DRAFT_LIMIT,
            "description": f"Jinja that says something. All parts together: at most {DRAFT_LIMIT:,} bytes of UTF-8.",
        }
    ),
]


class TemplateIn(Strict):
    """A draft. What it leaves out is as it would be without it."""

    subject: Draft | None = None
    body: Draft | None = None
    html: Draft | None = None

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
