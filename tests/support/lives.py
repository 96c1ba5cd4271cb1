"""Certificates and their alerts in memory, for what changes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.support.inventory import T0
from tests.support.rows import POLICY, in_status
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.delivery.store import Change, Fetched
from tocsin.errors import ConflictError, NotFoundError, PreconditionFailedError
from tocsin.expiry.alert import Mark, MarkKind, alert_id
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.stores import EndedCycle, Raised
from tocsin.inventory.audit import AuditEvent
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Found
from tocsin.inventory.thresholds import Threshold


@dataclass
class Certificates:
    """Certificates in memory; `meanwhile` happens after each read."""

    things: dict[str, Certificate] = field(default_factory=dict)
    events: list[AuditEvent] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def get(self, id_: str) -> Certificate:
        found = self.things.get(id_)
        self.meanwhile()
        if found is None:
            raise NotFoundError(id_)
        return found

    def fetch(self, ids: Sequence[str]) -> Found[Certificate]:
        return Found({id_: self.things[id_] for id_ in ids if id_ in self.things}, {})

    def create(self, thing: Certificate, event: AuditEvent) -> Certificate:
        if thing.id in self.things:
            raise ConflictError(thing.id)
        return self._keep(thing, event)

    def update(self, before: Certificate, after: Certificate, event: AuditEvent) -> Certificate:
        if self.things[before.id].version != before.version:
            raise PreconditionFailedError(before.id)
        return self._keep(after, event)

    def delete(self, thing: Certificate, event: AuditEvent) -> None:
        del self.things[thing.id]
        self.events.append(event)

    def _keep(self, thing: Certificate, event: AuditEvent) -> Certificate:
        self.things[thing.id] = thing
        self.events.append(event)
        return thing


@dataclass
class Alerts:
    """Marks and their notifications in memory; who writes a row that has moved on loses."""

    marks: dict[str, Mark] = field(default_factory=dict)
    rows: dict[str, Notification] = field(default_factory=dict)
    moved_on: set[str] = field(default_factory=set)

    def raise_alert(self, row: Notification, mark: Mark, certificate: Certificate) -> Raised:
        self.marks[mark.id], self.rows[row.id] = mark, row
        return Raised.CREATED

    def record(self, mark: Mark) -> bool:
        return self.marks.setdefault(mark.id, mark) is mark

    def forget(self, mark: Mark) -> None:
        del self.marks[mark.id]

    def marks_of_cycle(self, certificate: Certificate) -> dict[str, Mark]:
        return self.marks_of(certificate.id, certificate.expires_at)

    def marks_of(self, certificate_id: str, expires_at: datetime) -> dict[str, Mark]:
        return {id_: mark for id_, mark in self.marks.items() if mark.expires_at == expires_at}

    def get(self, id_: str) -> Notification:
        if id_ not in self.rows:
            raise NotFoundError(id_)
        return self.rows[id_]

    def resolve(self, trigger: Notification, resolve: Notification) -> bool:
        if trigger.id in self.moved_on:
            raise ConflictError(trigger.id)
        if self.rows[trigger.id].resolved_by is not None:
            return False
        self.rows[trigger.id] = replace(self.rows[trigger.id], resolved_by=resolve.id)
        self.rows[resolve.id] = resolve
        return True

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        return Fetched(tuple(self.rows[id_] for id_ in ids if id_ in self.rows), ())

    def replace(self, change: Change) -> None:
        if change.before.id in self.moved_on:
            raise ConflictError(change.before.id)
        self.rows[change.after.id] = change.after


@dataclass
class Endings:
    """Cycles whose end is not finished, in memory."""

    open: list[EndedCycle] = field(default_factory=list)

    def begin(self, cycle: EndedCycle) -> None:
        self.open.append(cycle)

    def finish(self, cycle: EndedCycle) -> None:
        self.open = [other for other in self.open if other != cycle]


@dataclass
class Lives:
    """The lives of some certificates, and what became of their alerts."""

    certificates: Certificates = field(default_factory=Certificates)
    alerts: Alerts = field(default_factory=Alerts)
    ended: list[str] = field(default_factory=list)
    endings: Endings = field(default_factory=Endings)
    created: list[Notification] = field(default_factory=list)

    @property
    def lifecycle(self) -> Lifecycle:
        return Lifecycle(
            self.certificates,
            self.alerts,
            self.alerts,
            lambda change: self.ended.append(change.after.id),
            self.endings,
            POLICY,
            self.created.append,
        )

    @property
    def actions(self) -> list[str]:
        """Name what the audit trail says, in order."""
        return [event.action for event in self.certificates.events]

    def alerted(
        self, certificate: Certificate, days: int, status: Status, channel: ChannelName = ChannelName.EMAIL
    ) -> str:
        """Raise an alert that got into `status`; give its id."""
        threshold = Threshold(days)
        id_ = alert_id(certificate.id, certificate.expires_at, threshold, channel)
        mark = Mark(
            id=id_,
            kind=MarkKind.RAISED,
            certificate_id=certificate.id,
            expires_at=certificate.expires_at,
            threshold=threshold,
            severity=Severity.WARNING,
            channel=channel,
            at=T0,
        )
        self.alerts.raise_alert(in_status(status, id=id_, channel=channel), mark, certificate)
        return id_
