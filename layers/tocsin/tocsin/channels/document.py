"""What the stored document of every channel may say, whatever its kind."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tocsin.delivery.channel_name import Target
from tocsin.delivery.circuit import Terms


def _target(text: str) -> str:
    if text:
        Target.parse(text)  # its ValueError says what a name looks like
    return text


class ChannelDocument(BaseModel):
    """One SecureString in SSM, a JSON object. Each kind adds its own fields. Errors about it repeat no value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    PER_MINUTE: ClassVar[int | None] = None
    """Messages a minute that the provider publishes as its limit; null: it publishes none."""

    per_minute: Annotated[int, Field(ge=1, le=600_000)] | None = None
    """Messages a minute that go out at most; by default the provider's published limit."""
    fallback: Annotated[str, AfterValidator(_target), Field(max_length=2048)] = ""
    """Where what this channel can't deliver goes: a channel, and behind a space a recipient; empty: nowhere."""
    fallback_after_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    """Minutes that the channel may be held or out of reach before what waits for it goes to the fallback."""

    def terms(self) -> Terms:
        """Say on what terms it is sent by the channel."""
        return Terms(
            per_minute=self.per_minute or self.PER_MINUTE,
            fallback=Target.parse(self.fallback) if self.fallback else None,
            fallback_after=timedelta(minutes=self.fallback_after_minutes),
        )

    def warning(self) -> str | None:
        """Say what an operator should know of a document that is valid, such as that its service ends; or None."""
        return None
