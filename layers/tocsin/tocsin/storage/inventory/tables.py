"""The Inventory table, opened: the records of each kind of thing in it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tocsin.inventory.audit import AuditEvent, Kind
from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.inventory.contacts import Owner, Team
from tocsin.inventory.policy import RenewalPolicy
from tocsin.storage.audit import AuditTrail
from tocsin.storage.inventory.issuers import issuing
from tocsin.storage.inventory.items import CERTIFICATE, OWNER, POLICY, TEAM, certificate_item, listed_item
from tocsin.storage.inventory.pointers import pointing
from tocsin.storage.inventory.records import Layout, Records
from tocsin.storage.inventory.references import references
from tocsin.storage.inventory.renewal_jobs import abandoning
from tocsin.storage.inventory.rules import RuleRecords
from tocsin.storage.inventory.versions import Versions, versioning
from tocsin.storage.inventory.watchlist import looking_anew
from tocsin.storage.transaction import LIMIT, RefusedError, commit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_POINTERS = LIMIT - 20
"""Actions of a transaction that are left for what leads to a certificate: the others are few."""
_LISTED = frozenset({"listed_in", "list_key"})
_CERTIFICATES: Layout[Certificate] = Layout(
    kind=Kind.CERTIFICATE,
    codec=CERTIFICATE,
    item=certificate_item,
    index_keys=_LISTED | {"due_shard", "due_key"},
    references=lambda one: references(owner_id=one.owner_id, team_id=one.team_id, policy_id=one.policy_id),
)
_POLICIES: Layout[RenewalPolicy] = Layout(
    kind=Kind.POLICY,
    codec=POLICY,
    item=lambda policy: listed_item(Kind.POLICY, POLICY.encode(policy)),
    index_keys=_LISTED,
    references=lambda _policy: frozenset(),
)
_OWNERS: Layout[Owner] = Layout(
    kind=Kind.OWNER,
    codec=OWNER,
    item=lambda owner: listed_item(Kind.OWNER, OWNER.encode(owner)),
    index_keys=_LISTED,
    references=lambda owner: references(team_id=owner.team_id),
)
_TEAMS: Layout[Team] = Layout(
    kind=Kind.TEAM,
    codec=TEAM,
    item=lambda team: listed_item(Kind.TEAM, TEAM.encode(team)),
    index_keys=_LISTED,
    references=lambda _team: frozenset(),
)


class _Policies(Records[RenewalPolicy]):
    """Policies: one that tells by other ways has its certificates looked at anew, by the check."""

    def _further(self, before: RenewalPolicy | None, after: RenewalPolicy | None) -> list[dict[str, Any]]:
        if after is None or (before is not None and _decisive(before) == _decisive(after)):
            return []
        return [looking_anew(self._table, after)]


def _decisive(policy: RenewalPolicy) -> tuple[object, ...]:
    """Give what the check decides by, at instants that it has planned already."""
    return policy.routes, policy.keys, policy.renew_before


class CertificateRecords(Records[Certificate]):
    """Certificates: what leads to them, their versions and the counts of their issuers are written with them.

    One that violated more rules than a transaction has room for leads nowhere any more at once: what is left over is
    removed behind it, and leads to a certificate that says otherwise, if that is interrupted.
    """

    def __init__(self, client: "DynamoDBClient", table: str, audit: AuditTrail) -> None:
        """Use `client` (low-level) and the Inventory `table`; tell `audit` of every change."""
        super().__init__(client, table, audit, _CERTIFICATES)
        self.versions = Versions(client, table)

    def update(self, before: Certificate, after: Certificate, event: AuditEvent) -> Certificate:
        """Replace `before` by `after`; raise PreconditionFailedError where it was changed since it was read."""
        done = super().update(before, after, event)
        self._write_others(before, after)
        return done

    def delete(self, thing: Certificate, event: AuditEvent) -> None:
        """Delete the version that was read, and what certificates were there; as `Records.delete`."""
        super().delete(thing, event)
        self._write_others(thing, None)
        self.versions.forget(thing)

    def index(self, read: Certificate) -> bool:
        """Write one anew that an earlier release wrote, with all that leads to it; tell whether it still was as `read`.

        Nothing that it says changes: no cycle begins, nobody is told, and it is in no audit trail. Its version does, so
        that whoever has read it before does not write over that.
        """
        after = replace(read, indexed=INDEXED, version=read.version + 1)
        try:
            commit(self._client, [{"Update": self._replacing(read, after)}, *self._further(read, after)])
        except RefusedError:
            return False
        self._write_others(read, after)
        return True

    def _further(self, before: Certificate | None, after: Certificate | None) -> list[dict[str, Any]]:
        given_up = [] if before is None or after is not None else abandoning(self._table, before)
        return [
            *pointing(self._table, before, after)[:_POINTERS],
            *versioning(self._table, before, after),
            *issuing(self._table, before, after),
            *given_up,
        ]

    def _write_others(self, before: Certificate, after: Certificate | None) -> None:
        others = pointing(self._table, before, after)[_POINTERS:]
        for start in range(0, len(others), LIMIT):
            commit(self._client, others[start : start + LIMIT])


class Inventory:
    """The shelves of one stack."""

    def __init__(self, client: "DynamoDBClient", table: str, audit: AuditTrail) -> None:
        """Use `client` (low-level) and the Inventory `table`; tell `audit` of every change."""
        self.certificates = CertificateRecords(client, table, audit)
        self.policies: Records[RenewalPolicy] = _Policies(client, table, audit, _POLICIES)
        self.rules = RuleRecords(client, table, audit)
        self.owners = Records(client, table, audit, _OWNERS)
        self.teams = Records(client, table, audit, _TEAMS)
