"""What a change of a certificate does to its alerts: a cycle that ended is owed to nobody any more.

The change is written first. A crash before the alerts are superseded loses nothing: each is asked again whether it is
true before it is sent (`still_true`), and before it is requeued.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime

from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import Change
from tocsin.errors import ConflictError
from tocsin.expiry.alert import Mark, MarkKind
from tocsin.expiry.still_true import why_untrue
from tocsin.expiry.stores import Alerts, Certificates, Notifications
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.inventory.certificate import Certificate


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Creates, changes and deletes certificates, with all that this means for their alerts."""

    certificates: Certificates
    alerts: Alerts
    notifications: Notifications
    ended: Callable[[Change], None]
    """Hears of each alert that was ended."""

    def create(self, certificate: Certificate, actor: str) -> None:
        """Write a new certificate; raise ConflictError where its id is taken."""
        facts = {"common_name": certificate.common_name, "expires_at": certificate.expires_at.isoformat()}
        created = _event(Action.CERTIFICATE_CREATED, certificate, actor, certificate.created_at, **facts)
        self._reopen_alerts(certificate)
        self.certificates.create(certificate, created)

    def change(self, before: Certificate, after: Certificate, actor: str) -> Action:
        """Write `after` in the place of `before`, end the alerts that are true no more, and say what it was.

        Raises PreconditionFailedError where it was changed since it was read.
        """
        action = _action(before, after)
        if after.watched_since != before.watched_since:
            self._reopen_alerts(after)
        changed = _event(action, after, actor, after.updated_at, **_difference(before, after))
        self.certificates.update(before, after, changed)
        self._end_alerts(before, after, after.updated_at)
        return action

    def delete(self, certificate: Certificate, actor: str, now: datetime) -> None:
        """Delete the version that was read, and end its alerts; raise PreconditionFailedError where it was changed."""
        deleted = _event(Action.CERTIFICATE_DELETED, certificate, actor, now, common_name=certificate.common_name)
        self.certificates.delete(certificate, deleted)
        self._end_alerts(certificate, None, now)

    def _reopen_alerts(self, certificate: Certificate) -> None:
        """Let alerts be raised anew that were ended in this very cycle: it is back, and nobody was told of it.

        Before the certificate is written, because a crash after it would leave them ended for ever.
        """
        raised = self._raised(certificate)
        for row in self._rows(list(raised)):
            if row.status is Status.SUPERSEDED:
                self.alerts.forget(raised[row.id])

    def _end_alerts(self, before: Certificate, after: Certificate | None, now: datetime) -> None:
        """Supersede what is still owed, or dead, of the cycle that `before` was in, where it is true no more."""
        reasons = {id_: why_untrue(mark, after) for id_, mark in self._raised(before).items()}
        untrue = {id_: reason for id_, reason in reasons.items() if reason is not None}
        for row in self._rows(list(untrue)):
            self._end(row, untrue[row.id], now)

    def _end(self, row: Notification, reason: str, now: datetime) -> None:
        if row.is_claimed(now) or not (row.is_owed or row.status is Status.DEAD):
            return  # a live worker asks for itself before it sends
        change = Change(row, row.superseded(reason, now))
        try:
            self.notifications.replace(change)
        except ConflictError:
            return  # it moved on just now; what is still owed is asked again before it is sent
        self.ended(change)

    def _raised(self, certificate: Certificate) -> dict[str, Mark]:
        marks = self.alerts.marks_of_cycle(certificate)
        return {id_: mark for id_, mark in marks.items() if mark.kind is MarkKind.RAISED}

    def _rows(self, ids: list[str]) -> tuple[Notification, ...]:
        return self.notifications.fetch(ids).rows if ids else ()


def _event(action: Action, certificate: Certificate, actor: str, at: datetime, **detail: str) -> AuditEvent:
    return event(action, Kind.CERTIFICATE.resource(certificate.id), actor, at, **detail)


def _action(before: Certificate, after: Certificate) -> Action:
    """Say what a change is, by what matters most of it."""
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
    names = (field.name for field in fields(Certificate) if field.name not in _BOOKKEEPING)
    return {
        name: f"{getattr(before, name)} -> {getattr(after, name)}"
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
