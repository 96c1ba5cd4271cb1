"""The Inventory table, opened: the records of each kind of thing in it."""

from typing import TYPE_CHECKING, Any

from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.contacts import Owner, Team
from tocsin.inventory.policy import RenewalPolicy
from tocsin.storage.audit import AuditTrail
from tocsin.storage.inventory.items import CERTIFICATE, OWNER, POLICY, TEAM, certificate_item, listed_item
from tocsin.storage.inventory.pointers import pointing
from tocsin.storage.inventory.records import Layout, Records
from tocsin.storage.inventory.references import references
from tocsin.storage.inventory.renewal_jobs import abandoning
from tocsin.storage.inventory.watchlist import looking_anew

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

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
    """Policies: one whose routes change has its certificates looked at anew, by the check."""

    def _further(self, before: RenewalPolicy | None, after: RenewalPolicy | None) -> list[dict[str, Any]]:
        if after is None or (before is not None and _decisive(before) == _decisive(after)):
            return []
        return [looking_anew(self._table, after)]


def _decisive(policy: RenewalPolicy) -> tuple[object, ...]:
    """Give what the check decides by, at instants that it has planned already."""
    return policy.routes, policy.renew_before


class _Certificates(Records[Certificate]):
    """Certificates: what leads to them is written with them."""

    def _further(self, before: Certificate | None, after: Certificate | None) -> list[dict[str, Any]]:
        given_up = [] if before is None or after is not None else abandoning(self._table, before)
        return [*pointing(self._table, before, after), *given_up]


class Inventory:
    """The four shelves of one stack."""

    def __init__(self, client: "DynamoDBClient", table: str, audit: AuditTrail) -> None:
        """Use `client` (low-level) and the Inventory `table`; tell `audit` of every change."""
        self.certificates: Records[Certificate] = _Certificates(client, table, audit, _CERTIFICATES)
        self.policies: Records[RenewalPolicy] = _Policies(client, table, audit, _POLICIES)
        self.owners = Records(client, table, audit, _OWNERS)
        self.teams = Records(client, table, audit, _TEAMS)
