"""What operators do and look at, whichever way they come: by the API, or by the widget's functions."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tocsin.bootstrap import delivery, resources
from tocsin.delivery.filters import Filters
from tocsin.delivery.grouping import Group, grouped
from tocsin.delivery.linked import acknowledgement_of, needs_acknowledgement
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event
from tocsin.delivery.send import NoLongerTrue
from tocsin.delivery.store import Change
from tocsin.errors import NotFoundError, TransitionRefusedError
from tocsin.inventory.audit import Action, Kind, event

EXAMINED = 10_000
"""Dead letters that grouping looks at, those that died last first."""
SECONDS = 10.0
"""How long it may take: API Gateway gives up after 29."""

_ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")


@dataclass(frozen=True, slots=True)
class Grouped:
    """The dead letters by what they died of, the largest group first."""

    groups: Sequence[Group]
    examined: int
    """How many were looked at, whether they were wanted or not."""
    complete: bool
    """Whether those were all."""


def notification(id_: str) -> Notification:
    """Read one notification, as it is now; raise NotFoundError."""
    if not _ULID.fullmatch(id_):
        raise NotFoundError(f"notification {id_[:64]!r}")
    return resources.table().get(id_)


def requeue(id_: str, actor: str, reason: str | None = None) -> Notification:
    """Begin a new life for a dead letter, on behalf of `actor`, who may say why.

    Raises NotFoundError; TransitionRefusedError where it is not dead, or no longer true, which makes it superseded;
    ConflictError where somebody else changed it first.
    """
    row = _still_true(notification(id_))
    requeued = row.requeued(resources.now(), resources.settings().delivery)
    _replace(Change(row, requeued), Action.NOTIFICATION_REQUEUED, actor, reason)
    resources.recorder().requeued(requeued)
    return requeued


def acknowledge(id_: str, actor: str, reason: str | None = None) -> Notification:
    """Mark a sent or dead notification read, on behalf of `actor`, who may say why.

    Where its service keeps an incident open for it, that is acknowledged there as well. Raises NotFoundError;
    TransitionRefusedError where it is still owed to somebody; ConflictError where somebody else changed it first.
    """
    row = notification(id_)
    now = resources.now()
    acknowledged = row.acknowledged(now)
    told = None
    if needs_acknowledgement(row):
        told = acknowledgement_of(row, actor, now, resources.settings().delivery)
    _replace(Change(row, acknowledged), Action.NOTIFICATION_READ, actor, reason, also=told)
    resources.recorder().acknowledged(acknowledged)
    return acknowledged


def dead_letter_groups(filters: Filters, seconds: float = SECONDS, examined: int = EXAMINED) -> Grouped:
    """Group the dead letters that `filters` want, in at most `seconds` and of at most `examined` that are looked at.

    Those that died last come first, so that what is left out is old. Raises ClientError.
    """
    walk = _Walk(time.monotonic() + seconds, examined)
    groups = grouped(walk.rows(replace(filters, status=Status.DEAD)))
    return Grouped(groups, walk.examined, walk.is_complete)


class _Walk:
    """A bounded walk over the dead letters."""

    def __init__(self, until: float, limit: int) -> None:
        self.examined = 0
        self.is_complete = False
        self._until = until
        self._limit = limit

    def rows(self, filters: Filters) -> Iterator[Notification]:
        """Give those that are wanted, as far as time and limit allow."""
        place: str | None = None
        while self.examined < self._limit and time.monotonic() < self._until:
            found = resources.lists().stretch_of_dead(place, self._limit - self.examined)
            self.examined += found.examined
            yield from filter(filters.match, found.rows)
            if (place := found.after) is None:
                self.is_complete = True
                return


def _replace(change: Change, action: Action, actor: str, reason: str | None, also: Notification | None = None) -> None:
    """Write a step that somebody asks for, who it was and why, and `also` a notification that follows from it."""
    row, after = change.before, change.after
    said = {"last_error": row.last_error, "reason": reason}
    detail = {name: value for name, value in said.items() if value}
    line = event(action, Kind.NOTIFICATION.resource(row.id), actor, after.updated_at, was=row.status, **detail)
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
