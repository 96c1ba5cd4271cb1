"""Routes of channels: which are configured. Never how."""

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel

from tocsin.bootstrap import delivery
from tocsin.delivery.channel_name import ChannelKind, ChannelName

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


class ChannelOut(BaseModel):
    """A channel, and whether this stack can send through it."""

    name: ChannelName
    configured: bool


class ChannelList(BaseModel):
    """All channels."""

    items: list[ChannelOut]


@router.get("/channels")
def list_channels() -> ChannelList:
    """List all channels: the default one of each kind, and those with a name."""
    configured = delivery.configured_channels()
    names = sorted({*map(ChannelName, ChannelKind), *configured})
    return ChannelList(items=[ChannelOut(name=name, configured=name in configured) for name in names])
