"""Trying a channel: one message that is really sent, or one that is only worded.

Only those that send may read what channels are configured with. So the API asks `dispatch`, by `ask`, and waits for
what `answer` says there.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from ulid import ULID

from tocsin.bootstrap import delivery, resources
from tocsin.channels.wording import Wording
from tocsin.delivery.attempt import Accepted, Broken, Delivered, NotConfigured, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Severity
from tocsin.errors import (
    FieldProblem,
    InvalidFieldsError,
    NoAnswerError,
    NotFoundError,
    PausedError,
    SenderUnavailableError,
)
from tocsin.inventory.audit import Action, Kind, event

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

WAIT_SECONDS = 25
"""How long the API waits: two tries of 10 seconds, where a key was rotated, and less than API Gateway's 29."""
_RESULTS: dict[type[SendResult], str] = {
    Accepted: "accepted",
    Delivered: "delivered",
    NotConfigured: "skipped_no_channel",
    Throttled: "throttled",
    Broken: "broken",
}
"""How a result is called; a refusal by its own class."""


@cache
def _lambda() -> "LambdaClient":
    waits = Config(
        connect_timeout=resources.CONNECT_SECONDS,
        read_timeout=WAIT_SECONDS,
        retries={"total_max_attempts": 1},  # a second try would send a second message
    )
    made: LambdaClient = resources.client("lambda", waits)
    return made


def send_test(
    channel: ChannelName, recipient: str, severity: Severity, actor: str, reason: str | None = None
) -> Mapping[str, Any]:
    """Send one message by a channel on behalf of `actor`, who may say why, and say what its provider answered.

    It is not kept as a notification. Raises InvalidFieldsError for a recipient that the channel can't take,
    PausedError, NotFoundError for a channel that is not configured, SenderUnavailableError, NoAnswerError.
    """
    if problem := resources.settings().reach.problem(channel, recipient):
        raise InvalidFieldsError([FieldProblem("recipient", problem)])
    if resources.settings().is_paused:
        raise PausedError
    row = message(
        channel,
        type="Custom:test",
        recipient=recipient,
        subject=f"[Tocsin] Test of {channel}",
        message=f"This is a test of the channel {channel}. Nothing needs to be done.",
        severity=severity,
    )
    why = {"reason": reason} if reason else {}
    line = event(Action.CHANNEL_TESTED, Kind.CHANNEL.resource(channel), actor, row.created_at, message_id=row.id, **why)
    resources.audit_trail().append(line)
    return test(row)


def message(channel: ChannelName, **said: Any) -> Notification:  # noqa: ANN401 - of the fields' own types
    """Make a notification that is never kept."""
    now = resources.now()
    return Notification(id=str(ULID.from_datetime(now)), channel=channel, created_at=now, updated_at=now, **said)


def test(row: Notification) -> Mapping[str, Any]:
    """Have `row` sent by its channel, once, and say what came of it; raise NotFoundError where there is none."""
    found = ask({"test": _written(row)})
    if found["result"] == _RESULTS[NotConfigured]:
        raise NotFoundError(f"the channel {row.channel} is not configured")
    return found


def preview(row: Notification, draft: Mapping[str, str] | None) -> Mapping[str, Any]:
    """Have `row` worded, by `draft` if there is one; raise InvalidFieldsError where that can't be used."""
    found = ask({"preview": _written(row) | {"template": draft}})
    if refused := found.get("refused"):
        raise InvalidFieldsError([FieldProblem(**one) for one in refused])
    return found


def ask(what: Mapping[str, Any]) -> dict[str, Any]:
    """Ask `dispatch`, and wait; raise SenderUnavailableError or NoAnswerError."""
    name = f"{resources.settings().stack}-dispatch:live"
    try:
        answered = _lambda().invoke(FunctionName=name, Payload=json.dumps(what).encode())
        text = answered["Payload"].read()
    except HTTPClientError:  # a read timeout, a closed connection; connection errors are a branch apart
        raise NoAnswerError from None
    except ClientError as error:
        raise SenderUnavailableError(str(error.response["Error"].get("Code"))) from None
    except BotoCoreError as error:
        raise SenderUnavailableError(type(error).__name__) from None
    if answered.get("FunctionError"):
        raise SenderUnavailableError("It failed, and its log says why.")
    found: dict[str, Any] = json.loads(text)
    return found


def answer(event: Mapping[str, Any]) -> dict[str, Any]:
    """Do in `dispatch` what `ask` asks for."""
    try:
        if "test" in event:
            return asyncio.run(_sent(_read(event["test"])))
        return asyncio.run(_worded(_read(event["preview"]), event["preview"]["template"]))
    finally:
        resources.finish()


async def _sent(row: Notification) -> dict[str, Any]:
    async with delivery.open_channels() as channels:
        began = resources.now()
        result = await channels.send(row)
        took = resources.now() - began
        await delivery.learn(channels, row, result)
    said = {
        "result": str(result.failure) if isinstance(result, Refused) else _RESULTS[type(result)],
        "http_status": getattr(result, "http_status", None),
        "error": getattr(result, "error", None),
        "retry_after": getattr(result, "retry_after", None),
        "duration_ms": max(0, round(took.total_seconds() * 1000)),
    }
    resources.recorder().logger.info("tested", {"notification_id": row.id, "channel": row.channel} | said)
    return said


async def _worded(row: Notification, draft: Mapping[str, str] | None) -> dict[str, Any]:
    from tocsin.channels.registry import KINDS  # noqa: PLC0415 - see `delivery.open_channels`
    from tocsin.channels.template import TemplateRefusedError, problems_of, worded  # noqa: PLC0415 - the same
    from tocsin.channels.wording import Links, as_it_is  # noqa: PLC0415 - the same

    kind = KINDS.get(row.channel.kind)
    escape = kind.escape if kind else as_it_is
    if draft is None:
        async with delivery.open_words() as words:
            said = await words.said(row, escape)
        return _shown(said.wording, said.template and f"{delivery.template_prefix()}/{said.template}")
    problems = problems_of(draft, row.channel)
    try:
        if not problems:
            return _shown(worded(row, draft, escape, Links(resources.settings().link_base)), None)
    except TemplateRefusedError as error:
        problems = [error.problem]
    return {"refused": [{"field": f"template.{one.field}", "detail": one.detail} for one in problems]}


def _shown(wording: Wording, template: str | None) -> dict[str, Any]:
    return asdict(wording) | {"template": template}


def _written(row: Notification) -> dict[str, Any]:
    """Write what of a notification a message is made of."""
    names = ("id", "type", "channel", "recipient", "subject", "message", "severity", "certificate_id")
    return {name: getattr(row, name) for name in names}


def _read(asked: Mapping[str, Any]) -> Notification:
    now = resources.now()
    return Notification(
        id=asked["id"],
        type=asked["type"],
        channel=ChannelName(asked["channel"]),
        recipient=asked["recipient"],
        subject=asked["subject"],
        message=asked["message"],
        severity=Severity(asked["severity"]),
        certificate_id=asked["certificate_id"],
        created_at=now,
        updated_at=now,
    )
