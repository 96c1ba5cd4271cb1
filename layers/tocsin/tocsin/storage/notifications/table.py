"""The Notifications table: every write states the row that it expects to find.

Index reads are stale hints; only the guard on the base row decides (DynamoDB developer guide, "Global secondary
indexes": they are updated asynchronously).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.delivery.notification import Act, Notification
from tocsin.delivery.snapshot import COUNTED
from tocsin.delivery.store import Change, Due, Fetched, Write
from tocsin.errors import ConflictError, IdempotencyMismatchError, NotFoundError, StorageUnavailableError
from tocsin.storage.codec import sort_key, timestamp
from tocsin.storage.notifications.item import ASKED, SHARDS, due_time, encode, read_all, salvage, update_of
from tocsin.storage.paging import batch_get
from tocsin.storage.transaction import RefusedError, commit
from tocsin.storage.update import Update, is_another, is_made_by

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class NotificationTable:
    """Reads and guarded writes of one table. Methods block; they raise ClientError for what is not listed."""

    def __init__(self, client: "DynamoDBClient", name: str, retention: timedelta) -> None:
        """Use `client` (low-level), the table's `name`, and keep finished rows for `retention`."""
        self._client = client
        self._name = name
        self._retention = retention

    def insert(self, row: Notification) -> Notification:
        """Write a new row, or return the one that the same Idempotency-Key made before.

        What a resolve is about is not sent any more from the same write on. Raises IdempotencyMismatchError where the
        one that was made before came from another body.
        """
        new = self.inserting(row)["Put"]
        try:
            if row.act is not Act.RESOLVE or row.about is None or not self._insert_resolve(row, row.about, new):
                self._client.put_item(**new)
        except self._client.exceptions.ConditionalCheckFailedException:
            found = self.get(row.id)
            if found.fingerprint != row.fingerprint:
                raise IdempotencyMismatchError from None
            return found
        return row

    def _insert_resolve(self, row: Notification, about: str, new: Mapping[str, Any]) -> bool:
        """Write a resolve with what it means for its trigger, or tell that one of them kept that from being done."""
        resolved = {
            "TableName": self._name,
            "Key": _key(about),
            "UpdateExpression": "SET resolved_by = :id",
            "ConditionExpression": "attribute_exists(#status)",  # else it would make a row of an id
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":id": {"S": row.id}},
        }
        try:
            commit(self._client, [{"Put": new}, {"Update": resolved}])
        except RefusedError:
            return False
        return True

    def resolve(self, trigger: Notification, resolve: Notification) -> bool:
        """Write what resolves `trigger`, unless another one does, or it began a new life: tell whether it is written.

        Raises ConflictError where the resolve of a former life is in a worker's hands just now.
        """
        resolved = {
            "TableName": self._name,
            "Key": _key(trigger.id),
            "UpdateExpression": "SET resolved_by = :id",
            "ConditionExpression": "created_key = :created AND attribute_not_exists(resolved_by)",
            "ExpressionAttributeValues": {
                ":id": {"S": resolve.id},
                ":created": {"S": sort_key(trigger.created_at, trigger.id)},
            },
        }
        try:
            commit(self._client, [{"Update": resolved}, self.beginning(resolve)])
        except RefusedError as refused:
            if 0 in refused.failed:
                return False
            raise ConflictError(f"notification {resolve.id}") from None
        return True

    def beginning(self, row: Notification) -> dict[str, Any]:
        """Give the action that begins a life of a row, in the place of one that no worker has."""
        new = {"TableName": self._name, "Item": encode(row, self._retention)}
        return {"Put": new | {"ConditionExpression": "attribute_not_exists(claim_token)"}}

    def get(self, id_: str) -> Notification:
        """Read one row, as it is now; raise NotFoundError."""
        found = self._client.get_item(TableName=self._name, Key=_key(id_), ConsistentRead=True)
        if "status" not in found.get("Item", {}):
            raise NotFoundError(id_)
        return salvage(found["Item"])

    def replace(self, change: Change, *also: Mapping[str, Any]) -> None:
        """Write one step, and `also` what else its transaction does. What stands in for a row is written with it.

        Raises ConflictError where the row is no longer as it was read.
        """
        if change.stand_in:
            also = (*also, self.inserting(change.stand_in))
        update = update_of(change, self._retention).as_request(self._name)
        try:
            if also:
                commit(self._client, [{"Update": update}, *also])
            else:
                self._client.update_item(**update)
        except (RefusedError, self._client.exceptions.ConditionalCheckFailedException):
            if not self.holds(change):  # or this is the second try of a call whose answer never came
                raise ConflictError(f"notification {change.before.id}") from None

    def replacing_once(self, change: Change, job: str) -> dict[str, Any]:
        """Give the action that writes a step on behalf of a job, unless that job took the row before.

        The row's times don't say that: the worker in whose hands it died again may have another clock.
        """
        update = update_of(change, self._retention)
        request = replace(update, set={**update.set, "requeued_by": {"S": job}}).as_request(self._name)
        request["ConditionExpression"] += " AND (attribute_not_exists(requeued_by) OR requeued_by <> :job)"
        request["ExpressionAttributeValues"][":job"] = {"S": job}
        return {"Update": request}

    def write(self, changes: Sequence[Change]) -> list[Write]:
        """Write up to 25 steps in one call; each succeeds or fails alone. Answers are in the order of `changes`."""
        alone = [change for change in changes if change.stand_in is None]
        verdicts = iter(self._write_batch(alone) if alone else ())
        return [next(verdicts) if change.stand_in is None else self._write_both(change) for change in changes]

    def _write_batch(self, changes: Sequence[Change]) -> list[Write]:
        statements = [update_of(change, self._retention).as_statement(self._name) for change in changes]
        try:
            answer = self._client.batch_execute_statement(Statements=statements)
        except ClientError as error:
            if error.response["Error"].get("Code") != "ValidationException":
                return [Write.UNAVAILABLE] * len(changes)
            if len(changes) == 1:
                return [Write.REFUSED]
            return [self._write_batch([change])[0] for change in changes]  # one bad row must not spoil the rest
        except BotoCoreError:
            return [Write.UNAVAILABLE] * len(changes)
        return [_verdict(response.get("Error", {}).get("Code")) for response in answer["Responses"]]

    def _write_both(self, change: Change) -> Write:
        """Write a step and the row that stands in, or neither. One that is there already was made by another step."""
        actions: list[Mapping[str, Any]] = [{"Update": update_of(change, self._retention).as_request(self._name)}]
        if change.stand_in:
            actions.append(self.inserting(change.stand_in))
        try:
            commit(self._client, actions)
        except RefusedError as refused:
            is_there = refused.failed == (1,)
            return self.write([Change(change.before, change.after)])[0] if is_there else Write.LOST
        except ClientError as error:
            is_refused = error.response["Error"].get("Code") == "ValidationException"
            return Write.REFUSED if is_refused else Write.UNAVAILABLE
        except BotoCoreError:
            return Write.UNAVAILABLE
        return Write.DONE

    def inserting(self, row: Notification) -> dict[str, Any]:
        """Give the action that writes a new row, unless it is there."""
        new = {"TableName": self._name, "Item": encode(row, self._retention)}
        return {"Put": new | {"ConditionExpression": "attribute_not_exists(id)"}}

    def write_status(self, change: Change) -> Write:
        """Write the state that a step leads to and nothing else: for a row that can't take the whole of it.

        The history goes. What of the row can't be read, or fills it, may be in any attribute, so the stored item is
        read: it guards the write as it is, and loses most of its largest attribute where there still is no room.
        """
        try:
            stored = self._client.get_item(TableName=self._name, Key=_key(change.before.id), ConsistentRead=True)
        except (ClientError, BotoCoreError):
            return Write.UNAVAILABLE
        item = stored.get("Item", {})
        if not item or is_another(salvage(item), change.before):
            return Write.LOST
        update = Update.of_state(item, encode(change.after, self._retention))
        verdict = self._write_one(update)
        return self._write_one(update.making_room_in(item)) if verdict is Write.REFUSED else verdict

    def _write_one(self, update: Update) -> Write:
        try:
            self._client.update_item(**update.as_request(self._name))
        except ClientError as error:
            return _verdict(error.response["Error"].get("Code"))
        except BotoCoreError:
            return Write.UNAVAILABLE
        return Write.DONE

    def holds(self, change: Change) -> bool:
        """Tell whether the row is as `change` made it; False where it is gone, or can't be read now."""
        try:
            found = self.get(change.before.id)
        except (NotFoundError, ClientError, BotoCoreError):
            return False
        return is_made_by(change, found)

    def to_ask(self, now: datetime, limit: int) -> list[Due]:
        """Give hints of up to `limit` rows whose service is to be asked by `now`, oldest first. Raises ClientError."""
        return list(islice(self._due_in(ASKED, now), limit))

    def due(self, now: datetime, limit: int, shards: Iterable[int] = range(SHARDS)) -> list[Due]:
        """Give hints of at most `limit` rows due by `now`, oldest first. Raises ClientError: then nothing is known."""
        found = [list(islice(self._due_in(str(shard), now), limit)) for shard in shards]
        return list(islice(merge(*found, key=lambda hint: (hint.at, hint.id)), limit))

    def _due_in(self, shard: str, now: datetime) -> Iterator[Due]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName="due",
            KeyConditionExpression="due_shard = :shard AND next_retry_at <= :until",
            ExpressionAttributeValues={":shard": {"S": shard}, ":until": {"S": timestamp(now)}},
        )
        for page in pages:
            for item in page["Items"]:
                yield Due(due_time(item, now), item["id"]["S"])

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        """Read many rows, in the order of `ids`, without those that are gone; by `is_consistent` as they are now."""
        wanted = list(dict.fromkeys(ids))
        found = batch_get(self._client, self._name, [_key(id_) for id_ in wanted], is_consistent=is_consistent)
        items = {item["id"]["S"]: item for item in found}
        return read_all(items[id_] for id_ in wanted if id_ in items)

    def count_dead(self) -> int:
        """Count the dead letters, up to COUNTED; raise StorageUnavailableError."""
        return self._count("dead", "dead_shard = :shard", {})

    def count_due(self, now: datetime) -> int:
        """Count the rows that are due by `now`, up to COUNTED; raise StorageUnavailableError."""
        until = {":until": {"S": timestamp(now)}}
        return self._count("due", "due_shard = :shard AND next_retry_at <= :until", until)

    def _count(self, index: str, condition: str, values: Mapping[str, Any]) -> int:
        count = 0
        try:
            for shard in range(SHARDS):
                pages = self._client.get_paginator("query").paginate(
                    TableName=self._name,
                    IndexName=index,
                    Select="COUNT",
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues={":shard": {"S": str(shard)}, **values},
                    PaginationConfig={"PageSize": COUNTED - count},
                )
                for page in pages:
                    count += page["Count"]
                    if count >= COUNTED:
                        return COUNTED
        except (ClientError, BotoCoreError) as error:
            raise StorageUnavailableError(f"counting {index}: {error}") from error
        return count


def _key(id_: str) -> Any:  # noqa: ANN401 - boto3's stubs want a type of their own for each call
    return {"id": {"S": id_}}


def _verdict(code: str | None) -> Write:
    """Read a statement's error code (API reference, BatchStatementError) as what it means to the caller."""
    match code:
        case None:
            return Write.DONE
        case "ConditionalCheckFailed" | "ConditionalCheckFailedException":
            return Write.LOST
        case "ValidationError" | "ValidationException" | "ItemCollectionSizeLimitExceeded":
            return Write.REFUSED
        case _:
            return Write.UNAVAILABLE
