"""Routes of channels: which are configured (never how), whether one works, and what a message says."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import ServiceError
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
from ulid import ULID

from tocsin.bootstrap import resources, trial
from tocsin.bootstrap.health import health_of_channels
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.audit import Action, Kind, event

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.get("/channels")
def list_channels() -> ChannelList:
    """List all channels: the default one of each kind, and those with a name."""
    return ChannelList(items=[ChannelOut.of(one) for one in health_of_channels()])


@router.post("/channels/<name>/test")
def send_test(name: str, asked: Annotated[ChannelTestIn | None, Body()] = None) -> ChannelTestOut:
    """Send one message by a channel, and say what its provider answered. It is not kept as a notification."""
    channel, said = _named(name), asked or ChannelTestIn()
    if problem := resources.settings().reach.problem(channel, said.recipient):
        raise InvalidFieldsError([FieldProblem("recipient", problem)])
    if resources.settings().is_paused:
        raise ServiceError(HTTPStatus.CONFLICT, "The stack is paused: it sends nothing.")
    row = _message(
        channel,
        resources.now(),
        type="Custom:test",
        recipient=said.recipient,
        subject=f"[Tocsin] Test of {channel}",
        message=f"This is a test of the channel {channel}. Nothing needs to be done.",
        severity=said.severity,
    )
    actor, resource = actor_of(router.current_event), Kind.CHANNEL.resource(channel)
    resources.audit_trail().append(event(Action.CHANNEL_TESTED, resource, actor, row.created_at, message_id=row.id))
    return ChannelTestOut.model_validate(trial.test(row))


@router.post("/channels/<name>/preview")
def show_preview(name: str, asked: Annotated[PreviewIn | None, Body()] = None) -> PreviewOut:
    """Say what a message would be by a channel, by its stored template or by a draft. Nothing is sent."""
    said = asked or PreviewIn()
    row = _message(
        _named(name),
        resources.now(),
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


def _message(channel: ChannelName, now: datetime, **said: Any) -> Notification:  # noqa: ANN401 - of the fields' own types
    return Notification(id=str(ULID.from_datetime(now)), channel=channel, created_at=now, updated_at=now, **said)
