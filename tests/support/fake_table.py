"""The Notifications table in memory. test_table_contract.py holds it to what the real one does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.support.rows import RETENTION
from tocsin.delivery.notification import Notification
from tocsin.delivery.store import Change, Due, Fetched, Write
from tocsin.errors import ConflictError, NotFoundError
from tocsin.storage.codec import from_timestamp
from tocsin.storage.notifications.item import SHARDS, encode, read_all, salvage
from tocsin.storage.update import Update, is_another, is_made_by


class FakeTable:
    """Items by id; a write happens if its guards hold."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def insert(self, row: Notification) -> Notification:
        self.items[row.id] = encode(row, RETENTION)
        return row

    def get(self, id_: str) -> Notification:
        if id_ not in self.items:
            raise NotFoundError(id_)
        return salvage(self.items[id_])

    def write(self, changes: Sequence[Change]) -> list[Write]:
        verdicts = []
        for change in changes:
            verdicts.append(self._write(change, encode(change.after, RETENTION)))
            if change.stand_in and verdicts[-1] is Write.DONE:
                self.items.setdefault(change.stand_in.id, encode(change.stand_in, RETENTION))
        return verdicts

    def write_status(self, change: Change) -> Write:
        item = self.items.get(change.before.id)
        if item is None or is_another(salvage(item), change.before):
            return Write.LOST
        return self._apply(Update.of_state(item, encode(change.after, RETENTION)))

    def replace(self, change: Change) -> None:
        if self.write([change]) != [Write.DONE]:
            raise ConflictError(change.before.id)

    def holds(self, change: Change) -> bool:
        return is_made_by(change, salvage(self.items.get(change.before.id, {})))

    def _write(self, change: Change, after: dict[str, Any]) -> Write:
        return self._apply(Update.between(encode(change.before, RETENTION), after))

    def _apply(self, update: Update) -> Write:
        item = self.items.get(update.id["S"])
        if item is None or any(item.get(name) != value for name, value in update.guards.items()):
            return Write.LOST
        item.update(update.set)
        for name in update.remove:
            item.pop(name, None)
        return Write.DONE

    def due(self, now: datetime, limit: int, shards: Sequence[int] = range(SHARDS)) -> list[Due]:
        found = [
            Due(from_timestamp(item["next_retry_at"]["S"]), id_)
            for id_, item in self.items.items()
            if item.get("due_shard", {}).get("S") in set(map(str, shards))
        ]
        return sorted((hint for hint in found if hint.at <= now), key=lambda hint: (hint.at, hint.id))[:limit]

    def resolve(self, trigger: Notification, resolve: Notification) -> bool:
        stored, before = self.items[trigger.id], self.items.get(resolve.id, {})
        if stored["created_key"] != encode(trigger, RETENTION)["created_key"] or "resolved_by" in stored:
            return False
        if "claim_token" in before:
            raise ConflictError(resolve.id)
        stored["resolved_by"] = {"S": resolve.id}
        self.insert(resolve)
        return True

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        return read_all(self.items[id_] for id_ in dict.fromkeys(ids) if id_ in self.items)
