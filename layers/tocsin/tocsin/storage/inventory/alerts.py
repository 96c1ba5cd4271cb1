"""Alerts and the marks that keep them from being raised twice.

An alert, its mark and its audit event are one transaction: there is never one without the others. It also states that
the certificate is still as it was read, so that no alert of an old cycle follows a renewal.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tocsin.delivery.notification import Notification, Status
from tocsin.expiry.alert import ACTOR, Mark, MarkKind
from tocsin.expiry.still_true import Standing
from tocsin.expiry.stores import Raised
from tocsin.inventory.audit import Action, Kind, event
from tocsin.inventory.certificate import Certificate
from tocsin.storage.audit import AuditTrail
from tocsin.storage.codec import Item
from tocsin.storage.inventory.items import CERTIFICATE, MARK, cycle_prefix, key, mark_item, mark_key
from tocsin.storage.notifications.item import encode
from tocsin.storage.paging import HIGHEST, Index, Page, Reader, batch_get, page
from tocsin.storage.transaction import RefusedError, commit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_COLLECTION = Index(None, "pk", "sk")


class AlertTable:
    """Writes and reads alerts and marks. Methods block; they raise ClientError for what is not listed."""

    def __init__(
        self,
        client: "DynamoDBClient",
        inventory: str,
        notifications: str,
        audit: AuditTrail,
        retention: timedelta,
    ) -> None:
        """Use `client` (low-level) and both tables' names; keep notifications that are done for `retention`."""
        self._client = client
        self._inventory = inventory
        self._notifications = notifications
        self._audit = audit
        self._retention = retention

    def raise_alert(self, row: Notification, mark: Mark, certificate: Certificate) -> Raised:
        """Write the alert, its mark and its audit event, or nothing."""
        insert = {
            "TableName": self._notifications,
            "Item": encode(row, self._retention),
            # One that was ended was never delivered, or was said to be over: if its cycle is back, it begins a new life
            # under the same id. One that a worker has just now must come to its end first.
            "ConditionExpression": "attribute_not_exists(id) OR #status = :superseded"
            " OR (attribute_exists(resolved_by) AND attribute_not_exists(claim_token))",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":superseded": {"S": Status.SUPERSEDED}},
        }
        said = event(
            Action.ALERT_SENT if mark.event is None else Action.EVENT_ALERTED,
            Kind.CERTIFICATE.resource(certificate.id),
            ACTOR,
            row.created_at,
            result="created",
            notification_id=row.id,
            **({"threshold": mark.about} if mark.event is None else {"event": mark.about}),
            severity=mark.severity,
            channel=row.channel,
            recipient=row.recipient,
        )
        actions = [
            self._as_read(certificate),
            {"Put": insert},
            {"Put": self._marking(mark)},
            self._audit.appending(said),
        ]
        try:
            commit(self._client, actions)
        except RefusedError as refused:
            return Raised.STALE if 0 in refused.failed or self._is_ending(row, refused) else Raised.DUPLICATE
        return Raised.CREATED

    def _is_ending(self, row: Notification, refused: RefusedError) -> bool:
        """Tell whether an alert can't begin a new life because a worker still has the one that is over."""
        if refused.failed != (1,):
            return False
        answer = self._client.get_item(TableName=self._notifications, Key={"id": {"S": row.id}}, ConsistentRead=True)
        return "resolved_by" in answer.get("Item", {})

    def forget(self, mark: Mark) -> None:
        """Let what was decided be decided anew by the next check."""
        self._client.delete_item(TableName=self._inventory, Key=mark_key(mark.certificate_id, mark.id))

    def record(self, mark: Mark) -> bool:
        """Write the mark of a decision that alerts nobody; tell whether it is new."""
        try:
            self._client.put_item(**self._marking(mark))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def marks_of_cycle(self, certificate: Certificate) -> dict[str, Mark]:
        """Give the marks of its present cycle by id, as they are now."""
        return self.marks_of(certificate.id, certificate.expires_at)

    def marks_of(self, certificate_id: str, expires_at: datetime) -> dict[str, Mark]:
        """Give the marks of any of its cycles by id, as they are now."""
        answer: Any = self._client.query(
            TableName=self._inventory,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :cycle)",
            ExpressionAttributeValues={
                ":pk": key(Kind.CERTIFICATE, certificate_id)["pk"],
                ":cycle": {"S": cycle_prefix(expires_at)},
            },
            ConsistentRead=True,
        )
        marks = (MARK.salvage(item) for item in answer["Items"])
        return {mark.id: mark for mark in marks}

    def marks(self, certificate_id: str, limit: int, after: str | None, kind: MarkKind | None = None) -> Page[Mark]:
        """Give up to `limit` marks of all its cycles behind the key `after`, the latest cycle first.

        Those of kind RAISED have the ids of its notifications.
        """
        partition = key(Kind.CERTIFICATE, certificate_id)["pk"]["S"]
        bounds = ("mark#", f"mark#{HIGHEST}")
        reader = Reader(self._client, self._inventory, _COLLECTION, (partition,), bounds=bounds, is_forward=False)
        return page(reader, MARK.salvage, lambda mark: kind in (None, mark.kind), limit, after)

    def standings(self, rows: Sequence[Notification]) -> dict[str, Standing]:
        """Read what each of `rows` stands on, by its id; two keys a row, 100 keys a request."""
        about = {row.id: row.certificate_id for row in rows if row.certificate_id}
        keys = [key(Kind.CERTIFICATE, certificate_id) for certificate_id in dict.fromkeys(about.values())]
        alerts = {row.id: row.fallback_of or row.id for row in rows}  # a stand-in stands on the same
        keys += [mark_key(certificate_id, alerts[id_]) for id_, certificate_id in about.items()]
        found = batch_get(self._client, self._inventory, keys, is_consistent=True)
        items = {(item["pk"]["S"], item["sk"]["S"]): item for item in found}
        return {id_: _standing(items, certificate_id, alerts[id_]) for id_, certificate_id in about.items()}

    def _as_read(self, certificate: Certificate) -> dict[str, Any]:
        return {
            "ConditionCheck": {
                "TableName": self._inventory,
                "Key": key(Kind.CERTIFICATE, certificate.id),
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":version": {"N": str(certificate.version)}},
            }
        }

    def _marking(self, mark: Mark) -> dict[str, Any]:
        """Give the put of `mark`: a final one may take the place of one that is not."""
        put = {"TableName": self._inventory, "Item": mark_item(mark)}
        if not mark.kind.is_final:
            return put | {"ConditionExpression": "attribute_not_exists(pk)"}
        return put | {
            "ConditionExpression": "attribute_not_exists(pk) OR #kind IN (:no_channel, :no_recipient)",
            "ExpressionAttributeNames": {"#kind": "kind"},
            "ExpressionAttributeValues": {
                ":no_channel": {"S": MarkKind.NO_CHANNEL},
                ":no_recipient": {"S": MarkKind.NO_RECIPIENT},
            },
        }


def _standing(items: Mapping[tuple[str, str], Item], certificate_id: str, id_: str) -> Standing:
    record = items.get(_place(key(Kind.CERTIFICATE, certificate_id)))
    mark = items.get(_place(mark_key(certificate_id, id_)))
    return Standing(
        MARK.salvage(mark) if mark else None,
        CERTIFICATE.salvage(record) if record else None,
    )


def _place(of: Item) -> tuple[str, str]:
    return of["pk"]["S"], of["sk"]["S"]
