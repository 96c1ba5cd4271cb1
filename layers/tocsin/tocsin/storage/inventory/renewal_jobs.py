"""Renewal jobs in the Inventory table: an item each, listed while open and when closed, the newest first.

| pk                 | sk                 | what                                                     |
|--------------------|--------------------|----------------------------------------------------------|
| `renewal_job#<id>` | `record`           | the job                                                  |
| `certificate#<id>` | `renewal#<job id>` | leads to the job; the id begins with its cycle           |
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tocsin.delivery.notification import Notification
from tocsin.errors import NotFoundError, PreconditionFailedError
from tocsin.expiry.alert import ACTOR
from tocsin.expiry.renewal import RenewalJob, RenewalState, job_of
from tocsin.expiry.renewals import Step
from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate
from tocsin.storage.audit import AuditTrail
from tocsin.storage.codec import (
    COUNT,
    EPOCH,
    INSTANT,
    NUMBER,
    TEXT,
    Codec,
    Column,
    Form,
    Item,
    required,
    shard_of,
    sort_key,
)
from tocsin.storage.inventory.items import SHARDS, id_of, key
from tocsin.storage.inventory.records import Records
from tocsin.storage.notifications.table import NotificationTable
from tocsin.storage.paging import HIGHEST, Index, Page, Reader, batch_get, page
from tocsin.storage.transaction import RefusedError, commit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LISTED = Index("listed", "listed_in", "list_key")
_COLLECTION = Index(None, "pk", "sk")
_POINTER = "renewal#"
_STATE = Form("S", str, RenewalState)

_JOB = Codec(
    RenewalJob,
    (
        required("id", TEXT, ""),
        required("certificate_id", TEXT, ""),
        required("common_name", TEXT, ""),
        required("expires_at", INSTANT, EPOCH),
        required("state", _STATE, RenewalState.CANCELLED),
        required("requested_at", INSTANT, EPOCH),
        required("requested_by", TEXT, ""),
        required("deadline", INSTANT, EPOCH),
        required("attempts", COUNT, 0),
        required("updated_at", INSTANT, EPOCH),
        required("version", NUMBER, 0),
        Column("reason", TEXT, ""),
        Column("started_at", INSTANT),
        Column("finished_at", INSTANT),
        Column("finished_by", TEXT, ""),
        Column("next_hand_off_at", INSTANT),
        Column("last_report", TEXT, ""),
        Column("reported_identity", TEXT, ""),
    ),
)


class RenewalJobs:
    """Reads and writes jobs. Methods block; they raise ClientError for what is not listed."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        certificates: Records[Certificate],
        notifications: NotificationTable,
        audit: AuditTrail,
    ) -> None:
        """Use `client` (low-level) and the Inventory `table`, in which the `certificates` are too."""
        self._client = client
        self._table = table
        self._certificates = certificates
        self._notifications = notifications
        self._audit = audit

    def get(self, id_: str) -> RenewalJob:
        """Read one, as it is now, with blanks for what can't be read: for showing it. Raises NotFoundError."""
        return _JOB.salvage(self._item(id_))

    def read(self, id_: str) -> RenewalJob:
        """Read one to act on it; raise NotFoundError, or MalformedRowError for one that can't be trusted."""
        return _JOB.decode(self._item(id_))

    def write(self, step: Step) -> None:
        """Write the job, its certificate, its hand-off and the audit lines, or nothing.

        Raises PreconditionFailedError where the job or the certificate was changed since it was read.
        """
        hand_off = [] if step.hand_off is None else [self._notifications.inserting(step.hand_off)]
        actions = [*hand_off, self._putting(step.before, step.after)]
        if step.certificate is not None:
            actions += self._certificates.replacing(*step.certificate)
        if step.hand_off is not None:
            actions.append(self._pointing(step.after))
        actions += [self._audit.appending(line) for line in step.lines]
        try:
            self._commit(actions, may_be_there=len(hand_off))
        except RefusedError:
            raise PreconditionFailedError(f"{Kind.RENEWAL_JOB} {step.after.id}") from None

    def _commit(self, actions: Sequence[Mapping[str, Any]], may_be_there: int) -> None:
        """Write all; where only the hand-off is there already, the others: a restored Inventory is behind it."""
        try:
            commit(self._client, actions)
        except RefusedError as refused:
            if not may_be_there or refused.failed != (0,):
                raise
            commit(self._client, actions[may_be_there:])

    def page(self, state: RenewalState | None, limit: int, after: str | None) -> Page[RenewalJob]:
        """Give up to `limit` jobs of a `state` (null: of any) behind the key `after`, the newest first."""
        reader = Reader(self._client, self._table, _LISTED, _partitions(state), is_forward=False)
        return page(reader, _JOB.salvage, lambda job: state in (None, job.state), limit, after)

    def of_certificate(
        self, certificate_id: str, state: RenewalState | None, limit: int, after: str | None
    ) -> Page[RenewalJob]:
        """Give up to `limit` jobs of one certificate behind the key `after`, the latest cycle first."""
        partition = key(Kind.CERTIFICATE, certificate_id)["pk"]["S"]
        bounds = (_POINTER, f"{_POINTER}{HIGHEST}")
        reader = Reader(self._client, self._table, _COLLECTION, (partition,), bounds=bounds, is_forward=False)
        places = [place for place, _item in reader.keys(after, limit)]
        found = self.fetch([place.removeprefix(_POINTER) for place in places])
        jobs = [job for place in places if (job := found.get(place.removeprefix(_POINTER))) is not None]
        rows = tuple(job for job in jobs if state in (None, job.state))
        return Page(rows, places[-1] if len(places) == limit else None)

    def fetch(self, ids: Sequence[str]) -> dict[str, RenewalJob]:
        """Read many as they are now, by their ids, with blanks for what can't be read."""
        keys = [key(Kind.RENEWAL_JOB, id_) for id_ in dict.fromkeys(ids)]
        found = batch_get(self._client, self._table, keys, is_consistent=True)
        return {id_of(item): _JOB.salvage(item) for item in found}

    def of_hand_offs(self, rows: Sequence[Notification]) -> dict[str, RenewalJob]:
        """Give the jobs that hand-offs are of, by the ids of the rows."""
        ids = {row.id: id_ for row in rows if (id_ := job_of(row)) is not None}
        jobs = self.fetch(list(ids.values())) if ids else {}
        return {row_id: jobs[id_] for row_id, id_ in ids.items() if id_ in jobs}

    def _item(self, id_: str) -> Item:
        found = self._client.get_item(TableName=self._table, Key=key(Kind.RENEWAL_JOB, id_), ConsistentRead=True)
        if "Item" not in found:
            raise NotFoundError(f"renewal job {id_[:64]!r}")
        return found["Item"]

    def _putting(self, before: RenewalJob | None, after: RenewalJob) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._table, "Item": job_item(after)}
        if before is None:
            return {"Put": put | {"ConditionExpression": "attribute_not_exists(pk)"}}
        as_read = {
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": {"N": str(before.version)}},
        }
        return {"Put": put | as_read}

    def _pointing(self, job: RenewalJob) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": key(Kind.CERTIFICATE, job.certificate_id, _POINTER + job.id)}}


def job_item(job: RenewalJob) -> dict[str, Any]:
    """Write a job with the keys of its list."""
    place = {
        "listed_in": {"S": f"{_list_of(is_open=job.is_open)}#{shard_of(job.id, SHARDS)}"},
        "list_key": {"S": sort_key(job.requested_at, job.id)},
    }
    return key(Kind.RENEWAL_JOB, job.id) | _JOB.encode(job) | place


def _list_of(*, is_open: bool) -> str:
    return f"{Kind.RENEWAL_JOB}#{'open' if is_open else 'closed'}"


def _partitions(state: RenewalState | None) -> list[str]:
    """Name where jobs of a state are; failed ones are open as long as they are to be handed off again."""
    match state:
        case RenewalState.REQUESTED | RenewalState.STARTED:
            sides = [True]
        case None | RenewalState.FAILED:
            sides = [True, False]
        case _:
            sides = [False]
    return [f"{_list_of(is_open=side)}#{shard}" for side in sides for shard in range(SHARDS)]


def abandoning(table: str, certificate: Certificate) -> list[dict[str, Any]]:
    """Give the action that cancels the open job of a certificate, for the transaction that deletes it.

    Which job is open the certificate knows: what opens or ends one writes it as well, and its version is guarded.
    """
    if certificate.renewal is None or certificate.renewal.look_at is None:
        return []
    job_id = certificate.renewal.job_id
    values = {
        ":cancelled": {"S": str(RenewalState.CANCELLED)},
        ":list": {"S": f"{_list_of(is_open=False)}#{shard_of(job_id, SHARDS)}"},
        ":by": {"S": ACTOR},
        ":why": {"S": "the certificate was deleted"},
        ":one": {"N": "1"},
    }
    update = {
        "TableName": table,
        "Key": key(Kind.RENEWAL_JOB, job_id),
        "UpdateExpression": "SET #state = :cancelled, listed_in = :list, finished_by = :by, last_report = :why"
        " ADD #version :one REMOVE next_hand_off_at",
        "ExpressionAttributeNames": {"#state": "state", "#version": "version"},
        "ExpressionAttributeValues": values,
    }
    return [{"Update": update}]
