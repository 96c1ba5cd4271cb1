"""The versions of certificates: an item for each certificate that a row had, written in the row's own transactions.

| pk                 | sk                             | listed                                                   |
|--------------------|--------------------------------|----------------------------------------------------------|
| `certificate#<id>` | `version#<created>#<version>`  | in `versions#<id>#<created>`, by when it came last       |

`created` is when the row was: a row that is deleted, and found again by its source under the same id, begins anew,
whatever is left of the one before.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import INDEXED, Certificate, Source
from tocsin.inventory.version import CertificateVersion, version_id, version_of
from tocsin.storage.codec import EPOCH, INSTANT, NUMBER, TEXT, Codec, Column, Form, required, sort_key, timestamp
from tocsin.storage.inventory.items import key
from tocsin.storage.paging import Index, Page, Reader, page
from tocsin.storage.transaction import LIMIT, commit
from tocsin.storage.upsert import upserting

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_VERSION = Codec(
    CertificateVersion,
    (
        required("id", TEXT, ""),
        required("first_seen_at", INSTANT, EPOCH),
        required("last_seen_at", INSTANT, EPOCH),
        Column("gone_at", INSTANT),
        required("times_seen", NUMBER, 1),
        required("source", Form("S", str, Source), Source.API),
        Column("source_ref", TEXT, ""),
        Column("issuer", TEXT, ""),
        Column("serial", TEXT, ""),
        Column("fingerprint_sha256", TEXT, ""),
        Column("not_before", INSTANT),
        required("expires_at", INSTANT, EPOCH),
        Column("key_kind", TEXT, ""),
        Column("key_size", NUMBER),
        Column("signature_algorithm", TEXT, ""),
    ),
)
_LISTED = Index("listed", "listed_in", "list_key")
_FORGOTTEN = 1_000
"""Versions that go with a row at most: what a renewal an hour makes in six weeks. The rest is never found again."""


def versioning(table: str, before: Certificate | None, after: Certificate | None) -> list[dict[str, Any]]:
    """Give the actions by which the versions of a row follow its change: none, where nothing of that changed."""
    if after is None or after.indexed < INDEXED:
        return []
    if before is None:
        return [_seen(table, after, after.created_at, times=1)]
    if version_id(before) != version_id(after):
        return [_left(table, before, after.updated_at), _seen(table, after, after.updated_at, times=1)]
    if before.indexed < INDEXED:
        return [_seen(table, after, before.watched_since, times=1)]
    return [_seen(table, after, after.updated_at, times=0)] if _said(before) != _said(after) else []


def _said(certificate: Certificate) -> CertificateVersion:
    """Give what a version says of a certificate, without its times."""
    return version_of(certificate, EPOCH)


def _seen(table: str, certificate: Certificate, at: datetime, *, times: int) -> dict[str, Any]:
    """Give the action that writes the version that is there now; `times`: how often it came just now."""
    facts, times_of = _encoded(certificate, at)
    once = {"first_seen_at": times_of["first_seen_at"]}
    return upserting(
        table,
        _key(certificate, version_id(certificate)),
        sets=facts | {name: value for name, value in times_of.items() if name not in (*once, "times_seen")},
        once=once,
        removes=_VERSION.fields - facts.keys() - times_of.keys(),
        adds={"times_seen": times} if times else {},
    )


def _left(table: str, certificate: Certificate, at: datetime) -> dict[str, Any]:
    """Give the action that says that another one is in its place now; it may be the first thing that is said of it."""
    facts, once = _encoded(certificate, certificate.watched_since)
    gone = {"gone_at": {"S": timestamp(at)}}
    return upserting(table, _key(certificate, version_id(certificate)), sets=facts | gone, once=once)


def _encoded(certificate: Certificate, at: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the version that is there now, as if it came `at`: what it is, and what depends on when it was seen."""
    facts = _VERSION.encode(version_of(certificate, at))
    times = {name: facts.pop(name) for name in ("first_seen_at", "last_seen_at", "times_seen")}
    place = {"listed_in": {"S": _list(certificate)}, "list_key": {"S": sort_key(at, version_id(certificate))}}
    return facts, times | place


def _key(certificate: Certificate, version: str) -> dict[str, Any]:
    return key(Kind.CERTIFICATE, certificate.id, f"{_prefix(certificate)}{version}")


def _prefix(certificate: Certificate) -> str:
    return f"version#{timestamp(certificate.created_at)}#"


def _list(certificate: Certificate) -> str:
    """Name the part of `listed` that its versions are in."""
    return f"versions#{certificate.id}#{timestamp(certificate.created_at)}"


class Versions:
    """Reads and forgets them. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def of(self, certificate: Certificate, limit: int, after: str | None) -> Page[CertificateVersion]:
        """Give up to `limit` versions of a row behind the key `after`, the one that came last first."""
        reader = Reader(self._client, self._table, _LISTED, (_list(certificate),), is_forward=False)
        return page(reader, _VERSION.salvage, lambda _version: True, limit, after)

    def forget(self, certificate: Certificate) -> None:
        """Delete those of a row that is deleted. What a crash leaves is found by nobody, and costs its storage."""
        for _ in range(_FORGOTTEN // LIMIT):
            found = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :versions)",
                ExpressionAttributeValues={
                    ":pk": key(Kind.CERTIFICATE, certificate.id)["pk"],
                    ":versions": {"S": _prefix(certificate)},
                },
                ProjectionExpression="pk, sk",
                ConsistentRead=True,
                Limit=LIMIT,
            )["Items"]
            if found:
                commit(self._client, [{"Delete": {"TableName": self._table, "Key": item}} for item in found])
            if len(found) < LIMIT:
                return
