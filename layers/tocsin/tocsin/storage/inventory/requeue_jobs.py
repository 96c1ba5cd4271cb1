"""Requeue jobs in the Inventory table: an item each, newest first; and one more as long as anything is left to do.

`requeue_job` / id             the job, its counts, and its place
`requeue_job#open` / id        says that it is open
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tocsin.delivery.bulk import RequeueJob, Selection, State, Step, Stretch, stretch_of
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Status
from tocsin.delivery.store import Change
from tocsin.errors import ConflictError, MalformedRowError, NotFoundError, TransitionRefusedError, UnwritableError
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.storage.audit import AuditTrail
from tocsin.storage.codec import COUNT, EPOCH, FLAG, INSTANT, TEXT, Codec, Column, Form, Item, json_form, required
from tocsin.storage.notifications.lists import NotificationLists
from tocsin.storage.notifications.table import NotificationTable
from tocsin.storage.paging import Index, Page, Reader, batch_get, page
from tocsin.storage.selection import plain_selection, read_selection
from tocsin.storage.transaction import RefusedError, commit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_JOBS = str(Kind.REQUEUE_JOB)
_OPEN = f"{_JOBS}#open"
_COLLECTION = Index(None, "pk", "sk")
_MOST_OPEN = 100
"""Open jobs that a run looks at: people start them, one by one."""
_AHEAD = 490
"""Keys that are read at once: of ten transactions."""
_UNWRITABLE = {"ValidationException", "ValidationError", "ItemCollectionSizeLimitExceeded"}

_JOB = Codec(
    RequeueJob,
    (
        required("id", TEXT, ""),
        required("state", Form("S", str, State), State.FAILED),
        required("created_at", INSTANT, EPOCH),
        required("created_by", TEXT, ""),
        required("reason", TEXT, ""),
        required("selection", json_form(plain_selection, read_selection), Selection(ids=())),
        required("died_until", INSTANT, EPOCH),
        required("expected", COUNT, 0),
        required("is_exact", FLAG, blank=False),
        required("requeued", COUNT, 0),
        required("superseded", COUNT, 0),
        required("passed_over", COUNT, 0),
        required("updated_at", INSTANT, EPOCH),
        Column("started_at", INSTANT),
        Column("finished_at", INSTANT),
        Column("last_error", TEXT),
        Column("place", TEXT),
    ),
)


class RequeueJobs:
    """Reads and writes jobs, and what they do to notifications. Methods raise ClientError for what is not listed."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        notifications: NotificationTable,
        lists: NotificationLists,
        audit: AuditTrail,
    ) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table
        self._notifications = notifications
        self._lists = lists
        self._audit = audit
        self._ahead: tuple[str, list[tuple[str, str]], bool] = ("", [], False)
        """Of one job: keys that were read, and whether they are its last ones."""

    def create(self, job: RequeueJob) -> RequeueJob:
        """Write a new job with its line in the audit trail, or give the one that the same token started before."""
        new = {"TableName": self._table, "Item": _item(job), "ConditionExpression": "attribute_not_exists(pk)"}
        mark = {"TableName": self._table, "Item": _key(_OPEN, job.id)}
        line = _line(job, Action.REQUEUE_JOB_STARTED, job.created_by, job.created_at)
        try:
            commit(self._client, [{"Put": new}, {"Put": mark}, self._audit.appending(line)])
        except RefusedError:
            return self.get(job.id)
        return job

    def get(self, id_: str) -> RequeueJob:
        """Read one, as it is now; raise NotFoundError."""
        found = self._client.get_item(TableName=self._table, Key=_key(_JOBS, id_), ConsistentRead=True)
        if "Item" not in found:
            raise NotFoundError(f"requeue job {id_[:64]!r}")
        return _JOB.salvage(found["Item"])

    def page(self, limit: int, after: str | None) -> Page[RequeueJob]:
        """Give up to `limit` jobs behind the key `after`, the newest first."""
        reader = Reader(self._client, self._table, _COLLECTION, (_JOBS,), is_forward=False)
        return page(reader, _JOB.salvage, lambda _job: True, limit, after)

    def is_any_open(self) -> bool:
        """Tell whether anything is left to be done."""
        return bool(self._open_ids(1))

    def open(self) -> list[RequeueJob]:
        """Give all that are open, the oldest first."""
        keys = [_key(_JOBS, id_) for id_ in self._open_ids(_MOST_OPEN)]
        found = batch_get(self._client, self._table, keys, is_consistent=True)
        return sorted((job for job in map(_readable, found) if job and job.is_open), key=lambda job: job.id)

    def _open_ids(self, count: int) -> list[str]:
        reader = Reader(self._client, self._table, _COLLECTION, (_OPEN,), is_forward=True)
        return [id_ for id_, _item in reader.keys(None, count)]

    def read(self, job: RequeueJob, size: int) -> Stretch:
        """Read the next rows of a job as they are now, at most `size`."""
        ids, place = self._next(job, size)
        found = self._notifications.fetch(ids, is_consistent=True)
        return stretch_of(job, len(ids), found, place)

    def _next(self, job: RequeueJob, size: int) -> tuple[list[str], str | None]:
        """Name the next rows, and the place behind them: null at the end."""
        if job.selection.ids is not None:
            behind = int(job.place or 0) + size
            is_end = behind >= len(job.selection.ids)
            return list(job.selection.ids[behind - size : behind]), None if is_end else str(behind)
        of, keys, is_end = self._ahead
        keys = [pair for pair in keys if job.place is None or pair[0] > job.place] if of == job.id else []
        if of != job.id or (len(keys) < size and not is_end):
            keys = self._lists.keys_of_dead(job.died_until, job.place, _AHEAD)
            is_end = len(keys) < _AHEAD
        self._ahead = (job.id, keys, is_end)
        taken = keys[:size]
        return [id_ for _key, id_ in taken], None if is_end and len(taken) == len(keys) else taken[-1][0]

    def write(self, before: RequeueJob, after: RequeueJob, step: Step) -> Sequence[int]:
        """Write a step, or nothing: then give the places of the changes whose rows are no longer as they were read.

        Raises ConflictError where the job is no longer as it was read, UnwritableError where a row is too large.
        """
        rows = [self._notifications.replacing_once(change, before.id) for change in step.changes]
        requeued = [place for place, change in enumerate(step.changes) if change.after.status is Status.PENDING]
        lines = [self._audit.appending(_line_of_row(before, step.changes[place])) for place in requeued]
        try:
            commit(self._client, [self._replacing(before, after), *rows, *lines, *self._closing(after)])
        except RefusedError as refused:
            if 0 in refused.failed:
                raise ConflictError(f"requeue job {before.id}") from None
            of_actions = [*range(len(rows)), *requeued]
            return [of_actions[place - 1] for place in refused.failed]
        except ClientError as error:
            if _codes(error) & _UNWRITABLE:
                raise UnwritableError(str(error)) from error
            raise
        return ()

    def note(self, before: RequeueJob, after: RequeueJob) -> None:
        """Write a job as a failure left it; raise ConflictError where it is no longer as it was read."""
        try:
            commit(self._client, [self._replacing(before, after), *self._closing(after)])
        except RefusedError:
            raise ConflictError(f"requeue job {before.id}") from None

    def cancel(self, id_: str, actor: str, now: datetime) -> RequeueJob:
        """Do no more of a job, on behalf of `actor`.

        Raises NotFoundError, and TransitionRefusedError where nothing is left to be done. A run that is at it moves the
        job all the time, so only its state is asked for.
        """
        cancelled = self.get(id_).cancelled(now)
        names = ("state", "updated_at", "finished_at")
        item = _item(cancelled)
        update = {
            "TableName": self._table,
            "Key": _key(_JOBS, id_),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in names),
            "ConditionExpression": "#state IN (:queued, :running)",
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            "ExpressionAttributeValues": {f":{name}": item[name] for name in names}
            | {":queued": {"S": str(State.QUEUED)}, ":running": {"S": str(State.RUNNING)}},
        }
        line = _line(cancelled, Action.REQUEUE_JOB_CANCELLED, actor, now)
        try:
            commit(self._client, [{"Update": update}, self._audit.appending(line), *self._closing(cancelled)])
        except RefusedError:
            raise TransitionRefusedError(f"can't cancel: it is {self.get(id_).state}") from None
        return self.get(id_)

    def _replacing(self, before: RequeueJob, after: RequeueJob) -> dict[str, Any]:
        """Give the action that writes a job, if nobody cancelled it or went on with it since it was read."""
        is_there = {":place": {"S": before.place}} if before.place is not None else {}
        place = "#place = :place" if is_there else "attribute_not_exists(#place)"
        put = {
            "TableName": self._table,
            "Item": _item(after),
            "ConditionExpression": f"#state = :state AND {place}",
            "ExpressionAttributeNames": {"#state": "state", "#place": "place"},
            "ExpressionAttributeValues": {":state": {"S": str(before.state)}, **is_there},
        }
        return {"Put": put}

    def _closing(self, job: RequeueJob) -> list[dict[str, Any]]:
        """Give the action that says that a job is open no more, where it isn't."""
        return [] if job.is_open else [{"Delete": {"TableName": self._table, "Key": _key(_OPEN, job.id)}}]


def _readable(item: Item) -> RequeueJob | None:
    """Read a job to act on it; one that can't be read must not keep the others from being done."""
    try:
        return _JOB.decode(item)
    except MalformedRowError:
        logging.getLogger(__name__).exception("a requeue job can't be read")
        return None


def _line(job: RequeueJob, action: Action, actor: str, at: datetime) -> AuditEvent:
    """Say who started or cancelled a job, and what of."""
    counts = {name: str(getattr(job, name)) for name in ("expected", "requeued", "superseded", "passed_over")}
    named = {"ids": str(len(job.selection.ids))} if job.selection.ids is not None else _named(job.selection.filters)
    return event(action, Kind.REQUEUE_JOB.resource(job.id), actor, at, reason=job.reason, **named, **counts)


def _named(filters: Filters | None) -> Mapping[str, str]:
    plain = plain_selection(Selection(filters=filters or Filters()))["filters"]
    return {f"filter_{name}": str(value) for name, value in plain.items()}


def _line_of_row(job: RequeueJob, change: Change) -> AuditEvent:
    """Say of one row who asked, why, and by which job."""
    row, at = change.before, change.after.updated_at
    said = {"was": str(row.status), "job": job.id, "reason": job.reason}
    said |= {"last_error": row.last_error} if row.last_error else {}
    return event(Action.NOTIFICATION_REQUEUED, Kind.NOTIFICATION.resource(row.id), job.created_by, at, **said)


def _codes(error: ClientError) -> set[str]:
    """Name what went wrong: of a transaction, with each of its actions."""
    reasons: Any = error.response.get("CancellationReasons", ())
    return {error.response["Error"].get("Code", ""), *(reason.get("Code", "") for reason in reasons)}


def _item(job: RequeueJob) -> dict[str, Any]:
    return {**_key(_JOBS, job.id), **_JOB.encode(job)}


def _key(partition: str, id_: str) -> Any:  # noqa: ANN401 - boto3's stubs want a type of their own for each call
    return {"pk": {"S": partition}, "sk": {"S": id_}}
