"""Lists of the inventory: certificates by expiry, the soonest first; policies, owners and teams by creation."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate, CertificateStatus
from tocsin.inventory.contacts import Owner, Team
from tocsin.inventory.filters import CertificateFilters, ThresholdsOf
from tocsin.inventory.policy import RenewalPolicy
from tocsin.inventory.rules.rule import Rule
from tocsin.storage.codec import Codec, timestamp
from tocsin.storage.inventory.items import ARCHIVED, CERTIFICATE, LIVE, OWNER, POLICY, REVOKED, SHARDS, TEAM
from tocsin.storage.inventory.pointers import issuer_partition, pointed_at
from tocsin.storage.inventory.rules import RULE
from tocsin.storage.paging import LOWEST, Bounds, Index, Page, Reader, Row, every, page, weight

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LISTED = Index("listed", "listed_in", "list_key")
_BY_OWNER = Index("by_owner", "owner_id", "list_key")
_BY_TEAM = Index("by_team", "team_id", "list_key")
_BY_POLICY = Index("by_policy", "policy_id", "list_key")
_ABOVE_CERTIFICATES = "~"  # sorts after every expiry, and before the other kinds
_LEADING = Index(None, "pk", "sk")
_STATES = {
    CertificateStatus.ARCHIVED: (ARCHIVED,),
    CertificateStatus.REVOKED: (REVOKED,),
    CertificateStatus.REPLACED: (ARCHIVED,),
    None: (LIVE, ARCHIVED, REVOKED),
}
_WHOLE = 100


class InventoryLists:
    """Reads pages of one table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Query with `client` the Inventory `table`."""
        self._client = client
        self._table = table

    def certificates(
        self, filters: CertificateFilters, limit: int, after: str | None, now: datetime, thresholds_of: ThresholdsOf
    ) -> Page[Certificate]:
        """Give up to `limit` certificates behind the key `after`, by expiry. Status is that at `now`."""
        index, partitions = _way(filters)
        leads_to = pointed_at if index is _LEADING else None
        bounds = _bounds(filters, now)
        return page(
            Reader(self._client, self._table, index, partitions, bounds=bounds, is_forward=True, leads_to=leads_to),
            CERTIFICATE.salvage,
            lambda certificate: filters.match(certificate, now, thresholds_of),
            limit,
            after,
            weigh=weight,
        )

    def every_certificate(self, filters: CertificateFilters, now: datetime) -> Iterator[Certificate]:
        """Give all that `filters` allow, without asking for a status: for a simulation."""
        return every(lambda place: self.certificates(filters, _WHOLE, place, now, lambda _certificate: ()))

    def policies(self, limit: int, after: str | None) -> Page[RenewalPolicy]:
        """Give up to `limit` policies behind the key `after`, by creation."""
        return self._all(Kind.POLICY, POLICY, limit, after)

    def owners(self, limit: int, after: str | None) -> Page[Owner]:
        """Give up to `limit` owners behind the key `after`, by creation."""
        return self._all(Kind.OWNER, OWNER, limit, after)

    def teams(self, limit: int, after: str | None) -> Page[Team]:
        """Give up to `limit` teams behind the key `after`, by creation."""
        return self._all(Kind.TEAM, TEAM, limit, after)

    def rules(self, limit: int, after: str | None) -> Page[Rule]:
        """Give up to `limit` rules behind the key `after`, by creation."""
        return self._all(Kind.RULE, RULE, limit, after)

    def _all(self, kind: Kind, codec: Codec[Row], limit: int, after: str | None) -> Page[Row]:
        reader = Reader(self._client, self._table, _LISTED, (str(kind),), is_forward=True)
        return page(reader, codec.salvage, _anything, limit, after)


def _anything(_row: Any) -> bool:  # noqa: ANN401 - whatever it is
    return True


def _way(filters: CertificateFilters) -> tuple[Index, tuple[str, ...]]:
    """Choose the index that leaves the fewest certificates to look at, and its partitions."""
    narrowed = ((filters.owner_id, _BY_OWNER), (filters.team_id, _BY_TEAM), (filters.policy_id, _BY_POLICY))
    for id_, index in narrowed:
        if id_ is not None:
            return index, (id_,)
    states = _STATES.get(filters.status, (LIVE,))
    if filters.issuer_id is not None:
        return _LEADING, tuple(issuer_partition(filters.issuer_id, state) for state in states)
    return _LISTED, tuple(f"{state}#{shard}" for state in states for shard in range(SHARDS))


def _bounds(filters: CertificateFilters, now: datetime) -> Bounds:
    """Give the keys between which a certificate can match: what has a time to live is behind `now`."""
    lowest = [timestamp(filters.expires_after)] if filters.expires_after else [LOWEST]
    highest = [timestamp(filters.expires_before)] if filters.expires_before else [_ABOVE_CERTIFICATES]
    if filters.status in (CertificateStatus.ACTIVE, CertificateStatus.EXPIRING):
        lowest.append(timestamp(now))
    if filters.status is CertificateStatus.EXPIRED:
        highest.append(f"{timestamp(now)}~")
    return max(lowest), min(highest)
