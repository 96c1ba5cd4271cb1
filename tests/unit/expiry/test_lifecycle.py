"""What a source has seen is brought into the inventory without overwriting what others changed meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from tests.support.certificates import NOT_AFTER, a_sight
from tests.support.inventory import T0
from tests.support.rows import a_row, in_status
from tocsin.delivery.notification import ChannelName, Notification, Severity, Status
from tocsin.delivery.store import Change, Fetched
from tocsin.errors import ConflictError, NotFoundError, PreconditionFailedError
from tocsin.expiry.alert import Mark, MarkKind, alert_id
from tocsin.expiry.lifecycle import Books, take
from tocsin.inventory.audit import Action, AuditEvent
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.thresholds import Threshold
from tocsin.sources.merge import Create, Outdated, Renewed, Unchanged


@dataclass
class Shelf:
    """Certificates in memory; `meanwhile` happens after each read."""

    things: dict[str, Certificate] = field(default_factory=dict)
    events: list[AuditEvent] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    reads: int = 0

    def get(self, id_: str) -> Certificate:
        self.reads += 1
        found = self.things.get(id_)
        self.meanwhile()
        if found is None:
            raise NotFoundError(id_)
        return found

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

    def raised(self, certificate: Certificate, days: int, status: Status) -> str:
        """Record an alert that got into `status`."""
        threshold = Threshold(days)
        id_ = alert_id(certificate.id, certificate.expires_at, threshold, ChannelName.EMAIL)
        self.marks[id_] = Mark(
            id=id_,
            kind=MarkKind.RAISED,
            certificate_id=certificate.id,
            expires_at=certificate.expires_at,
            threshold=threshold,
            severity=Severity.WARNING,
            channel=ChannelName.EMAIL,
            at=T0,
        )
        self.rows[id_] = in_status(status, id=id_)
        return id_

    def marks_of_cycle(self, certificate: Certificate) -> dict[str, Mark]:
        return {id_: mark for id_, mark in self.marks.items() if mark.expires_at == certificate.expires_at}

    def forget(self, mark: Mark) -> None:
        del self.marks[mark.id]

    def fetch(self, ids: Sequence[str]) -> Fetched:
        return Fetched(tuple(self.rows[id_] for id_ in ids if id_ in self.rows), ())

    def replace(self, change: Change) -> None:
        if change.before.id in self.moved_on:
            raise ConflictError(change.before.id)
        self.rows[change.after.id] = change.after


SEEN = a_sight()
RENEWED = a_sight(expires_at=NOT_AFTER + timedelta(days=60), serial="def")


@dataclass
class Bench:
    """All books, in memory."""

    shelf: Shelf = field(default_factory=Shelf)
    alerts: Alerts = field(default_factory=Alerts)
    ended: list[str] = field(default_factory=list)

    @property
    def books(self) -> Books:
        return Books(self.shelf, self.alerts, self.alerts, lambda change: self.ended.append(change.after.id))

    @property
    def row(self) -> Certificate:
        return self.shelf.things[SEEN.id]

    def operator_changes(self, owner_id: str) -> None:
        """Let an operator change the row, once."""
        self.shelf.meanwhile = lambda: None
        self.shelf.things[SEEN.id] = self.row.changed(replace(self.row, owner_id=owner_id), T0)


def a_bench() -> Bench:
    """Make books that know the certificate."""
    bench = Bench()
    assert isinstance(take(bench.books, SEEN, "a source", T0), Create)
    return bench


def test_a_sight_creates_then_changes_nothing_then_renews() -> None:
    bench = a_bench()
    assert isinstance(take(bench.books, SEEN, "a source", T0), Unchanged)
    assert bench.row.version == 1
    assert isinstance(take(bench.books, RENEWED, "a source", T0), Renewed)
    assert (bench.row.version, bench.row.expires_at) == (2, RENEWED.expires_at)
    assert [event.action for event in bench.shelf.events] == [Action.CERTIFICATE_CREATED, Action.CERTIFICATE_RENEWED]


def test_the_operators_fields_are_those_of_a_new_certificate() -> None:
    bench = Bench()
    take(bench.books, SEEN, "an operator", T0, {"owner_id": "o1", "team_id": None, "policy_id": "p1"})
    take(bench.books, RENEWED, "an operator", T0, {"owner_id": "o2", "team_id": "t2", "policy_id": "p2"})
    assert (bench.row.owner_id, bench.row.team_id, bench.row.policy_id) == ("o1", None, "p1")


def test_what_an_operator_changes_meanwhile_is_kept() -> None:
    """Issue 3, item 1: nobody is overwritten unseen, not by a source either."""
    bench = a_bench()
    bench.shelf.meanwhile = lambda: bench.operator_changes(owner_id="o1")
    assert isinstance(take(bench.books, RENEWED, "a source", T0), Renewed)
    assert (bench.row.owner_id, bench.row.expires_at, bench.row.version) == ("o1", RENEWED.expires_at, 3)


def test_what_somebody_else_creates_meanwhile_is_updated() -> None:
    bench = Bench()

    def create() -> None:
        bench.shelf.meanwhile = lambda: None
        take(bench.books, SEEN, "another", T0)

    bench.shelf.meanwhile = create
    assert isinstance(take(bench.books, RENEWED, "a source", T0), Renewed)
    assert bench.row.version == 2


def test_endless_contention_is_named() -> None:
    bench = a_bench()

    def change() -> None:
        bench.shelf.things[SEEN.id] = bench.row.changed(replace(bench.row, owner_id="again"), T0)

    bench.shelf.meanwhile = change
    with pytest.raises(ConflictError):
        take(bench.books, RENEWED, "a source", T0)
    assert bench.row.expires_at == SEEN.expires_at


def test_a_renewal_supersedes_what_is_owed_or_dead() -> None:
    """Contract 1 [T]: `pending`, `failed`, `dead` -> `superseded`; what was sent or read stays what it is."""
    bench = a_bench()
    ids = {status: bench.alerts.raised(bench.row, days, status) for days, status in enumerate(Status)}
    take(bench.books, RENEWED, "a source", T0)
    ended = {Status.PENDING, Status.FAILED, Status.DEAD}
    for status, id_ in ids.items():
        assert bench.alerts.rows[id_].status is (Status.SUPERSEDED if status in ended else status)
    assert set(bench.ended) == {ids[status] for status in ended}


def test_alerts_of_another_cycle_are_left_alone() -> None:
    bench = a_bench()
    older = replace(bench.row, expires_at=NOT_AFTER - timedelta(days=90))
    id_ = bench.alerts.raised(older, 7, Status.DEAD)
    take(bench.books, RENEWED, "a source", T0)
    assert bench.alerts.rows[id_].status is Status.DEAD


def test_an_alert_that_is_being_sent_or_moves_on_is_left_to_its_worker() -> None:
    """Each is asked again whether it is true before it is sent the next time."""
    bench = a_bench()
    claimed, moving, other = (bench.alerts.raised(bench.row, days, Status.PENDING) for days in (30, 14, 7))
    row = a_row(id=claimed)
    bench.alerts.rows[claimed] = row.claimed("token", T0 + timedelta(minutes=5), T0)
    bench.alerts.moved_on.add(moving)
    take(bench.books, RENEWED, "a source", T0)
    assert bench.alerts.rows[claimed].status is Status.PENDING
    assert bench.alerts.rows[other].status is Status.SUPERSEDED
    assert bench.ended == [other]


def test_an_older_file_changes_nothing() -> None:
    from tocsin.inventory.certificate import Source

    bench = Bench()
    take(bench.books, a_sight(source=Source.IMPORT), "an operator", T0)
    older = a_sight(source=Source.IMPORT, expires_at=NOT_AFTER - timedelta(days=60))
    assert isinstance(take(bench.books, older, "an operator", T0), Outdated)
    (row,) = bench.shelf.things.values()
    assert (row.version, row.expires_at) == (1, NOT_AFTER)
