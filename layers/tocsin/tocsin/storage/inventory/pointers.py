"""What leads to certificates by what they are: an item each, written with the certificate and never without it.

| pk                    | sk                            | leads to                                            |
|-----------------------|-------------------------------|-----------------------------------------------------|
| `identity#<identity>` | `<certificate id>`            | every row that has this very certificate            |
| `renewed#<identity>`  | `<identity>#<certificate id>` | every row that had it, by what it has now, but for  |
|                       |                               | places: what is renewed there, servers are to serve |
| `policy#<rule id>`    | `violation#<certificate id>`  | every certificate that violates the rule            |
| `issuer#<id>#<state>` | `<expiry>#<certificate id>`   | every row that is of this issuer, by expiry         |

An index would cost a write for each certificate too, and a table takes one new index a deployment.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.storage.codec import Item, sort_key
from tocsin.storage.inventory.items import key, state_of
from tocsin.storage.paging import LOWEST

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


PAGE = 100
"""Rows that one question gives."""
VIOLATION = "violation#"
"""What the sort keys of those to certificates that violate a rule begin with."""


class Pointer(NamedTuple):
    """The key of one."""

    pk: str
    sk: str

    @property
    def key(self) -> dict[str, Any]:
        """Give it as DynamoDB has it."""
        return {"pk": {"S": self.pk}, "sk": {"S": self.sk}}


def pointers(certificate: Certificate | None) -> frozenset[Pointer]:
    """Name all that lead to `certificate`; none where it was written by a release that had none."""
    if certificate is None or certificate.indexed < INDEXED:
        return frozenset()
    return frozenset(_pointers(certificate))


def _pointers(certificate: Certificate) -> Iterator[Pointer]:
    if certificate.identity:
        yield Pointer(f"identity#{certificate.identity}", certificate.id)
    if certificate.renews and not certificate.source.is_place:
        yield Pointer(f"renewed#{certificate.renews}", f"{certificate.identity}#{certificate.id}")
    for violation in certificate.violations:
        yield Pointer(f"{Kind.RULE}#{violation.rule_id}", f"{VIOLATION}{certificate.id}")
    if certificate.issuer_id is not None:
        partition = issuer_partition(certificate.issuer_id, state_of(certificate))
        yield Pointer(partition, sort_key(certificate.expires_at, certificate.id))


def issuer_partition(issuer_id: str, state: str) -> str:
    """Name the partition that leads to the certificates of an issuer that are in `state`."""
    return f"issuer#{issuer_id}#{state}"


def pointed_at(item: Item) -> dict[str, Any]:
    """Give the key of the certificate that an item of such a partition leads to."""
    return key(Kind.CERTIFICATE, item["sk"]["S"].partition("#")[2])


def pointing(table: str, before: Certificate | None, after: Certificate | None) -> list[dict[str, Any]]:
    """Give the actions that write what newly leads there, and then those that remove what does no more."""
    old, new = pointers(before), pointers(after)
    gone = [{"Delete": {"TableName": table, "Key": one.key}} for one in sorted(old - new)]
    return [{"Put": {"TableName": table, "Item": one.key}} for one in sorted(new - old)] + gone


class Pointers:
    """Follows them. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def having(self, identity: str, after: str = "") -> Sequence[str]:
        """Give the ids of the rows that have the very certificate of this identity: the next 100 behind `after`."""
        return self._query("pk = :pk AND sk > :sk", f"identity#{identity}", after or LOWEST)

    def renewed(self, identity: str, into: str = "") -> Sequence[str]:
        """Give the ids of the rows, none of them a place, that had this very certificate before: at most 100.

        Those that have the one of the identity `into` now, where that is given.
        """
        condition = "pk = :pk AND begins_with(sk, :sk)" if into else "pk = :pk AND sk > :sk"
        found = self._query(condition, f"renewed#{identity}", f"{into}#" if into else LOWEST)
        return [place.rpartition("#")[2] for place in found]

    def _query(self, condition: str, partition: str, place: str) -> list[str]:
        """Give the sort keys that meet `condition`, at most 100."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={":pk": {"S": partition}, ":sk": {"S": place}},
            ConsistentRead=True,
            Limit=PAGE,
        )
        return [item["sk"]["S"] for item in answer["Items"]]
