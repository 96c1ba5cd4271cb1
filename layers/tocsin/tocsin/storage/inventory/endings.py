"""Cycles that end, for as long as that takes: an item each, beside the other work that is left to the expiry check."""

from typing import TYPE_CHECKING, Any

from tocsin.expiry.stores import EndedCycle
from tocsin.storage.codec import INSTANT, NUMBER, Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WORK = {"S": "work"}
"""The partition of the table with what is left to a check."""
_PREFIX = "ended#"


class EndingTable:
    """Writes them in the Inventory table. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def begin(self, cycle: EndedCycle) -> None:
        """Remember that a cycle ends."""
        item = {
            **_key(cycle),
            "certificate_id": {"S": cycle.certificate_id},
            "expires_at": {INSTANT.letter: INSTANT.write(cycle.expires_at)},
            "version": {NUMBER.letter: NUMBER.write(cycle.version)},
            "at": {INSTANT.letter: INSTANT.write(cycle.at)},
        }
        self._client.put_item(TableName=self._table, Item=item)

    def finish(self, cycle: EndedCycle) -> None:
        """Forget it: all its alerts are ended."""
        self._client.delete_item(TableName=self._table, Key=_key(cycle))


def is_ending(sort_key: str) -> bool:
    """Tell whether an item of WORK is of a cycle that ends."""
    return sort_key.startswith(_PREFIX)


def ended_cycle(item: Item) -> EndedCycle:
    """Read what `begin` wrote."""
    return EndedCycle(
        item["certificate_id"]["S"],
        INSTANT.read(item["expires_at"]["S"]),
        int(item["version"]["N"]),
        INSTANT.read(item["at"]["S"]),
    )


def _key(cycle: EndedCycle) -> Any:  # noqa: ANN401 - boto3's stubs want a type of their own for each call
    return {"pk": WORK, "sk": {"S": f"{_PREFIX}{cycle.certificate_id}#{cycle.version}"}}
