"""Routes of channels: which are configured (never how), whether one works, and what a message says."""

from typing import Annotated
from urllib.parse import unquote

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body
from bodies.channels import (
    ChannelList,
    ChannelOut,
    ChannelTestIn,
    ChannelTestOut,
    PreviewIn,
    PreviewOut,
)
from identity import actor_of

from tocsin.bootstrap import trial
from tocsin.bootstrap.health import health_of_channels
from tocsin.delivery.channel_name import ChannelName
from tocsin.errors import FieldProblem, InvalidFieldsError

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.get("/channels")
def list_channels() -> ChannelList:
    """List all channels: the default one of each kind, and those with a name."""
    return ChannelList(items=[ChannelOut.of(one) for one in health_of_channels()])


@router.post("/channels/<name>/test")
def send_test(name: str, asked: Annotated[ChannelTestIn | None, Body()] = None) -> ChannelTestOut:
    """Send one message by a channel, and say what its provider answered. It is not kept as a notification."""
    said = asked or ChannelTestIn()
    found = trial.send_test(_named(name), said.recipient, said.severity, actor_of(router.current_event))
    return ChannelTestOut.model_validate(found)


@router.post("/channels/<name>/preview")
def show_preview(name: str, asked: Annotated[PreviewIn | None, Body()] = None) -> PreviewOut:
    """Say what a message would be by a channel, by its stored template or by a draft. Nothing is sent."""
    said = asked or PreviewIn()
    row = trial.message(
        _named(name),
        type=said.type,
        recipient="",
        subject=said.subject or f"[Tocsin] {said.type}",
        message=said.message,
        severity=said.severity,
        certificate_id=said.certificate_id,
    )
    return PreviewOut.model_validate(trial.preview(row, said.template.given if said.template else None))


def _named(name: str) -> ChannelName:
    """Read a channel's name off a path, in which clients may write the colon as `%3A`, or as a dot.

    The dot is for curl, which signs neither a colon nor its escape as AWS does (SigV4 wants the path encoded twice).
    """
    try:
        return ChannelName(unquote(name).replace(".", ":", 1))
    except ValueError as error:
        raise InvalidFieldsError([FieldProblem("name", str(error))]) from None
