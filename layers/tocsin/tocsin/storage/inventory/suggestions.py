"""Which certificates' authorities are to be asked when, and what they suggested: a list in the order of time.

`ari` / `<when to ask>#<certificate id>`      leads to the certificate

A suggestion is no change of a certificate: it has no new version, so that nobody's `If-Match` fails by it. Each write
states the version that was read, and the place in the list that the certificate itself remembers.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate
from tocsin.sources.ari import Advice
from tocsin.sources.suggestions import Asked
from tocsin.storage.codec import from_timestamp, shard_of, sort_key, timestamp
from tocsin.storage.inventory.items import SHARDS, key
from tocsin.storage.paging import LOWEST, Index, Reader
from tocsin.storage.transaction import RefusedError, commit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LIST = "ari"
_COLLECTION = Index(None, "pk", "sk")


class SuggestionList:
    """Reads and moves places in the list. Methods block; they raise ClientError."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use `client` (low-level) and the Inventory `table`."""
        self._client = client
        self._table = table

    def enlist(self, certificate: Certificate, now: datetime) -> Certificate:
        """Have its authority asked by the next run; give the certificate as it is then, or as it was if it changed."""
        at = from_timestamp(timestamp(now))
        is_new = "attribute_not_exists(suggestion_until)"
        values = {":at": {"S": timestamp(at)}}
        update = self._updating(certificate, "SET suggestion_until = :at", values, is_new)
        is_done = self._committed([self._putting(certificate.id, at), update])
        return replace(certificate, suggestion_until=at) if is_done else certificate

    def due(self, now: datetime, limit: int) -> Sequence[Asked]:
        """Give the first `limit` places that are due by `now`."""
        bounds = (LOWEST, f"{timestamp(now)}~")
        reader = Reader(self._client, self._table, _COLLECTION, (_LIST,), bounds=bounds, is_forward=True)
        found = (place.partition("#") for place, _item in reader.keys(None, limit))
        return [Asked(id_, from_timestamp(at)) for at, _, id_ in found]

    def advise(self, asked: Asked, certificate: Certificate, advice: Advice, now: datetime) -> bool:
        """Write what is suggested; where that is new, the check looks at the certificate."""
        values = {
            ":until": {"S": timestamp(advice.ask_at)},
            ":at": {"S": timestamp(advice.renew_at)},
            ":url": {"S": advice.explanation_url},
        }
        update = "SET suggestion_until = :until, suggested_renewal_at = :at, explanation_url = :url"
        if certificate.suggested_renewal_at != from_timestamp(timestamp(advice.renew_at)):
            update += ", due_shard = :shard, due_key = :due, due_at = :now"
            values |= {
                ":shard": {"S": shard_of(certificate.id, SHARDS)},
                ":due": {"S": sort_key(now, certificate.id)},
                ":now": {"S": timestamp(now)},
            }
        return self._moved(asked, certificate, advice.ask_at, update, values)

    def postpone(self, asked: Asked, certificate: Certificate, at: datetime) -> bool:
        """Ask again at `at`; what was suggested before stands."""
        return self._moved(asked, certificate, at, "SET suggestion_until = :until", {":until": {"S": timestamp(at)}})

    def leave(self, asked: Asked, certificate: Certificate | None) -> None:
        """Take a place off the list, and what was suggested off its certificate, unless that has another place."""
        actions = [self._removing(asked)]
        if certificate is not None and certificate.suggestion_until == asked.at:
            update = "REMOVE suggestion_until, suggested_renewal_at, explanation_url"
            actions.append(self._updating(certificate, update, {":place": {"S": timestamp(asked.at)}}, _AT_ITS_PLACE))
        self._committed(actions)

    def _moved(self, asked: Asked, certificate: Certificate, at: datetime, update: str, values: dict[str, Any]) -> bool:
        values = {**values, ":place": {"S": timestamp(asked.at)}}
        moving = [self._removing(asked), self._putting(certificate.id, at)]
        return self._committed([*moving, self._updating(certificate, update, values, _AT_ITS_PLACE)])

    def _putting(self, certificate_id: str, at: datetime) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": _place(certificate_id, at)}}

    def _removing(self, asked: Asked) -> dict[str, Any]:
        return {"Delete": {"TableName": self._table, "Key": _place(asked.certificate_id, asked.at)}}

    def _updating(
        self, certificate: Certificate, update: str, values: dict[str, Any], condition: str
    ) -> dict[str, Any]:
        request = {
            "TableName": self._table,
            "Key": key(Kind.CERTIFICATE, certificate.id),
            "UpdateExpression": update,
            "ConditionExpression": f"#version = :version AND {condition}",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {**values, ":version": {"N": str(certificate.version)}},
        }
        return {"Update": request}

    def _committed(self, actions: Sequence[dict[str, Any]]) -> bool:
        try:
            commit(self._client, actions)
        except RefusedError:
            return False
        return True


_AT_ITS_PLACE = "suggestion_until = :place"


def _place(certificate_id: str, at: datetime) -> dict[str, Any]:
    return {"pk": {"S": _LIST}, "sk": {"S": sort_key(at, certificate_id)}}
