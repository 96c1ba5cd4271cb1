"""What is known of each source of certificates, in the Inventory table: `source` / the source's name."""

from typing import TYPE_CHECKING, Any

from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.state import SourceState
from tocsin.storage.codec import INSTANT, TEXT, Codec, Column, json_form, required
from tocsin.storage.paging import HIGHEST, LOWEST, Index, Page, Reader, every, page

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PARTITION = "source"
_COLLECTION = Index(None, "pk", "sk")
_FAILURE = json_form(
    lambda failure: [failure.kind, failure.detail, failure.ref],
    lambda plain: SourceFailure(FailureKind(plain[0]), plain[1], plain[2]),
)
_STATE = Codec(
    SourceState,
    (
        required("source", TEXT, ""),
        Column("last_attempt_at", INSTANT),
        Column("last_success_at", INSTANT),
        Column("last_failure", _FAILURE),
        Column("failing_since", INSTANT),
        Column("alarmed_at", INSTANT),
    ),
)


class SourceStates:
    """Reads and writes states; one sync at a time does (it holds a lease), so the last writer is the only one."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def get(self, source: str) -> SourceState:
        """Read one; a source that was never tried has an empty state."""
        found = self._client.get_item(TableName=self._table, Key=_key(source), ConsistentRead=True)
        return _STATE.salvage(found["Item"]) if "Item" in found else SourceState(source=source)

    def put(self, state: SourceState) -> None:
        """Write one."""
        self._client.put_item(TableName=self._table, Item={**_key(state.source), **_STATE.encode(state)})

    def forget(self, source: str) -> None:
        """Remove one that is no source any more."""
        self._client.delete_item(TableName=self._table, Key=_key(source))

    def page(self, limit: int, after: str | None) -> Page[SourceState]:
        """Give up to `limit` states behind the key `after`, by name."""
        reader = Reader(
            self._client, self._table, _COLLECTION, (_PARTITION,), bounds=(LOWEST, HIGHEST), is_forward=True
        )
        return page(reader, _STATE.salvage, lambda _state: True, limit, after)

    def every(self) -> list[SourceState]:
        """Read all."""
        return list(every(lambda place: self.page(100, place)))


def _key(source: str) -> dict[str, Any]:
    return {"pk": {"S": _PARTITION}, "sk": {"S": source}}
