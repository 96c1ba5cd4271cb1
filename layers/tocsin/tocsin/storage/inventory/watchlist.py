"""What the expiry check must look at, and when: the index `due`, and the work that a check leaves for the next.

Index reads are stale hints. A stale one costs a look that changes nothing; the guards on the base row decide.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tocsin.expiry.stores import ChangedPolicy, ChangedRules, DueCertificate, Indexing, LeftOver
from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.inventory.policy import RenewalPolicy
from tocsin.inventory.rules.rule import Rule
from tocsin.storage.codec import EPOCH, Item, from_timestamp, shard_of, sort_key, timestamp
from tocsin.storage.inventory.endings import WORK, ended_cycle, is_ending
from tocsin.storage.inventory.items import SHARDS, id_of, key
from tocsin.storage.paging import LOWEST, Index, Reader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_DUE = Index("due", "due_shard", "due_key")
_SHARDS = tuple(map(str, range(SHARDS)))
_BY_POLICY = Index("by_policy", "policy_id", "list_key")
_ABOVE_CERTIFICATES = "~"
_LISTED = Index("listed", "listed_in", "list_key")
_LIVE = tuple(f"live#{shard}" for shard in _SHARDS)
_POSITION = {"pk": WORK, "sk": {"S": "position"}}


def looking_anew(table: str, policy: RenewalPolicy) -> dict[str, Any]:
    """Give the action that has the certificates of `policy` looked at anew, from the first one on."""
    item = {"pk": WORK, "sk": {"S": f"policy#{policy.id}"}, "changed_at": {"S": timestamp(policy.updated_at)}}
    return {"Put": {"TableName": table, "Item": item}}


RULES: Any = {"pk": WORK, "sk": {"S": "policy#~rules"}}
"""The key of the work that rules leave which changed: one for all of them, since all are gone through together.

Release 0.4.0 takes everything here that it does not know for a changed policy: so this looks like one without
certificates, which a stack that goes back to that release forgets.
"""


INDEXING: Any = {"pk": WORK, "sk": {"S": "policy#~indexed"}}
"""The key of how far certificates of an earlier release are written anew (`indexing`). It looks so for that reason."""


def judging_anew(table: str, rule: Rule, *, is_gone: bool = False) -> dict[str, Any]:
    """Give the action that has all certificates held against the rules anew, from the first one on."""
    change = f"{rule.id}#{'gone' if is_gone else rule.version}"
    item = {**RULES, "change": {"S": change}, "changed_at": {"S": timestamp(EPOCH)}}
    return {"Put": {"TableName": table, "Item": item}}


class Watchlist:
    """Reads and moves what is due. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def due(self, now: datetime, after: str | None, limit: int) -> list[DueCertificate]:
        """Give hints of the next `limit` due by `now` behind the key `after`, the longest due first."""
        bounds = (LOWEST, f"{timestamp(now)}~")
        reader = Reader(self._client, self._table, _DUE, _SHARDS, bounds=bounds, is_forward=True)
        return [
            DueCertificate(place, from_timestamp(place.partition("#")[0]), id_of(item))
            for place, item in reader.keys(after, limit)
        ]

    def look_again(self, certificate: Certificate, at: datetime | None) -> bool:
        """Have it looked at `at` next (null: not before it changes), if it still is as it was read."""
        update = "REMOVE due_shard, due_key, due_at"
        values: dict[str, Any] = {":version": {"N": str(certificate.version)}}
        if at is not None:
            update = "SET due_shard = :shard, due_key = :key, due_at = :at"
            values |= _due_values(certificate.id, at)
        as_read = "attribute_not_exists(due_key)"
        if certificate.due_at is not None:
            as_read = "due_key = :as_read"
            values[":as_read"] = {"S": sort_key(certificate.due_at, certificate.id)}
        guard = f"#version = :version AND {as_read}"
        return self._updated(certificate.id, update, guard, values)

    def look_now(self, certificate_id: str, now: datetime) -> bool:
        """Have it looked at by the next check, if it is watched at all."""
        return self._updated(
            certificate_id,
            "SET due_shard = :shard, due_key = :key, due_at = :at",
            "attribute_exists(#version) AND attribute_not_exists(archived_at) AND attribute_not_exists(replaced_at)"
            " AND (attribute_not_exists(revoked_at) OR attribute_exists(occurrences))",  # its revocation is to be told
            _due_values(certificate_id, now),
        )

    def left_over(self) -> LeftOver:
        """Give what the checks before left to this one; one request (1 MB holds thousands of changed policies)."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :work",
            ExpressionAttributeValues={":work": WORK},
            ConsistentRead=True,
        )
        items: dict[str, Item] = {item["sk"]["S"]: item for item in answer["Items"]}
        position = items.pop(_POSITION["sk"]["S"], {}).get("last_key", {}).get("S")
        indexing = _indexing(items.pop(INDEXING["sk"]["S"], None))
        ended = [items.pop(name) for name in list(items) if is_ending(name)]
        rules = _changed_rules(items.pop(RULES["sk"]["S"], None))
        changed = tuple(map(_changed_policy, items.values()))
        return LeftOver(position, changed, tuple(map(ended_cycle, ended)), rules, indexing)

    def certificates_of(self, changed: ChangedPolicy, limit: int) -> list[tuple[str, str]]:
        """Give (key, id) of the next `limit` certificates that name the policy."""
        bounds = (LOWEST, _ABOVE_CERTIFICATES)
        reader = Reader(self._client, self._table, _BY_POLICY, (changed.id,), bounds=bounds, is_forward=True)
        return [(place, id_of(item)) for place, item in reader.keys(changed.after, limit)]

    def go_on(self, changed: ChangedPolicy, after: str | None) -> None:
        """Remember how far this one has come (null: back to the first), unless the policy changed again."""
        values = {} if after is None else {":after": {"S": after}}
        self._guarded(
            self._client.update_item,
            changed,
            values,
            UpdateExpression="SET last_key = :after" if values else "REMOVE last_key",
        )

    def finish(self, changed: ChangedPolicy) -> None:
        """Forget it, unless the policy changed again."""
        self._guarded(self._client.delete_item, changed, {})

    def leave_off(self, after: str | None) -> None:
        """Remember where this check leaves off; null: at the end."""
        if after is None:
            self._client.delete_item(TableName=self._table, Key=_POSITION)
        else:
            self._client.put_item(TableName=self._table, Item={**_POSITION, "last_key": {"S": after}})

    def watched(self, after: str | None, limit: int) -> list[tuple[str, str]]:
        """Give (key, id) of the next `limit` certificates that are watched, behind the key `after`, by expiry."""
        bounds = (LOWEST, _ABOVE_CERTIFICATES)
        reader = Reader(self._client, self._table, _LISTED, _LIVE, bounds=bounds, is_forward=True)
        return [(place, id_of(item)) for place, item in reader.keys(after, limit)]

    def go_on_with_rules(self, changed: ChangedRules, after: str) -> None:
        """Remember how far the certificates are held against the rules, unless those changed again."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(
                TableName=self._table,
                Key=RULES,
                UpdateExpression="SET last_key = :after",
                ConditionExpression="change = :change",
                ExpressionAttributeValues={":change": {"S": changed.change}, ":after": {"S": after}},
            )

    def finish_rules(self, changed: ChangedRules) -> None:
        """Forget that they changed, unless they changed again."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self._table,
                Key=RULES,
                ConditionExpression="change = :change",
                ExpressionAttributeValues={":change": {"S": changed.change}},
            )

    def _updated(self, certificate_id: str, update: str, guard: str, values: dict[str, Any]) -> bool:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key(Kind.CERTIFICATE, certificate_id),
                UpdateExpression=update,
                ConditionExpression=guard,
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues=values,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _guarded(
        self, write: Callable[..., object], changed: ChangedPolicy, values: dict[str, Any], **request: str
    ) -> None:
        """Write to the work item of `changed`, unless the policy changed again: then it begins anew."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            write(
                TableName=self._table,
                Key={"pk": WORK, "sk": {"S": f"policy#{changed.id}"}},
                ConditionExpression="changed_at = :changed_at",
                ExpressionAttributeValues={":changed_at": {"S": timestamp(changed.changed_at)}, **values},
                **request,
            )


def _due_values(certificate_id: str, at: datetime) -> dict[str, Any]:
    return {
        ":shard": {"S": shard_of(certificate_id, SHARDS)},
        ":key": {"S": sort_key(at, certificate_id)},
        ":at": {"S": timestamp(at)},
    }


def _changed_rules(item: Item | None) -> ChangedRules | None:
    return None if item is None else ChangedRules(item["change"]["S"], item.get("last_key", {}).get("S"))


def _changed_policy(item: Item) -> ChangedPolicy:
    id_ = str(item["sk"]["S"]).partition("#")[2]
    return ChangedPolicy(id_, from_timestamp(item["changed_at"]["S"]), item.get("last_key", {}).get("S"))


def _indexing(item: Item | None) -> Indexing:
    """Read how far it is; null: nothing was done yet."""
    if item is None:
        return Indexing()
    return Indexing(
        is_done=int(item.get("indexed", {}).get("N", "0")) >= INDEXED,
        after=item.get("last_key", {}).get("S"),
        written=int(item.get("written", {}).get("N", "0")),
    )
