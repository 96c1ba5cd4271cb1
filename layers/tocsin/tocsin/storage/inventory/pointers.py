"""What leads to certificates by what they are: an item each, written with the certificate and never without it.

| pk                    | sk                          | leads to                                   |
|-----------------------|-----------------------------|--------------------------------------------|
| `identity#<identity>` | `<certificate id>`          | every row that has this very certificate   |
| `issuer#<id>#<state>` | `<expiry>#<certificate id>` | every row that is of this issuer, by expiry |

An index would cost a write for each certificate too, and a table takes one new index a deployment.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.storage.codec import Item, sort_key
from tocsin.storage.inventory.items import key, state_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


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
    """Give the actions that remove what leads there no more, and write what newly does."""
    old, new = pointers(before), pointers(after)
    gone = [{"Delete": {"TableName": table, "Key": one.key}} for one in sorted(old - new)]
    return gone + [{"Put": {"TableName": table, "Item": one.key}} for one in sorted(new - old)]


class Pointers:
    """Follows them. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def having(self, identity: str) -> Sequence[str]:
        """Give the ids of the rows that have the very certificate of this identity, at most 100."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"identity#{identity}"}},
            ConsistentRead=True,
            Limit=100,
        )
        return [item["sk"]["S"] for item in answer["Items"]]
