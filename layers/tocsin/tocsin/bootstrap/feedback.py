"""The wiring of feedback: what a service says of a message that it took, brought to the row that it is about."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tocsin.bootstrap import resources
from tocsin.channels.mail_events import evidence_of
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.evidence import Evidence, EvidenceKind, Later, apply
from tocsin.delivery.fallback import with_stand_in
from tocsin.delivery.store import Change
from tocsin.errors import ConflictError, MalformedEventError, NotFoundError, ResultPendingError
from tocsin.inventory.audit import Action, Kind, event
from tocsin.text import bounded

ACTOR = "delivery_feedback"
TRIES = 5
"""How often a row is read anew because somebody else changed it meanwhile: what holds it longer is worth a retry of
Lambda's."""


class Heard(StrEnum):
    """What became of one event."""

    APPLIED = "applied"
    NOTHING_NEW = "nothing_new"
    """It is of another copy or life, or says what the row says already."""
    NOT_FINAL = "not_final"
    UNKNOWN = "unknown"
    """There is no such row, or no more."""
    MALFORMED = "malformed"


def hear(happened: Mapping[str, Any]) -> Heard:
    """Take one event of SES. Raises ResultPendingError or ConflictError where it must come again."""
    recorder = resources.recorder()
    try:
        evidence = evidence_of(happened)
    except MalformedEventError as error:
        recorder.unreadable(ChannelName.EMAIL, error.detail)
        return Heard.MALFORMED
    if evidence is None:
        resources.logger().info("feedback: nothing final yet", extra={"event_id": bounded(str(happened.get("id")), 64)})
        return Heard.NOT_FINAL
    return take(evidence)


def take(evidence: Evidence) -> Heard:
    """Change the row that `evidence` is about. Raises as `hear`."""
    recorder = resources.recorder()
    try:
        change = _apply(evidence)
    except NotFoundError:
        resources.logger().info("feedback: no such row", extra={"notification_id": evidence.notification_id})
        return Heard.UNKNOWN
    if change is None:
        return Heard.NOTHING_NEW
    recorder.heard(change)
    return Heard.APPLIED


def _apply(evidence: Evidence) -> Change | None:
    """Change the row as `evidence` says, if it says anything new; a lost race is run again at once."""
    for tries_left in reversed(range(TRIES)):
        row = resources.table().get(evidence.notification_id)
        after = apply(row, evidence, resources.now())
        if after is None:
            return None
        if after is Later.LATER:
            raise ResultPendingError(f"notification {row.id}")
        change = with_stand_in(Change(row, after), None, resources.now(), resources.settings().delivery)
        try:
            resources.table().replace(change, *_audited(change, evidence))
        except ConflictError:
            if not tries_left:
                raise
        else:
            return change
    return None


def _audited(change: Change, evidence: Evidence) -> list[dict[str, Any]]:
    """Give the line of the trail that a complaint leaves: the same one for the same complaint, so there is one."""
    at = change.after.complained_at
    if evidence.kind is not EvidenceKind.COMPLAINED or at is None:
        return []
    resource = Kind.NOTIFICATION.resource(change.before.id)
    line = event(Action.RECIPIENT_COMPLAINED, resource, ACTOR, at, recipient=change.before.recipient)
    return [resources.audit_trail().appending(line)]
