"""DynamoDB Local with all three tables of template.yaml, opened; and the expiry check on them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from build.template import template
from tests.support.database import a_client
from tests.support.inventory import T0, an_owner
from tests.support.rows import POLICY, RETENTION
from tocsin.delivery.notification import Notification
from tocsin.expiry.alert import ALERT_TYPE
from tocsin.expiry.check import Checked, expiry_check
from tocsin.expiry.compliance import Compliance
from tocsin.expiry.deployment import DeploymentWatch
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.stores import Stores
from tocsin.inventory.audit import Action, AuditEvent, AuditFilters, Kind, event
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.contacts import Owner, Team
from tocsin.inventory.lookup import Resolver
from tocsin.inventory.policy import RenewalPolicy
from tocsin.inventory.rules.rule import Rule
from tocsin.storage.audit import AuditTrail
from tocsin.storage.inventory.alerts import AlertTable
from tocsin.storage.inventory.endings import EndingTable
from tocsin.storage.inventory.items import certificate_item
from tocsin.storage.inventory.lists import InventoryLists
from tocsin.storage.inventory.pointers import Pointers
from tocsin.storage.inventory.tables import Inventory
from tocsin.storage.inventory.watchlist import Watchlist
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import decode
from tocsin.storage.notifications.table import NotificationTable
from tocsin.storage.paging import every

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLES = ("Notifications", "Inventory", "Audit")
_DEFINITION = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@dataclass
class Store:
    """All tables, fresh for one test, behind one client."""

    client: "DynamoDBClient"
    names: dict[str, str]
    now: datetime = T0
    created: list[Notification] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.audit = AuditTrail(self.client, self.names["Audit"])
        self.inventory = Inventory(self.client, self.names["Inventory"], self.audit)
        self.lists = InventoryLists(self.client, self.names["Inventory"])
        self.watchlist = Watchlist(self.client, self.names["Inventory"])
        self.notifications = NotificationTable(self.client, self.names["Notifications"], RETENTION)
        self.alerts = AlertTable(
            self.client, self.names["Inventory"], self.names["Notifications"], self.audit, RETENTION
        )

    def add(self, certificate: Certificate) -> Certificate:
        """Store a certificate, as first seen now."""
        new = certificate.first_seen(self.now)
        return self.inventory.certificates.create(new, self.said(Action.CERTIFICATE_CREATED, new.id))

    def stock(self, certificates: Iterable[Certificate]) -> None:
        """Store many certificates as they are, without counting what they refer to."""
        puts: list[Any] = [{"PutRequest": {"Item": certificate_item(certificate)}} for certificate in certificates]
        for start in range(0, len(puts), 25):
            self.client.batch_write_item(RequestItems={self.names["Inventory"]: puts[start : start + 25]})

    def add_policy(self, policy: RenewalPolicy) -> RenewalPolicy:
        """Store a policy that is new now."""
        new = policy.first_written(self.now)
        return self.inventory.policies.create(new, self.said(Action.POLICY_CREATED, new.id, Kind.POLICY))

    def add_owner(self, owner: Owner | None = None) -> Owner:
        """Store an owner."""
        new = owner or an_owner()
        return self.inventory.owners.create(new, self.said(Action.OWNER_CREATED, new.id, Kind.OWNER))

    def add_team(self, team: Team) -> Team:
        """Store a team."""
        return self.inventory.teams.create(team, self.said(Action.TEAM_CREATED, team.id, Kind.TEAM))

    def change(self, certificate: Certificate, **fields: Any) -> Certificate:
        """Change a certificate, as an operator does: what is stored, not what was read long ago."""
        before = self.inventory.certificates.get(certificate.id)
        after = before.changed(replace(before, **fields), self.now)
        return self.inventory.certificates.update(before, after, self.said(Action.CERTIFICATE_UPDATED, after.id))

    def change_policy(self, draft: RenewalPolicy) -> RenewalPolicy:
        """Change a policy to what `draft` says."""
        before = self.inventory.policies.get(draft.id)
        after = before.changed(draft, self.now)
        return self.inventory.policies.update(before, after, self.said(Action.POLICY_UPDATED, after.id, Kind.POLICY))

    def add_rule(self, rule: Rule) -> Rule:
        """Store a rule."""
        return self.inventory.rules.create(rule, self.said(Action.RULE_CREATED, rule.id, Kind.RULE))

    def change_rule(self, draft: Rule) -> Rule:
        """Change a rule to what `draft` says."""
        before = self.inventory.rules.get(draft.id)
        after = before.changed(draft, self.now)
        return self.inventory.rules.update(before, after, self.said(Action.RULE_UPDATED, after.id, Kind.RULE))

    def delete_rule(self, id_: str) -> None:
        """Delete a rule."""
        self.inventory.rules.delete(self.inventory.rules.get(id_), self.said(Action.RULE_DELETED, id_, Kind.RULE))

    def violating(self, rule_id: str) -> list[str]:
        """Name the certificates that the list of a rule's violations has."""
        return [one.id for one in every(lambda place: self.inventory.rules.violations(rule_id, 3, place))]

    @property
    def lifecycle(self) -> Lifecycle:
        """Open what changes certificates, with all that this means for their alerts."""
        return Lifecycle(
            self.inventory.certificates,
            self.alerts,
            self.notifications,
            lambda _change: None,
            EndingTable(self.client, self.names["Inventory"]),
            POLICY,
            self.created.append,
        )

    def said(self, action: Action, id_: str, kind: Kind = Kind.CERTIFICATE) -> AuditEvent:
        """Write an audit event."""
        return event(action, kind.resource(id_), "a test", self.now, nonce=uuid4().hex)

    def stores(self, wrap: Callable[[Any], Any] = lambda store: store) -> Stores:
        """Give the check its stores, each behind `wrap`."""
        return Stores(wrap(self.watchlist), wrap(self.inventory.certificates), wrap(self.alerts))

    def check(self, seconds: float = 600, fallback_email: str = "", **given: Any) -> Checked | None:
        """Check once, now. `seconds`: the time that it has."""
        arguments: dict[str, Any] = {
            "lease": Lease(self.client, self.names["Notifications"], "expiry_check", uuid4().hex),
            "stores": self.stores(),
            "resolver": self.resolver(fallback_email),
            "policy": POLICY,
            "clock": lambda: self.now,
            "remaining": lambda: seconds,
            "created": self.created.append,
            "watches": [self.deployments()],
            "end_again": self.lifecycle.end_again,
            "rules": Compliance(self.inventory.rules, self.lifecycle),
        }
        return expiry_check(**(arguments | given))

    def checked(self, **given: Any) -> Checked:
        """Check once, now, where no other check is at it."""
        done = self.check(**given)
        assert done is not None
        return done

    def deployments(self) -> DeploymentWatch:
        """Open what watches that renewed certificates are served, as `bootstrap` does."""
        pointers = Pointers(self.client, self.names["Inventory"])
        return DeploymentWatch(pointers, self.inventory.certificates, self.watchlist, self.lifecycle)

    def resolver(self, fallback_email: str = "") -> Resolver:
        """Make what looks up policies and people."""
        shelves = self.inventory
        return Resolver(shelves.policies, shelves.owners, shelves.teams, fallback_email=fallback_email)

    def rows(self) -> list[Notification]:
        """Read all notifications."""
        found = (item for item in self.items("Notifications") if "status" in item)
        return sorted((decode(item) for item in found), key=lambda row: (row.created_at, row.id))

    def tags(self, certificate_id: str | None = None) -> list[str]:
        """Name the thresholds of all alerts of expiry, in the order of their creation."""
        rows = [row for row in self.rows() if certificate_id in (None, row.certificate_id)]
        return [row.message.partition("]")[0].partition(":")[2] for row in rows if row.type == ALERT_TYPE]

    def told(self, certificate_id: str | None = None) -> list[str]:
        """Name the events that were told, in the order of their creation."""
        rows = [row for row in self.rows() if certificate_id in (None, row.certificate_id)]
        return [row.type for row in rows if row.type != ALERT_TYPE]

    def events(self, action: str) -> list[AuditEvent]:
        """Read the first events of one action, newest first."""
        return list(self.audit.page(AuditFilters(action=action), 100, None).rows)

    def items(self, table: str) -> list[dict[str, Any]]:
        """Read everything in a table."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.names[table], ConsistentRead=True)
        return [dict(item) for page in pages for item in page["Items"]]

    def indexed(self, index: str) -> set[str]:
        """Name the certificates (and others) that are in an index of the inventory."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.names["Inventory"], IndexName=index)
        return {item["pk"]["S"] for page in pages for item in page["Items"]}

    def result(self) -> dict[str, Any]:
        """Give what a check leaves behind, for comparing: alerts, marks and audit events, without their times."""
        marks = (item for item in self.items("Inventory") if item["sk"]["S"].startswith("mark#"))
        return {
            "alerts": sorted(row.id for row in self.rows()),
            "marks": sorted((item["pk"]["S"], item["id"]["S"], item["kind"]["S"]) for item in marks),
            "events": sorted(
                item["detail"]["S"] for item in self.items("Audit") if item["action"]["S"] == Action.ALERT_SENT
            ),
        }


@contextmanager
def a_store(endpoint: str) -> Iterator[Store]:
    """Make the tables, with names of their own, and remove them in the end."""
    names = {table: f"{table.lower()}-{uuid4().hex}" for table in TABLES}
    with a_client(endpoint) as client:
        for table, name in names.items():
            properties = template()["Resources"][table]["Properties"]
            client.create_table(TableName=name, **{part: properties[part] for part in _DEFINITION})
        yield Store(client, names)
        for name in names.values():
            client.delete_table(TableName=name)
