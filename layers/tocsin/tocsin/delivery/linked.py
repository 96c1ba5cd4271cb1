"""What acknowledges or resolves another notification: how it is made, and when it may go. Pure, but for `reviewer`.

A service that keeps incidents drops what comes for one that is closed, and opens a new one for a trigger that comes
after its resolve, which nobody would close. So their order is kept here, by what is stored when one is about to go:

| about to go             | what it is about, or what is about it                      | then                      |
|-------------------------|------------------------------------------------------------|---------------------------|
| resolve, acknowledgement| is still owed, or in a worker's hands                      | too early                 |
|                         | is done, and nobody can have it                            | superseded                |
|                         | is done, and somebody may have it                          | goes, with its receipt    |
|                         | is gone: it was sent long ago, or by others                | goes                      |
| resolve                 | lives again, or another one resolves it                    | superseded                |
| acknowledgement         | lives again, or is being resolved                          | superseded                |
| trigger                 | is being resolved, or was                                  | superseded                |
|                         | a resolve of its former life is in a worker's hands        | too early                 |

That holds whatever is read late, because each of them is claimed before it is asked, and a resolve is written in one
transaction with `resolved_by` of what it is about: of two that meet, the later one sees the other.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ulid import ULID

from tocsin.delivery.notification import Act, DeliveryPolicy, Notification
from tocsin.delivery.send import NoLongerTrue, Retold, Review, TooEarly, Verdict
from tocsin.delivery.store import Fetched

CLOSER = "certificate_lifecycle"
"""Who resolves the alerts of a cycle that ended, as they and the log name it."""
_TIME = 10
"""Characters at the start of an id that are its time (ULID)."""


class Rows(Protocol):
    """Where notifications are kept."""

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        """Read many rows, by `is_consistent` as they are now."""


def resolve_of(trigger: Notification, reason: str, now: datetime, policy: DeliveryPolicy) -> Notification:
    """Make what resolves `trigger`. It matters as much: what was opened at night is to be closed as persistently."""
    message = f"It is over: {reason}. This closes: {trigger.subject}"
    return _linked(trigger, Act.RESOLVE, CLOSER, message, now).accepted(now, policy)


def acknowledgement_of(trigger: Notification, by: str, now: datetime, policy: DeliveryPolicy) -> Notification:
    """Make what says at its service that somebody has seen `trigger`."""
    return _linked(trigger, Act.ACKNOWLEDGE, by, "It was marked read in Tocsin.", now).accepted(now, policy)


def linked_id(trigger: str, act: Act) -> str:
    """Derive the id of what does `act` to a trigger, so that it is made once, however often that is asked for."""
    digest = hashlib.sha256(f"{trigger}\n{act}".encode()).digest()
    return trigger[:_TIME] + str(ULID(digest[:16]))[_TIME:]


def needs_resolve(row: Notification) -> bool:
    """Tell whether an incident may be open, or be opened just now, that nobody resolves yet."""
    is_trigger = row.act is Act.TRIGGER and row.channel.keeps_incidents
    return is_trigger and row.resolved_by is None and (row.may_be_there or row.claim_token is not None)


def needs_acknowledgement(row: Notification) -> bool:
    """Tell whether an incident is open that somebody has now seen."""
    return row.act is Act.TRIGGER and row.channel.keeps_incidents and row.is_out and row.resolved_by is None


def reviewer(rows: Rows, clock: Callable[[], datetime]) -> Review:
    """Make what `delivery` asks of claimed rows that belong to an incident; of others nothing is read."""

    def review(asked: Sequence[Notification]) -> Mapping[str, Verdict]:
        wanted = {row.id: _related(row) for row in asked}
        ids = [id_ for related in wanted.values() for id_ in related]
        if not ids:
            return {}
        try:
            fetched = rows.fetch(list(dict.fromkeys(ids)), is_consistent=True)
        except Exception:  # an alert must not wait for what it is not about; what only follows one can
            logging.getLogger(__name__).exception("%d rows of incidents could not be reviewed", len(asked))
            return {row.id: TooEarly("what it is about can't be read") for row in asked if row.about}
        found = {row.id: row for row in (*fetched.rows, *(one.row for one in fetched.malformed))}
        now = clock()
        verdicts = {row.id: _verdict(row, [found.get(id_) for id_ in wanted[row.id]], now) for row in asked}
        return {id_: verdict for id_, verdict in verdicts.items() if verdict is not None}

    return review


def _related(row: Notification) -> tuple[str, ...]:
    """Name the rows on which it depends whether `row` may go."""
    if row.about is not None:
        return (row.about,)
    return (row.id, linked_id(row.id, Act.RESOLVE)) if row.channel.keeps_incidents else ()


def _verdict(row: Notification, related: Sequence[Notification | None], now: datetime) -> Verdict | None:
    if not related:
        return None
    first, *rest = related
    if row.about is not None:
        return None if first is None else _verdict_of_linked(row, first)
    if first is not None and first.resolved_by is not None:
        return NoLongerTrue(f"it is over: {first.resolved_by} resolves it")
    resolve = next((other for other in rest if other is not None), None)
    if resolve is not None and resolve.is_in_hand(now):
        return TooEarly("a resolve of its former life is still on its way")
    return None


def _verdict_of_linked(row: Notification, trigger: Notification) -> Verdict:
    if row.act is Act.RESOLVE and trigger.resolved_by != row.id:
        return NoLongerTrue("another one resolves it" if trigger.resolved_by else "what it is about is true again")
    if row.act is Act.ACKNOWLEDGE and trigger.resolved_by is not None:
        return NoLongerTrue("what it is about is over")
    if row.act is Act.ACKNOWLEDGE and trigger.created_at > row.created_at:
        return NoLongerTrue("what it is about began a new life")
    if trigger.is_owed:
        return TooEarly(f"{trigger.id}, which it is about, is still on its way")
    if not trigger.may_be_there:
        return NoLongerTrue(f"nothing to {row.act}: {trigger.id} never went out")
    return Retold(replace(row, receipt=trigger.receipt))


def _linked(trigger: Notification, act: Act, by: str, message: str, now: datetime) -> Notification:
    return Notification(
        id=linked_id(trigger.id, act),
        type=trigger.type,
        channel=trigger.channel,
        recipient=trigger.recipient,
        subject=trigger.subject,
        message=message,
        severity=trigger.severity,
        certificate_id=trigger.certificate_id,
        created_by=by,
        act=act,
        about=trigger.id,
        created_at=now,
        updated_at=now,
    )
