"""Issuers in the Inventory table: an item each, made and counted in the transactions of the certificates of it.

`issuer#<id>` / `record`: its name, when it was first seen, and how many live certificates it has. It stays when it has
none any more. When the next of them expires is the first item of what leads to them (`pointers`), so nobody keeps it.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.inventory.issuer import Issuer
from tocsin.storage.codec import EPOCH, INSTANT, NUMBER, TEXT, Codec, required, time_of, timestamp
from tocsin.storage.inventory.items import LIVE, key, listed_item, state_of
from tocsin.storage.inventory.pointers import issuer_partition
from tocsin.storage.paging import Index, Page, Reader, every, page
from tocsin.storage.upsert import upserting

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ISSUER = Codec(
    Issuer,
    (
        required("id", TEXT, ""),
        required("name", TEXT, ""),
        required("created_at", INSTANT, EPOCH),
        required("live", NUMBER, 0),
    ),
)
_LISTED = Index("listed", "listed_in", "list_key")
_WHOLE = 100
_ONCE = ("created_at", "listed_in", "list_key")


def issuing(table: str, before: Certificate | None, after: Certificate | None) -> list[dict[str, Any]]:
    """Give the actions that count the live certificates of issuers; a new issuer is written with its first one."""
    was, now = _counts(before), _counts(after)
    if was is not None and now is not None and was.issuer == now.issuer:
        return []
    less = [] if was is None else [_counted(table, was, -1, was.watched_since)]
    return less if now is None else [*less, _counted(table, now, 1, _since(before, now))]


def _counts(certificate: Certificate | None) -> Certificate | None:
    """Give the certificate if it counts: it is live, has an issuer, and was written by a release that counts."""
    if certificate is None or certificate.indexed < INDEXED or not certificate.issuer:
        return None
    return certificate if state_of(certificate) == LIVE else None


def _since(before: Certificate | None, after: Certificate) -> datetime:
    """Say since when the issuer of a row is known to be seen: an earlier release may have seen it already."""
    is_same = before is not None and before.issuer == after.issuer
    return after.watched_since if is_same else after.updated_at


def _counted(table: str, certificate: Certificate, step: int, seen_at: datetime) -> dict[str, Any]:
    issuer = Issuer(id=certificate.issuer_id or "", name=certificate.issuer, created_at=seen_at)
    item = listed_item(Kind.ISSUER, _ISSUER.encode(issuer))
    return upserting(
        table,
        key(Kind.ISSUER, issuer.id),
        sets={"id": item["id"], "name": item["name"]},
        once={name: item[name] for name in _ONCE},
        adds={"live": step},
    )


class Issuers:
    """Reads them. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def page(self, limit: int, after: str | None, now: datetime) -> Page[Issuer]:
        """Give up to `limit` issuers behind the key `after`, in the order in which they were first seen."""
        found = self._named(limit, after)
        rows = tuple(replace(issuer, next_expiry=self._next_expiry(issuer, now)) for issuer in found.rows)
        return replace(found, rows=rows)

    def every(self) -> Iterator[Issuer]:
        """Give all of them, without saying when the next certificate of each expires."""
        return every(lambda place: self._named(_WHOLE, place))

    def _named(self, limit: int, after: str | None) -> Page[Issuer]:
        reader = Reader(self._client, self._table, _LISTED, (str(Kind.ISSUER),), is_forward=True)
        return page(reader, _ISSUER.salvage, lambda _issuer: True, limit, after)

    def _next_expiry(self, issuer: Issuer, now: datetime) -> datetime | None:
        """Say when the next of its live certificates expires; those that have expired are past."""
        if issuer.live <= 0:
            return None
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk > :now",
            ExpressionAttributeValues={
                ":pk": {"S": issuer_partition(issuer.id, LIVE)},
                ":now": {"S": f"{timestamp(now)}~"},
            },
            Limit=1,
        )
        return next((time_of(item["sk"]["S"]) for item in answer["Items"]), None)
