"""What a change of a certificate does to its alerts: a cycle that ended is owed to nobody any more.

What is owed or dead is superseded. Where a service keeps an incident open for an alert, or may, it is told that this is
over: by one more notification, which resolves it. A stand-in for an alert that could not be delivered is ended like it.

First it is remembered that the cycle ends, then the change is written, then the alerts are ended. What a crash leaves
undone the expiry check finishes (`end_again`). Until then no alert goes out that is not true: each is asked again
before it is sent (`still_true`), and before it is requeued.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from tocsin.delivery.linked import needs_resolve, resolve_of
from tocsin.delivery.notification import DeliveryPolicy, Notification, Status
from tocsin.delivery.store import Change
from tocsin.errors import ConflictError, NotFoundError
from tocsin.expiry.alert import Mark, MarkKind
from tocsin.expiry.still_true import why_event_over, why_over, why_untrue
from tocsin.expiry.stores import Alerts, Certificates, EndedCycle, Endings, Notifications
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.occurrences import AwaitedDeployment
from tocsin.text import written

_TRIES = 3
"""How often an alert is read anew that moved on meanwhile."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Creates, changes and deletes certificates, with all that this means for their alerts."""

    certificates: Certificates
    alerts: Alerts
    notifications: Notifications
    ended: Callable[[Change], None]
    """Hears of each alert that was ended."""
    endings: Endings
    policy: DeliveryPolicy
    created: Callable[[Notification], None] = lambda _row: None
    """Hears of each notification that resolves an alert."""

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
        changed = _event(action, after, actor, after.updated_at, **_difference(before, after))
        self.change_by(before, after, lambda: self.certificates.update(before, after, changed))
        return action

    def change_by(self, before: Certificate, after: Certificate, write: Callable[[], object]) -> None:
        """Change a certificate by `write`, which may write more in the same transaction; see `change`."""
        if after.watched_since != before.watched_since or _begins_something(before, after):
            self._reopen_alerts(after)
        ended = self._begin(before, after, after.updated_at)
        write()
        if ended:
            self._end_alerts(ended, after, after.updated_at)

    def delete(self, certificate: Certificate, actor: str, now: datetime) -> None:
        """Delete the version that was read, and end its alerts; raise PreconditionFailedError where it was changed."""
        deleted = _event(Action.CERTIFICATE_DELETED, certificate, actor, now, common_name=certificate.common_name)
        ended = self._begin(certificate, None, now)
        self.certificates.delete(certificate, deleted)
        if ended:
            self._end_alerts(ended, None, now)

    def end_again(self, cycle: EndedCycle, now: datetime) -> None:
        """Finish what a change began, and could not finish: by the certificate as it is now."""
        found = self.certificates.fetch([cycle.certificate_id])
        if cycle.certificate_id not in found.broken:  # else nobody knows whether the cycle is over
            self._end_alerts(cycle, found.things.get(cycle.certificate_id), now)

    def _reopen_alerts(self, certificate: Certificate) -> None:
        """Let alerts be raised anew that were ended in this very cycle: it is back, and nobody was told of it.

        Those too that were said to be over. Before the certificate is written, because a crash after it would leave
        them ended for ever.
        """
        raised = self._raised(certificate.id, certificate.expires_at)
        rows = self.notifications.fetch(list(raised), is_consistent=True).rows if raised else ()
        for row in rows:
            is_over = row.status is Status.SUPERSEDED or row.resolved_by is not None
            if is_over and why_untrue(raised[row.id], certificate) is None:
                self.alerts.forget(raised[row.id])

    def _begin(self, before: Certificate, after: Certificate | None, now: datetime) -> EndedCycle | None:
        """Remember that a change ends what was told in the cycle that `before` is in, or some of it, if it does."""
        if not _ends_something(before, after):
            return None
        cycle = EndedCycle(before.id, before.expires_at, before.version, now)
        self.endings.begin(cycle)
        return cycle

    def _end_alerts(self, cycle: EndedCycle, after: Certificate | None, now: datetime) -> None:
        """End all alerts of a cycle that are not true any more; forget it once all are ended."""
        raised = self._raised(cycle.certificate_id, cycle.expires_at)
        reasons = {id_: reason for id_, mark in raised.items() if (reason := why_untrue(mark, after)) is not None}
        if self.end(reasons, now):
            self.endings.finish(cycle)

    def end(self, reasons: Mapping[str, str], now: datetime) -> bool:
        """End notifications, by their ids, for what makes each untrue, and what stands in for them.

        Tell whether all are ended.
        """
        ended = [self._end(row, reason, now) for row, reason in self._rows(reasons)]
        return all(ended)

    def _end(self, row: Notification, reason: str, now: datetime) -> bool:
        """End one alert; tell whether that is done."""
        for _ in range(_TRIES):
            try:
                self._end_as_read(row, reason, now)
            except ConflictError:  # it moved on just now
                try:
                    row = self.notifications.get(row.id)
                except NotFoundError:
                    return True
            else:
                return True
        return False

    def _end_as_read(self, row: Notification, reason: str, now: datetime) -> None:
        """Have an incident resolved that may be open, and supersede what is owed or dead. Raises ConflictError."""
        if needs_resolve(row):
            resolve = resolve_of(row, reason, now, self.policy)
            if self.notifications.resolve(row, resolve):
                self.created(resolve)
        if row.is_claimed(now) or not (row.is_owed or row.status is Status.DEAD):
            return  # a live worker asks for itself before it sends
        counted = row.abandoned(now, self.policy) if row.claim_token else row
        change = Change(row, counted.superseded(reason, now))
        self.notifications.replace(change)
        self.ended(change)

    def _raised(self, certificate_id: str, expires_at: datetime) -> dict[str, Mark]:
        marks = self.alerts.marks_of(certificate_id, expires_at)
        return {id_: mark for id_, mark in marks.items() if mark.kind is MarkKind.RAISED}

    def _rows(self, reasons: Mapping[str, str]) -> Iterator[tuple[Notification, str]]:
        """Give the alerts as they are now with why each is over, and behind them what stands in for them."""
        asked, seen = dict(reasons), set(reasons)
        while asked:
            rows = self.notifications.fetch(list(asked), is_consistent=True).rows
            yield from ((row, asked[row.id]) for row in rows)
            asked = {
                row.fell_back_to: asked[row.id] for row in rows if row.fell_back_to and row.fell_back_to not in seen
            }
            seen |= set(asked)


def _ends_something(before: Certificate, after: Certificate | None) -> bool:
    """Tell whether something that may have been told of `before` is not true of `after`."""
    if why_over(before.expires_at, before) is None and why_over(before.expires_at, after) is not None:
        return True
    told = ((one.event, one.expires_at, one.subject) for one in before.happened)
    return any(why_event_over(*one, before) is None and why_event_over(*one, after) is not None for one in told)


def _begins_something(before: Certificate, after: Certificate) -> bool:
    """Tell whether something is noted of `after` that was not, or was true no more, of `before`."""
    if set(after.happened) - set(before.happened):
        return True
    told = ((one.event, one.expires_at, one.subject) for one in after.happened)
    return any(why_event_over(*one, before) is not None and why_event_over(*one, after) is None for one in told)


def _event(action: Action, certificate: Certificate, actor: str, at: datetime, **detail: str) -> AuditEvent:
    return event(action, Kind.CERTIFICATE.resource(certificate.id), actor, at, **detail)


def _action(before: Certificate, after: Certificate) -> Action:
    """Say what a change is, by what matters most of it."""
    if after.revoked_at is not None and before.revoked_at is None:
        return Action.CERTIFICATE_REVOKED
    if after.archived_at is not None and before.archived_at is None:
        return Action.CERTIFICATE_ARCHIVED
    if after.replaced_at is not None and before.replaced_at is None:
        return Action.CERTIFICATE_REPLACED
    if after.expires_at != before.expires_at:
        return Action.CERTIFICATE_RENEWED
    if after.violations != before.violations:
        return Action.CERTIFICATE_JUDGED
    return Action.CERTIFICATE_UPDATED


_BOOKKEEPING = (
    "suggested_renewal_at",
    "suggestion_until",
    "explanation_url",
    "updated_at",
    "version",
    "due_at",
    "watched_since",
    "occurrences",
    "violations",
    "renewed_from",
    "indexed",
)


def _difference(before: Certificate, after: Certificate) -> dict[str, str]:
    """Name what changed, from what to what."""
    names = (field.name for field in fields(Certificate) if field.name not in _BOOKKEEPING)
    differing = {
        name: f"{_told(getattr(before, name))} -> {_told(getattr(after, name))}"
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
    return differing | _judged(before, after)


def _judged(before: Certificate, after: Certificate) -> dict[str, str]:
    """Name the rules that it newly violates, and those that it violates no more."""
    was, is_ = ({one.rule_id: one.rule for one in version.violations} for version in (before, after))
    parts = (
        ("violates", [name for id_, name in is_.items() if id_ not in was]),
        ("violates_no_more", [name for id_, name in was.items() if id_ not in is_]),
    )
    return {part: ", ".join(names) for part, names in parts if names}


def _told(value: object) -> object:
    """Write what a field holds, as the audit trail has it."""
    if isinstance(value, AwaitedDeployment):
        state = f"not served by {written(value.until)}" if value.failed_at else f"until {written(value.until)}"
        return f"{value.identity} of {value.origin}, {state}"
    return value
