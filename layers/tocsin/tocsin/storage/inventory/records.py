"""Things of one kind in the Inventory table: certificates, policies, owners or teams.

Every change is one transaction: the thing, under the condition that it is still the version that was read; the counts
of what it refers to; the audit event that says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tocsin.errors import (
    ConflictError,
    InUseError,
    MalformedRowError,
    NotFoundError,
    PreconditionFailedError,
    TocsinError,
)
from tocsin.inventory.audit import AuditEvent, Kind
from tocsin.inventory.lookup import Found
from tocsin.inventory.versioned import Versioned
from tocsin.storage.audit import AuditTrail
from tocsin.storage.codec import Codec, Item
from tocsin.storage.inventory.items import id_of, key
from tocsin.storage.inventory.references import Reference, counting, referrers, unreferenced
from tocsin.storage.paging import batch_get
from tocsin.storage.transaction import RefusedError, commit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


Thing = TypeVar("Thing", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Layout(Generic[Thing]):
    """How one kind is stored."""

    kind: Kind
    codec: Codec[Thing]
    item: Callable[[Thing], dict[str, Any]]
    """Writes the whole item, with its keys."""
    index_keys: frozenset[str]
    references: Callable[[Thing], frozenset[Reference]]
    """Names what the thing refers to."""


class Records(Generic[Thing]):
    """Reads and guarded writes of one kind. Methods block; they raise ClientError for what is not listed."""

    def __init__(self, client: "DynamoDBClient", table: str, audit: AuditTrail, layout: Layout[Thing]) -> None:
        """Use `client` (low-level) and the Inventory `table`; tell `audit` of every change."""
        self._client = client
        self._table = table
        self._audit = audit
        self._layout = layout

    def get(self, id_: str) -> Thing:
        """Read one, as it is now, with blanks for what can't be read: for showing and changing it.

        Raises NotFoundError.
        """
        return self._layout.codec.salvage(self._item(id_))

    def read(self, id_: str) -> Thing:
        """Read one to act on it; raise NotFoundError, or MalformedRowError for one that can't be trusted."""
        return self._layout.codec.decode(self._item(id_))

    def fetch(self, ids: Sequence[str]) -> Found[Thing]:
        """Read many, to act on them; those that are not there are in neither part."""
        things: dict[str, Thing] = {}
        broken: dict[str, str] = {}
        keys = [key(self._layout.kind, id_) for id_ in dict.fromkeys(ids)]
        for item in batch_get(self._client, self._table, keys, is_consistent=True):
            try:
                things[id_of(item)] = self._layout.codec.decode(item)
            except MalformedRowError as error:
                broken[id_of(item)] = error.detail
        return Found(things, broken)

    def create(self, thing: Thing, event: AuditEvent) -> Thing:
        """Write a new one; raise ConflictError where its id is taken."""
        put = {
            "TableName": self._table,
            "Item": self._layout.item(thing),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        references = self._layout.references(thing)
        try:
            self._commit(
                {"Put": put}, *counting(self._table, frozenset(), references), *self._further(None, thing), event=event
            )
        except RefusedError as refused:
            raise self._refusal(thing, refused) from None
        return thing

    def update(self, before: Thing, after: Thing, event: AuditEvent) -> Thing:
        """Replace `before` by `after`; raise PreconditionFailedError where it was changed since it was read."""
        try:
            self._commit(*self.replacing(before, after), event=event)
        except RefusedError:
            raise PreconditionFailedError(f"{self._layout.kind} {before.id}") from None
        return after

    def replacing(self, before: Thing, after: Thing) -> list[dict[str, Any]]:
        """Give the actions that replace `before` by `after`, if it was not changed since it was read."""
        return [
            {"Update": self._replacing(before, after)},
            *counting(self._table, self._layout.references(before), self._layout.references(after)),
            *self._further(before, after),
        ]

    def delete(self, thing: Thing, event: AuditEvent) -> None:
        """Delete the version that was read.

        Raises PreconditionFailedError where it was changed since, InUseError where something refers to it.
        """
        kind = self._layout.kind
        delete = {
            "TableName": self._table,
            "Key": key(kind, thing.id),
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": {"N": str(thing.version)}},
        }
        references = self._layout.references(thing)
        guard = unreferenced(self._table, kind, thing.id)
        try:
            self._commit(
                {"Delete": delete},
                *guard,
                *counting(self._table, references, frozenset()),
                *self._further(thing, None),
                event=event,
            )
        except RefusedError as refused:
            if 0 in refused.failed:
                raise PreconditionFailedError(f"{kind} {thing.id}") from None
            raise InUseError(*referrers(self._client, self._table, kind, thing.id)) from None

    def _item(self, id_: str) -> Item:
        found = self._client.get_item(TableName=self._table, Key=key(self._layout.kind, id_), ConsistentRead=True)
        if "Item" not in found:
            raise NotFoundError(f"{self._layout.kind} {id_[:64]!r}")
        return found["Item"]

    def _commit(self, *actions: Mapping[str, Any], event: AuditEvent) -> None:
        commit(self._client, [*actions, self._audit.appending(event)])

    def _refusal(self, thing: Thing, _refused: RefusedError) -> TocsinError:
        """Say why a new one was not written."""
        return ConflictError(f"{self._layout.kind} {thing.id} exists")

    def _further(self, _before: Thing | None, _after: Thing | None) -> list[dict[str, Any]]:
        """Give what else must be written with a thing; a null `after`: it is deleted."""
        return []

    def _replacing(self, before: Thing, after: Thing) -> dict[str, Any]:
        """Write every attribute anew, so that a broken row is mended; but not those that only the check moves."""
        old, new = self._layout.item(before), self._layout.item(after)
        names = (self._layout.codec.fields | self._layout.index_keys) - {"pk", "sk"}
        untouched = {name for name in _OF_THE_CHECK if old.get(name) == new.get(name)}
        alias = {name: f"#{number}" for number, name in enumerate(sorted(names - untouched))}
        sets = ", ".join(f"{short} = :{short[1:]}" for name, short in alias.items() if name in new)
        removes = ", ".join(short for name, short in alias.items() if name not in new)
        return {
            "TableName": self._table,
            "Key": key(self._layout.kind, before.id),
            "UpdateExpression": f"SET {sets}" + (f" REMOVE {removes}" if removes else ""),
            "ConditionExpression": f"{alias['version']} = :expected",
            "ExpressionAttributeNames": {short: name for name, short in alias.items()},
            "ExpressionAttributeValues": {
                ":expected": {"N": str(before.version)},
                **{f":{short[1:]}": new[name] for name, short in alias.items() if name in new},
            },
        }


_OF_THE_CHECK = (
    *("due_at", "due_shard", "due_key"),
    *("suggested_renewal_at", "suggestion_until", "explanation_url"),
)
"""These are moved without a new version: a change that does not mean them must not put them back."""
