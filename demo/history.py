"""What happened in the last days, written by the layer's own code: what can't be waited for.

The certificates are created, decided on, renewed and revoked by the functions that the API and the expiry check call,
with the time passed in. Each alert takes the steps of its life before it is written, so that no function sees it owed.
All ids are derived from when the stack was filled: doing it twice writes nothing twice.
"""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from demo import organisation as about
from demo.organisation import DAYS, HOURS, Fate, Past, Site
from tocsin.delivery.attempt import Accepted, Attempted, Delivered, FailureClass, Refused
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.circuit import Circuit
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity, Status
from tocsin.errors import ConflictError, NotFoundError
from tocsin.expiry.alert import Mark, derived_id
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.plan import (
    Decision,
    NoChannel,
    NoRecipient,
    Raise,
    Superseded,
    decide,
    mark_of,
    notification_of,
    timeline,
)
from tocsin.inventory.audit import Action, Kind, event
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.contacts import Owner, People, Team
from tocsin.inventory.policy import RenewalPolicy, parse_policy
from tocsin.sources.intake import Assignment
from tocsin.storage.audit import AuditTrail
from tocsin.storage.inventory.alerts import AlertTable
from tocsin.storage.inventory.endings import EndingTable
from tocsin.storage.inventory.tables import Inventory
from tocsin.storage.notifications.circuits import CircuitTable
from tocsin.storage.notifications.item import encode
from tocsin.storage.notifications.table import NotificationTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RETENTION = timedelta(days=90)
POLICY = DeliveryPolicy()
TICK, OFFSET = 1 * HOURS, timedelta(minutes=20)
"""Between two checks; and since the last one."""
SWEEP = 120
"""Seconds between two sweeps."""
MOMENT = timedelta(seconds=1)
WRITTEN_AT_ONCE = 25
"""Items in one BatchWriteItem: DynamoDB's limit."""


@dataclass(frozen=True)
class Tables:
    """The stack's three tables, and a client for them."""

    client: "DynamoDBClient"
    notifications: str
    inventory: str
    audit: str


class History:
    """Writes the past of an organisation, as seen at `now`."""

    def __init__(self, tables: Tables, now: datetime) -> None:
        """Write to `tables`."""
        self._now = now
        client = tables.client
        self._audit = AuditTrail(client, tables.audit)
        self._rows = NotificationTable(client, tables.notifications, RETENTION)
        self._alerts = AlertTable(client, tables.inventory, tables.notifications, self._audit, RETENTION)
        self._inventory = Inventory(client, tables.inventory, self._audit)
        self._circuits = CircuitTable(client, tables.notifications)
        endings = EndingTable(client, tables.inventory)
        self._lifecycle = Lifecycle(
            self._inventory.certificates, self._alerts, self._rows, lambda _change: None, endings, POLICY
        )
        self.rows: list[Notification] = []
        """What was written, as it was written."""
        self._teams: dict[str, Team] = {}
        self._owners: dict[str, Owner] = {}
        self._policies: dict[str, RenewalPolicy] = {}

    def write(self) -> None:
        """Write all of it, or what of it is not there yet."""
        self._write_people()
        for site in about.SITES:
            if site.origin is about.Origin.WRITTEN:
                self._write_site(site)
        for past in about.PAST:
            self._write_past(past)
        self._hold(ChannelName(about.PLATFORM), self._now - about.SLACK_REVOKED)

    def _hold(self, channel: ChannelName, since: datetime) -> None:
        """Note since when a channel is broken; the next sweep looks whether it still is."""
        if not self._circuits.read([channel]):
            self._circuits.write(replace(Circuit(name=channel).held(REVOKED, since), look_at=self._now))

    def owned(self, site: Site) -> Assignment:
        """Say who and which policy a certificate belongs to."""
        return Assignment(
            self._owners[site.owner].id if site.owner else None,
            self._teams[site.team].id if site.team else None,
            self._policies[site.policy].id,
        )

    # ── People and policies ──────────────────────────────────────────────────────────────────────────────────────────

    def _write_people(self) -> None:
        founded = self._now - about.FOUNDED
        times: dict[str, Any] = {"created_at": founded, "updated_at": founded, "version": 1}
        for name, email in about.TEAMS.items():
            team = self._teams[name] = Team(id=derived_id(founded, name), name=name, email=email, **times)
            self._create(self._inventory.teams, Action.TEAM_CREATED, Kind.TEAM, team, name=name)
        for name, (email, of) in about.OWNERS.items():
            owner = Owner(id=derived_id(founded, name), name=name, email=email, team_id=self._teams[of].id, **times)
            self._owners[name] = owner
            self._create(self._inventory.owners, Action.OWNER_CREATED, Kind.OWNER, owner, name=name)
        for name, said in about.POLICIES.items():
            policy = parse_policy(
                derived_id(founded, name),
                name,
                founded,
                thresholds=said.thresholds,
                severities=said.severities,
                channels=said.channels,
            )
            self._policies[name] = policy
            self._create(self._inventory.policies, Action.POLICY_CREATED, Kind.POLICY, policy, name=name)

    def _create(self, shelf: Any, action: Action, kind: Kind, thing: Any, **detail: str) -> None:  # noqa: ANN401 - four kinds
        said = event(action, kind.resource(thing.id), about.OPERATOR, thing.created_at, **detail)
        with suppress(ConflictError):  # it is there already
            shelf.create(thing, said)

    # ── Certificates ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _write_site(self, site: Site) -> None:
        certificate = self._first_seen(site)
        try:
            known = self._inventory.certificates.get(certificate.id)
        except NotFoundError:
            self._lifecycle.create(certificate, about.OPERATOR)
        else:
            if known.version != certificate.version:
                return  # it is as far as it gets, with all that was decided of it
        ends = [ago for ago in (site.renewed, site.archived, site.revoked) if ago is not None]
        self._replay(certificate, site, self._now - max(ends) if ends else self._now)
        if ends:
            self._end_cycle(certificate, site, self._now - max(ends))

    def _first_seen(self, site: Site) -> Certificate:
        seen = self._now - about.FOUNDED + 1 * HOURS
        expires_at = self._now + (site.left_before or site.left)
        return Certificate(
            id=derived_id(seen, site.name),
            created_at=seen,
            updated_at=seen,
            watched_since=seen,
            common_name=site.name,
            expires_at=expires_at,
            not_before=min(expires_at - 90 * DAYS, seen - 1 * DAYS),
            issuer="CN=Harbour Issuing CA 2",
            serial=f"{zlib.crc32(site.name.encode()):08x}",
            **asdict(self.owned(site)),
        ).first_seen(seen)

    def _replay(self, certificate: Certificate, site: Site, until: datetime) -> None:
        """Raise what the checks between the sight of it as it is and `until` raised."""
        policy = self._policies[site.policy]
        people = People(self._owners.get(site.owner or ""), self._teams.get(site.team or ""))
        marks: dict[str, Mark] = {}
        moments = [planned.at for planned in timeline(certificate, policy)]
        moments += [occurrence.at for occurrence in certificate.occurrences]
        for at in sorted({self._checked_after(moment) for moment in moments}):
            if at >= until:
                return
            for decision in decide(certificate, policy, people, marks, at):
                self._carry_out(decision, certificate, marks, at, until)

    def _checked_after(self, at: datetime) -> datetime:
        """Say when the first check at or after an instant was."""
        first = self._now - OFFSET
        return first - (first - at) // TICK * TICK

    def _carry_out(
        self, decision: Decision, certificate: Certificate, marks: dict[str, Mark], at: datetime, until: datetime
    ) -> None:
        if isinstance(decision, Raise | Superseded | NoChannel | NoRecipient):
            marks[decision.id] = mark = mark_of(decision, certificate, at)
            if isinstance(decision, Raise):
                row = notification_of(decision, certificate, POLICY, at)
                as_it_ended = lived(row, self._fate_of_alert(row), until)
                self._alerts.raise_alert(as_it_ended, mark, certificate)
                self.rows.append(as_it_ended)
            else:
                self._alerts.record(mark)

    def _fate_of_alert(self, row: Notification) -> Fate:
        """Say what became of an expiry alert, by its channel and when it was raised."""
        ago = self._now - row.created_at
        if row.channel == about.PLATFORM and ago <= about.SLACK_REVOKED:
            return Fate.HELD
        if row.channel == about.ONCALL and about.OUTAGE[1] <= ago <= about.OUTAGE[0]:
            return Fate.DOWN
        if row.channel.kind is ChannelKind.EMAIL:
            return Fate.CONFIRMED if ago > 2 * HOURS else Fate.TAKEN
        return Fate.ARRIVED

    def _end_cycle(self, certificate: Certificate, site: Site, at: datetime) -> None:
        """Renew, archive or revoke it, by what the API calls: what is owed or dead is superseded."""
        draft = certificate
        if site.renewed is not None:
            expires_at = self._now + site.left
            draft = replace(draft, expires_at=expires_at, not_before=expires_at - 90 * DAYS)
        if site.archived is not None:
            draft = replace(draft, archived_at=at)
        if site.revoked is not None:
            draft = replace(draft, revoked_at=at)
        after = certificate.changed(draft, at)
        self._lifecycle.change(certificate, after, about.OPERATOR)
        self._replay(after, site, self._now)

    # ── Alerts ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write_past(self, past: Past) -> None:
        at = self._now - past.ago
        new = Notification(
            id=derived_id(at, f"{past.channel} {past.subject}"),
            type=past.type,
            channel=ChannelName(past.channel),
            recipient=past.recipient,
            subject=past.subject,
            message=f"{past.subject}. {past.message}".rstrip(),
            severity=Severity(past.severity),
            created_at=at,
            updated_at=at,
            created_by=about.JOBS,
        ).accepted(at, POLICY)
        row = lived(new, past.fate, self._now)
        self._rows.insert(row)
        self.rows.append(row)
        if row.status is Status.READ and row.read_at is not None:
            said = event(Action.NOTIFICATION_READ, Kind.NOTIFICATION.resource(row.id), about.OPERATOR, row.read_at)
            self._audit.append(said)


DOWN = Refused(FailureClass.RETRYABLE, "HTTP 503: down for maintenance", 503)
NOBODY = Refused(FailureClass.RETRYABLE, "can't connect: Connection refused")
REVOKED = "HTTP 404: no_service"
UNKNOWN_USER = "bounced (Permanent/General): smtp; 550 5.1.1 user unknown"


def lived(row: Notification, fate: Fate, until: datetime) -> Notification:  # noqa: PLR0911 - one for each fate
    """Give what became of a pending row by `until`, by the steps of its own life."""
    at = row.created_at + MOMENT
    receipt = f"ses-{row.id}"
    match fate:
        case Fate.TAKEN:
            return _settled(row, Accepted(200, receipt), at)
        case Fate.CONFIRMED:
            return _settled(row, Accepted(200, receipt), at).lifted(at + 4 * MOMENT)
        case Fate.ARRIVED:
            return _settled(row, Delivered(204), at)
        case Fate.ARRIVED_LATE:
            failed = _settled(row, DOWN, at)
            return _settled(failed, Delivered(204), _swept(failed))
        case Fate.READ:
            return _settled(row, Delivered(204), at).acknowledged(at + timedelta(minutes=11))
        case Fate.DOWN:
            return _tried(row, DOWN, until)
        case Fate.REFUSED:
            return _tried(row, NOBODY, until)
        case Fate.HELD:
            return _held(row, until)
        case Fate.BOUNCED:
            return _settled(row, Accepted(200, receipt), at).bounced(UNKNOWN_USER, receipt, at + 3 * MOMENT)


def _settled(row: Notification, result: Attempted, at: datetime) -> Notification:
    """Let it take the result of an attempt that took as long as most do."""
    took = timedelta(milliseconds=40 + zlib.crc32(f"{row.id} {row.retry_count}".encode()) % 200)
    return row.settled(result, started_at=at, now=at + took, policy=POLICY)


def _swept(row: Notification) -> datetime:
    """Say when the sweep got to a failed row: at most one interval after it was due."""
    due = row.due_at or row.updated_at
    return due + timedelta(seconds=zlib.crc32(f"{row.id} sweep {row.retry_count}".encode()) % SWEEP)


def _tried(row: Notification, result: Refused, until: datetime) -> Notification:
    at = row.created_at + MOMENT
    while row.is_owed and at < until:
        row = _settled(row, result, at)
        at = _swept(row)
    return row


def _held(row: Notification, until: datetime) -> Notification:
    """Let it wait for its channel, until it has waited for too long."""
    why = f"{row.channel} is held: {REVOKED}"
    end = row.updated_at + POLICY.throttle_budget + timedelta(seconds=50)
    at = min(end, until)
    return row.deferred(row.channel, why, at + timedelta(minutes=1), at, POLICY)


# ── Many dead letters ────────────────────────────────────────────────────────────────────────────────────────────────

_MANY = (
    Past(0 * HOURS, "Custom:queue", about.ONCALL, "critical", "labels: {n} messages wait", Fate.DOWN),
    Past(0 * HOURS, "Custom:disk", about.ONCALL, "warning", "db-{m}: disk 9{d} % full", Fate.DOWN),
    Past(0 * HOURS, "Custom:manifest", about.PARTNERS, "warning", "Manifest 88-{n} was not confirmed", Fate.DOWN),
    Past(0 * HOURS, "Custom:stock", about.WAREHOUSE, "warning", "Pallet scanner {m} is offline", Fate.REFUSED),
    Past(0 * HOURS, "Custom:deploy", about.PLATFORM, "informational", "api: 4.{m}.{d} is live", Fate.HELD),
    Past(
        0 * HOURS,
        "Custom:invoice",
        "Email",
        "warning",
        "Invoice {n} is overdue",
        Fate.BOUNCED,
        "m.bauer@harbour.example",
    ),
)  # fmt: skip - a line each


def dead_letters(count: int, now: datetime) -> Iterator[Notification]:
    """Give `count` dead letters of the last ten days, all different, of a few groups of errors: always the same."""
    for number, past in enumerate(islice(cycle(_MANY), count)):
        at = now - 1.1 * DAYS - number * (9 * DAYS / count)
        subject = past.subject.format(n=1000 + number, m=number % 90, d=number % 10)
        new = Notification(
            id=derived_id(at, f"{number} {subject}"),
            type=past.type,
            channel=ChannelName(past.channel),
            recipient=past.recipient,
            subject=subject,
            message=f"{subject}.",
            severity=Severity(past.severity),
            created_at=at,
            updated_at=at,
            created_by=about.JOBS,
        ).accepted(at, POLICY)
        yield lived(new, past.fate, now)


def write_rows(client: "DynamoDBClient", table: str, rows: Iterable[Notification]) -> int:
    """Write rows as they are, 25 a call, over what has their ids; how many."""
    written, left = 0, iter(rows)
    while batch := list(islice(left, WRITTEN_AT_ONCE)):
        asked: Any = {table: [{"PutRequest": {"Item": encode(row, RETENTION)}} for row in batch]}
        while asked:
            asked = client.batch_write_item(RequestItems=asked).get("UnprocessedItems")
        written += len(batch)
    return written
