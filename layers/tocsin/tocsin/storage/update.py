"""One guarded update of just what differs, as a value; written as PartiQL for batches, as UpdateItem for one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tocsin.delivery.notification import Notification
from tocsin.delivery.store import Change
from tocsin.text import bounded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

GUARDED = (
    "status",  # no other transition came between
    "updated_at",  # not the same state in a later life
    "retry_count",  # no other attempt was counted between
    "claimed_until",  # nobody claimed it, or the claim that ran out is still the one that was read
    "claim_token",  # while claimed: only its holder
)
"""What must still be as it was read, for a write to happen."""
_STATE = (
    *("outcome", "last_error", "sent_at", "read_at", "attempts", "expires_at_epoch", "deferred_by", "receipt"),
    *("due_shard", "next_retry_at", "dead_shard", "died_key"),
)
"""What a change of state may write or remove, besides what guards it."""
_KEPT = 1024
"""Bytes left of an attribute that is cut to make room."""


def is_another(stored: Notification, read: Notification) -> bool:
    """Tell whether a row is no longer as it was read, by what guards every write."""
    return any(getattr(stored, name) != getattr(read, name) for name in GUARDED)


def is_made_by(change: Change, stored: Notification) -> bool:
    """Tell whether a row is as `change` made it. One that was put off differs in its claim alone."""
    after = change.after
    is_put_off = after.updated_at == change.before.updated_at
    same = (stored.updated_at, stored.status) == (after.updated_at, after.status)
    return same and (not is_put_off or stored.claimed_until == after.claimed_until)


@dataclass(frozen=True, slots=True)
class Update:
    """Attributes to set, attributes to remove, and the values that guard both."""

    id: Any
    set: Mapping[str, Any]
    remove: tuple[str, ...]
    guards: Mapping[str, Any]

    @classmethod
    def between(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> "Update":
        """Make the update that turns the item `before` into `after`."""
        return cls(
            id=before["id"],
            set={name: value for name, value in after.items() if value != before.get(name)},
            remove=tuple(name for name in before if name not in after),
            guards={name: before[name] for name in GUARDED if name in before},
        )

    @classmethod
    def of_state(cls, stored: Mapping[str, Any], after: Mapping[str, Any]) -> "Update":
        """Make the update that puts the item `stored` into the state of `after`, without its history."""
        names = {"id", *GUARDED, *_STATE}
        there = {name: value for name, value in stored.items() if name in names}
        update = cls.between(there, {name: after[name] for name in names - {"attempts"} if name in after})
        return replace(update, guards=update.guards or {"id": stored["id"]})

    def making_room_in(self, item: Mapping[str, Any]) -> "Update":
        """Cut the largest attribute of `item` as well, or drop it where it is no text: for an item at 400 KB."""
        others = item.keys() - {"id", *self.set, *self.remove, *self.guards}
        largest = max(others, key=lambda name: len(str(item[name])))
        if "S" in item[largest]:
            kept = {"S": bounded(item[largest]["S"], _KEPT)}
            return replace(self, set={**self.set, largest: kept})
        return replace(self, remove=(*self.remove, largest))

    def as_statement(self, table: str) -> "BatchStatementRequestTypeDef":
        """Write it as one statement of BatchExecuteStatement."""
        text = (
            f'UPDATE "{table}"'  # noqa: S608 - names are this code's own; every value is a parameter
            + "".join(f' SET "{name}"=?' for name in self.set)
            + "".join(f' REMOVE "{name}"' for name in self.remove)
            + ' WHERE "id"=?'
            + "".join(f' AND "{name}"=?' for name in self.guards)
        )
        return {"Statement": text, "Parameters": [*self.set.values(), self.id, *self.guards.values()]}

    def as_request(self, table: str) -> dict[str, Any]:
        """Write it as the arguments of UpdateItem."""
        names = sorted({*self.set, *self.remove, *self.guards})
        alias = {name: f"#{number}" for number, name in enumerate(names)}
        sets = ", ".join(f"{alias[name]} = :s{number}" for number, name in enumerate(self.set))
        removes = ", ".join(alias[name] for name in self.remove)
        guards = " AND ".join(f"{alias[name]} = :g{number}" for number, name in enumerate(self.guards))
        values = {f":s{number}": value for number, value in enumerate(self.set.values())}
        return {
            "TableName": table,
            "Key": {"id": self.id},
            "UpdateExpression": (f"SET {sets}" if sets else "") + (f" REMOVE {removes}" if removes else ""),
            "ConditionExpression": guards,
            "ExpressionAttributeNames": {alias[name]: name for name in names},
            "ExpressionAttributeValues": values | {f":g{n}": value for n, value in enumerate(self.guards.values())},
        }
