"""What a change of a certificate does to its alerts: a cycle that ended is owed to nobody any more.

The change is written first. A crash before the alerts are superseded loses nothing: each is asked again whether it is
true before it is sent (`review`), and before it is requeued.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import Change, Fetched
from tocsin.errors import ConflictError, NotFoundError, PreconditionFailedError
from tocsin.expiry.alert import Mark, MarkKind
from tocsin.expiry.still_true import AlertFacts, still_true
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.inventory.certificate import Certificate
from tocsin.sources.merge import Changed, Create, Merge, Renewed, merge
from tocsin.sources.observed import ObservedCertificate

_TRIES = 3


class Certificates(Protocol):
    """Where certificates are kept."""

    def get(self, id_: str) -> Certificate:
        """Read one; raise NotFoundError."""
        ...

    def create(self, thing: Certificate, event: AuditEvent) -> Certificate:
        """Write a new one; raise ConflictError."""
        ...

    def update(self, before: Certificate, after: Certificate, event: AuditEvent) -> Certificate:
        """Replace one; raise PreconditionFailedError."""
        ...

    def delete(self, thing: Certificate, event: AuditEvent) -> None:
        """Delete one; raise PreconditionFailedError."""
        ...


class Alerts(Protocol):
    """Where decisions are recorded."""

    def marks_of_cycle(self, certificate: Certificate) -> dict[str, Mark]:
        """Give the marks of its present cycle by id."""
        ...

    def forget(self, mark: Mark) -> None:
        """Let what was decided be decided anew."""
        ...


class Notifications(Protocol):
    """Where alerts are kept."""

    def fetch(self, ids: Sequence[str]) -> Fetched:
        """Read many rows."""
        ...

    def replace(self, change: Change) -> None:
        """Write one step; raise ConflictError."""
        ...


@dataclass(frozen=True, slots=True)
class Books:
    """All that a change of a certificate touches."""

    certificates: Certificates
    alerts: Alerts
    notifications: Notifications
    superseded: Callable[[Change], None]
    """Hears of each alert that was ended."""


def change_certificate(books: Books, before: Certificate, after: Certificate, actor: str) -> Certificate:
    """Write `after` in the place of `before`, and end the alerts that are true no more.

    Raises PreconditionFailedError where it was changed since it was read.
    """
    action = _action(before, after)
    if after.watched_since != before.watched_since:
        _reopen_alerts(books, after)
    said = event(action, Kind.CERTIFICATE.resource(after.id), actor, after.updated_at, **_difference(before, after))
    written = books.certificates.update(before, after, said)
    _end_alerts(books, before, after, after.updated_at)
    return written


def create_certificate(books: Books, certificate: Certificate, actor: str) -> Certificate:
    """Write a new certificate; raise ConflictError where its id is taken."""
    resource = Kind.CERTIFICATE.resource(certificate.id)
    said = event(
        Action.CERTIFICATE_CREATED,
        resource,
        actor,
        certificate.created_at,
        common_name=certificate.common_name,
        expires_at=certificate.expires_at.isoformat(),
    )
    _reopen_alerts(books, certificate)
    return books.certificates.create(certificate, said)


def delete_certificate(books: Books, certificate: Certificate, actor: str, now: datetime) -> None:
    """Delete the version that was read, and end its alerts; raise PreconditionFailedError where it was changed."""
    resource = Kind.CERTIFICATE.resource(certificate.id)
    said = event(Action.CERTIFICATE_DELETED, resource, actor, now, common_name=certificate.common_name)
    books.certificates.delete(certificate, said)
    _end_alerts(books, certificate, None, now)


def take(
    books: Books, seen: ObservedCertificate, actor: str, now: datetime, said: Mapping[str, str | None] | None = None
) -> Merge:
    """Bring the inventory up to what a source has seen; `said` are the operator's fields of a new certificate.

    Raises ConflictError where others change the same certificate again and again.
    """
    for _ in range(_TRIES):
        known = _known(books, seen)
        merged = merge(known, seen, now)
        try:
            return _carried_out(books, merged, known, actor, said or {})
        except (ConflictError, PreconditionFailedError):
            continue  # somebody else was first: decide again on what it is now
    raise ConflictError(f"certificate {seen.id}")


def _known(books: Books, seen: ObservedCertificate) -> Certificate | None:
    try:
        return books.certificates.get(seen.id)
    except NotFoundError:
        return None


def _carried_out(
    books: Books, merged: Merge, known: Certificate | None, actor: str, said: Mapping[str, str | None]
) -> Merge:
    match merged:
        case Create(certificate):
            owned = replace(
                certificate,
                owner_id=said.get("owner_id"),
                team_id=said.get("team_id"),
                policy_id=said.get("policy_id"),
            )
            return Create(create_certificate(books, owned, actor))
        case Renewed() | Changed() if known is not None:
            change_certificate(books, known, merged.certificate, actor)  # the very version that was decided on
    return merged


def _reopen_alerts(books: Books, certificate: Certificate) -> None:
    """Let alerts be raised anew that were ended in this very cycle: it is back, and nobody was told of it.

    Before the certificate is written, because a crash after it would leave them ended for ever.
    """
    marks = books.alerts.marks_of_cycle(certificate)
    raised = {id_: mark for id_, mark in marks.items() if mark.kind is MarkKind.RAISED}
    for row in books.notifications.fetch(list(raised)).rows if raised else ():
        if row.status is Status.SUPERSEDED:
            books.alerts.forget(raised[row.id])


def _end_alerts(books: Books, before: Certificate, after: Certificate | None, now: datetime) -> None:
    """Supersede what is still owed, or dead, of the cycle that `before` was in, where it is true no more."""
    raised = [mark for mark in books.alerts.marks_of_cycle(before).values() if mark.kind is MarkKind.RAISED]
    reasons = {mark.id: still_true(AlertFacts.of(mark), after) for mark in raised}
    stale = [id_ for id_, reason in reasons.items() if reason is not None]
    for row in books.notifications.fetch(stale).rows if stale else ():
        _end(books, row, reasons[row.id] or "", now)


def _end(books: Books, row: Notification, reason: str, now: datetime) -> None:
    if row.is_claimed(now) or not (row.is_owed or row.status is Status.DEAD):
        return  # a live worker asks for itself before it sends
    change = Change(row, row.superseded(reason, now))
    try:
        books.notifications.replace(change)
    except ConflictError:
        return  # it moved on just now; what is still owed is asked again before it is sent
    books.superseded(change)


def _action(before: Certificate, after: Certificate) -> Action:
    if after.revoked_at is not None and before.revoked_at is None:
        return Action.CERTIFICATE_REVOKED
    if after.archived_at is not None and before.archived_at is None:
        return Action.CERTIFICATE_ARCHIVED
    if after.expires_at != before.expires_at:
        return Action.CERTIFICATE_RENEWED
    return Action.CERTIFICATE_UPDATED


_BOOKKEEPING = ("updated_at", "version", "due_at", "watched_since")


def _difference(before: Certificate, after: Certificate) -> dict[str, str]:
    """Name what changed, from what to what."""
    names = (name for name in Certificate.__slots__ if name not in _BOOKKEEPING)
    return {
        name: f"{getattr(before, name)} -> {getattr(after, name)}"
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
