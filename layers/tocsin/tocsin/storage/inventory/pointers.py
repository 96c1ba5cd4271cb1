"""What leads to certificates by what they are: an item each, written with the certificate and never without it.

| pk                    | sk                            | leads to                                            |
|-----------------------|-------------------------------|-----------------------------------------------------|
| `identity#<identity>` | `<certificate id>`            | every row that has this very certificate            |
| `renewed#<identity>`  | `<identity>#<certificate id>` | every row that had it, by what it has now, but for  |
|                       |                               | places: what is renewed there, servers are to serve |

An index would cost a write for each certificate too, and a table takes one new index a deployment.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.storage.paging import LOWEST

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


PAGE = 100
"""Rows that one question gives."""


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
