"""Routes of notifications: create, list, read one, requeue, acknowledge."""

import hashlib
import json
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query
from bodies.dead_letters import GroupId, GroupList
from bodies.notifications import AnyType, NewNotification, NotificationList, NotificationOut, Why
from fields import Instant
from identity import actor_of, principal_of
from paging import Cursor, Limit, turn_showing_place
from ulid import ULID

from tocsin.bootstrap import operating, resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Act, Notification, Outcome, Severity, Status
from tocsin.errors import FieldProblem, InvalidFieldsError, NotFoundError

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.post("/notifications", responses={202: {"description": "Accepted: it will be delivered, or die visibly."}})
def create(
    new: NewNotification,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
) -> Response[NotificationOut]:
    """Accept an alert. The same Idempotency-Key, role and body give the same notification; another body is 422."""
    now = resources.now()
    if new.about:
        _check_opened(new.about, new.channel)
    row = Notification(
        id=_new_id(idempotency_key, now),
        created_by=actor_of(router.current_event),
        subject=new.subject or f"[Tocsin] {new.type}",
        created_at=now,
        updated_at=now,
        fingerprint=_fingerprint(new) if idempotency_key else None,
        fallback=new.target,
        **new.model_dump(exclude={"subject", "fallback"}),
    ).accepted(now, resources.settings().delivery)
    stored = resources.table().insert(row)
    if stored.created_at == row.created_at:  # not one that the key made before
        resources.recorder().created(row)
    return Response(
        HTTPStatus.ACCEPTED,
        content_types.APPLICATION_JSON,  # without it the body stays a dict, which API Gateway answers with 502
        NotificationOut.of(stored),
        headers={"Location": f"/api/v1/notifications/{stored.id}"},
    )


@router.get("/notifications")
def list_notifications(  # noqa: PLR0913, PLR0917 - one argument for each parameter of the query
    status: Annotated[Status | None, Query()] = None,
    type: Annotated[AnyType | None, Query()] = None,
    channel: Annotated[ChannelName | None, Query()] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    certificate_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    contains: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    deferred: Annotated[bool | None, Query()] = None,
    created_after: Annotated[Instant | None, Query()] = None,
    created_before: Annotated[Instant | None, Query()] = None,
    error_group: Annotated[GroupId | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> NotificationList:
    """List notifications, newest first; dead letters by the time of their death."""
    filters = Filters(
        status=status,
        type=type,
        channel=channel,
        outcome=outcome,
        severity=severity,
        certificate_id=certificate_id,
        contains=contains,
        deferred=deferred,
        created_after=created_after,
        created_before=created_before,
        error_group=error_group,
    )
    found, after, until = turn_showing_place(
        lambda place: resources.lists().page(filters, limit, place), filters.digest, cursor
    )
    items = [NotificationOut.of(row) for row in found]
    return NotificationList(items=items, next_cursor=after, searched_until=until)


@router.get("/notifications/<id>")
def get(id: str) -> NotificationOut:
    """Read one notification, as it is now."""
    return NotificationOut.of(operating.notification(id))


@router.post("/notifications/<id>/requeue")
def requeue(id: str, why: Annotated[Why | None, Body()] = None) -> NotificationOut:
    """Begin a new life for a dead letter: a full budget, the history kept. Only dead ones: anything else is 409."""
    return NotificationOut.of(operating.requeue(id, actor_of(router.current_event), why and why.reason))


@router.post("/notifications/<id>/read")
def read(id: str, why: Annotated[Why | None, Body()] = None) -> NotificationOut:
    """Mark a sent or dead notification read. What is still owed to somebody can't be: 409.

    Where its service keeps an incident open for it, that is acknowledged there as well.
    """
    return NotificationOut.of(operating.acknowledge(id, actor_of(router.current_event), why and why.reason))


@router.get("/dead-letter-groups")
def group(
    type: Annotated[AnyType | None, Query()] = None,
    channel: Annotated[ChannelName | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    certificate_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    contains: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
) -> GroupList:
    """Group the dead letters by what they died of, the largest group first.

    At most 10,000 are looked at, those that died last first; `complete` says whether those were all.
    """
    filters = Filters(type=type, channel=channel, severity=severity, certificate_id=certificate_id, contains=contains)
    return GroupList.of(operating.dead_letter_groups(filters))


def _new_id(idempotency_key: str | None, now: datetime) -> str:
    """Make an id: from the key where there is one, so that the same key of the same caller names the same row."""
    if idempotency_key is None:
        return str(ULID.from_datetime(now))
    text = json.dumps([principal_of(router.current_event), idempotency_key])
    return str(ULID(hashlib.sha256(text.encode()).digest()[:16]))


def _fingerprint(new: NewNotification) -> str:
    """Hash a body. What keys were used with before there were these fields is the same body as without them."""
    unsaid = {name for name in ("fallback", "about") if getattr(new, name) is None}
    unsaid |= {"act"} if new.act is Act.TRIGGER else set()
    return hashlib.sha256(new.model_dump_json(exclude=unsaid).encode()).hexdigest()[:32]


def _check_opened(id: str, channel: ChannelName) -> None:
    """Refuse an `about` that opened nothing by this channel."""
    try:
        opened = operating.notification(id)
    except NotFoundError:
        raise InvalidFieldsError([FieldProblem("about", "names no notification")]) from None
    if opened.channel != channel:
        raise InvalidFieldsError([FieldProblem("about", f"names a notification by {opened.channel}, not {channel}")])
    if opened.act is not Act.TRIGGER:
        raise InvalidFieldsError([FieldProblem("about", f"names a notification that is to {opened.act} another")])
