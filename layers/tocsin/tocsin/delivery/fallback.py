"""The stand-in: a linked notification that goes another way when one can't be delivered: once, in no circle. Pure."""

import hashlib
from dataclasses import replace
from datetime import datetime

from ulid import ULID

from tocsin.delivery.channel_name import ChannelKind, Target
from tocsin.delivery.notification import Act, DeliveryPolicy, Notification, Status
from tocsin.delivery.store import Change

ACTOR = "fallback"
"""Who asks for a stand-in, as it and the log name it."""
HOPS = 4
"""Channels that may be tried in turn, the first included."""
_TIME = 10
"""Characters at the start of an id that are its time (ULID)."""


def stand_in(row: Notification, otherwise: Target | None, now: datetime, policy: DeliveryPolicy) -> Notification | None:
    """Make what stands in for `row`: by its own fallback, or else its channel's; null: there is none, or it was made.

    Its id is derived from the first of the chain and the channel, so that it is made once whoever makes it.
    """
    target = row.fallback or otherwise
    if row.act is not Act.TRIGGER:
        return None  # elsewhere there is nothing that it could acknowledge or resolve
    if target is None or row.fell_back_to is not None or not _is_another_way(row, target):
        return None
    first = row.fallback_of or row.id
    return Notification(
        id=stand_in_id(first, target),
        type=row.type,
        channel=target.channel,
        recipient=target.recipient,
        subject=row.subject,
        message=row.message,
        severity=row.severity,
        certificate_id=row.certificate_id,
        created_at=now,
        updated_at=now,
        created_by=ACTOR,
        fallback_of=first,
        came_by=(*row.came_by, row.channel),
    ).accepted(now, policy)


def stand_in_id(first: str, target: Target) -> str:
    """Derive the id of a stand-in: of the same time as what it stands in for."""
    digest = hashlib.sha256(f"{first}\n{target}".encode()).digest()
    return first[:_TIME] + str(ULID(digest[:16]))[_TIME:]


def with_stand_in(change: Change, otherwise: Target | None, now: datetime, policy: DeliveryPolicy) -> Change:
    """Let a step that makes a dead letter of a row bring its stand-in with it."""
    if change.after.status is not Status.DEAD or change.before.status is Status.DEAD:
        return change
    made = stand_in(change.after, otherwise, now, policy)
    return change if made is None else Change(change.before, replace(change.after, fell_back_to=made.id), made)


def _is_another_way(row: Notification, target: Target) -> bool:
    if target.channel.kind is ChannelKind.EMAIL and not target.recipient:
        return False  # nobody to write to
    is_new = target.channel not in row.came_by and target != Target(row.channel, row.recipient)
    return is_new and len(row.came_by) + 1 < HOPS
