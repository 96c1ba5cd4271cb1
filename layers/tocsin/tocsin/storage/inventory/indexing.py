"""Certificates that a release wrote which knew nothing of what leads to them: each is written anew, once.

Who reads what is left to the checks (`watchlist`) reads how far this is, so it costs nothing once it is done. The item
has a key that release 0.4.0 takes for a policy without certificates: a stack that goes back to it forgets that this was
done, and does it again when it comes back.

It is done when a walk over all certificates finds none to write. While a stack is updated, functions of both releases
run, so the walk that writes them all may have missed one: the check after it walks once more.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tocsin.expiry.stores import Indexing
from tocsin.inventory.certificate import INDEXED
from tocsin.storage.codec import EPOCH, timestamp
from tocsin.storage.inventory.items import ARCHIVED, LIVE, REVOKED, SHARDS, id_of
from tocsin.storage.inventory.watchlist import INDEXING
from tocsin.storage.paging import Index, Reader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from tocsin.storage.inventory.tables import CertificateRecords

_LISTED = Index("listed", "listed_in", "list_key")
_PARTITIONS = tuple(f"{state}#{shard}" for state in (LIVE, ARCHIVED, REVOKED) for shard in range(SHARDS))
_PAGE = 100
_TRIES = 3
"""How often one is read anew that somebody changes just now."""


class IndexingTable:
    """Does it, in the Inventory table. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str, certificates: "CertificateRecords") -> None:
        """Use `client` (low-level) and the Inventory `table`, and write `certificates`."""
        self._client = client
        self._table = table
        self._certificates = certificates

    def go_on(self, indexing: Indexing, has_time: Callable[[], bool]) -> int:
        """Walk on, while `has_time`; say how many were written."""
        reader = Reader(self._client, self._table, _LISTED, _PARTITIONS, is_forward=True)
        place, before, written = indexing.after, indexing.written, 0
        while has_time():
            keys = reader.keys(place, _PAGE)
            written += self._index([id_of(item) for _, item in keys])
            if len(keys) < _PAGE:
                self._remember(None, 0, is_done=before + written == 0)
                return written
            place = keys[-1][0]
            self._remember(place, before + written, is_done=False)
        return written

    def _index(self, ids: list[str]) -> int:
        """Write those of `ids` anew that need it, and say how many did.

        One that can't be read stays as it is until somebody mends it; one that others change again and again is met
        by the next walk.
        """
        met: set[str] = set()
        for _ in range(_TRIES):
            found = self._certificates.fetch(ids).things.values() if ids else ()
            asked = {one.id: self._certificates.index(one) for one in found if one.indexed < INDEXED}
            met |= asked.keys()
            ids = [id_ for id_, is_written in asked.items() if not is_written]
        return len(met)

    def _remember(self, after: str | None, written: int, *, is_done: bool) -> None:
        item: dict[str, Any] = {**INDEXING, "changed_at": {"S": timestamp(EPOCH)}, "written": {"N": str(written)}}
        if after is not None:
            item["last_key"] = {"S": after}
        if is_done:
            item["indexed"] = {"N": str(INDEXED)}
        self._client.put_item(TableName=self._table, Item=item)
