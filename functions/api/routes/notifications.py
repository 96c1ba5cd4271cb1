"""Routes of notifications: create, list, read one, requeue, acknowledge."""

import hashlib
import json
import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from bodies.notifications import NewNotification, NotificationList, NotificationOut, Type
from fields import ULID_PATTERN, Instant
from identity import actor_of, principal_of
from paging import Cursor, Limit, turn_showing_place
from ulid import ULID

from tocsin.bootstrap import delivery, resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.linked import acknowledgement_of, needs_acknowledgement
from tocsin.delivery.notification import Act, Notification, Outcome, Severity, Status
from tocsin.delivery.record import Event
from tocsin.delivery.send import NoLongerTrue
from tocsin.delivery.store import Change
from tocsin.errors import FieldProblem, InvalidFieldsError, NotFoundError, TransitionRefusedError
from tocsin.inventory.audit import Action, Kind, event

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped

_ULID = re.compile(ULID_PATTERN.removesuffix("$"))


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
    type: Annotated[Type | None, Query()] = None,
    channel: Annotated[ChannelName | None, Query()] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    certificate_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    contains: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    deferred: Annotated[bool | None, Query()] = None,
    created_after: Annotated[Instant | None, Query()] = None,
    created_before: Annotated[Instant | None, Query()] = None,
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
    )
    found, after, until = turn_showing_place(
        lambda place: resources.lists().page(filters, limit, place), filters.digest, cursor
    )
    items = [NotificationOut.of(row) for row in found]
    return NotificationList(items=items, next_cursor=after, searched_until=until)


@router.get("/notifications/<id>")
def get(id: str) -> NotificationOut:
    """Read one notification, as it is now."""
    return NotificationOut.of(_found(id))


@router.post("/notifications/<id>/requeue")
def requeue(id: str) -> NotificationOut:
    """Begin a new life for a dead letter: a full budget, the history kept. Only dead ones: anything else is 409."""
    row = _still_true(_found(id))
    requeued = row.requeued(resources.now(), resources.settings().delivery)
    _replace(Change(row, requeued), Action.NOTIFICATION_REQUEUED)
    resources.recorder().requeued(requeued)
    return NotificationOut.of(requeued)


@router.post("/notifications/<id>/read")
def read(id: str) -> NotificationOut:
    """Mark a sent or dead notification read. What is still owed to somebody can't be: 409.

    Where its service keeps an incident open for it, that is acknowledged there as well.
    """
    row = _found(id)
    now = resources.now()
    acknowledged = row.acknowledged(now)
    told = None
    if needs_acknowledgement(row):
        told = acknowledgement_of(row, actor_of(router.current_event), now, resources.settings().delivery)
    _replace(Change(row, acknowledged), Action.NOTIFICATION_READ, also=told)
    resources.recorder().acknowledged(acknowledged)
    return NotificationOut.of(acknowledged)


def _replace(change: Change, action: Action, also: Notification | None = None) -> None:
    """Write a step that somebody asks for, who it was, and `also` a notification that follows from it."""
    row, after = change.before, change.after
    actor, resource = actor_of(router.current_event), Kind.NOTIFICATION.resource(row.id)
    why = {"last_error": row.last_error} if row.last_error else {}
    line = event(action, resource, actor, after.updated_at, was=row.status, **why)
    table = resources.table()
    follows = [table.beginning(also)] if also else []
    table.replace(change, resources.audit_trail().appending(line), *follows)
    if also:
        resources.recorder().created(also)


def _still_true(row: Notification) -> Notification:
    """Give a dead letter in words that are true now. One that no longer is becomes superseded, and is refused."""
    verdict = delivery.review([row]).get(row.id) if row.status is Status.DEAD else None
    if not isinstance(verdict, NoLongerTrue):
        return row
    change = Change(row, row.superseded(verdict.reason, resources.now()))
    resources.table().replace(change)
    resources.recorder().observe(Event.SETTLED, change)
    raise TransitionRefusedError(f"can't requeue: it is superseded now, because {verdict.reason}")


def _found(id: str) -> Notification:
    if not _ULID.fullmatch(id):
        raise NotFoundError(f"notification {id[:64]!r}")
    return resources.table().get(id)


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
        opened = _found(id)
    except NotFoundError:
        raise InvalidFieldsError([FieldProblem("about", "names no notification")]) from None
    if opened.channel != channel:
        raise InvalidFieldsError([FieldProblem("about", f"names a notification by {opened.channel}, not {channel}")])
    if opened.act is not Act.TRIGGER:
        raise InvalidFieldsError([FieldProblem("about", f"names a notification that is to {opened.act} another")])
