"""Cursors: opaque, bound to their list, signed, and clear about why they can't be used."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tocsin.errors import CursorError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LIFETIME = timedelta(days=1)
"""How long a cursor can be used: long enough for any export, short enough that nobody stores one."""
_SIGNATURE_BYTES = 16
_KEY_ID = "secret#cursor"


class Cursors:
    """Writes and reads the cursors of one stack."""

    def __init__(self, key: bytes) -> None:
        """Sign with `key`, at least 16 bytes."""
        self._key = key

    def write(self, place: str, bound_to: str, now: datetime) -> str:
        """Give a cursor for the key `place` in the list named by `bound_to`."""
        payload = json.dumps([int(now.timestamp()), bound_to, place]).encode()
        return base64.urlsafe_b64encode(self._sign(payload) + payload).decode().rstrip("=")

    def read(self, cursor: str, bound_to: str, now: datetime) -> str:
        """Give the key that `cursor` names; raise CursorError saying what is wrong with it."""
        issued, of_list, place = self._opened(cursor)
        if of_list != bound_to:
            raise CursorError("it belongs to a list with other filters")
        if now.timestamp() - issued > LIFETIME.total_seconds():
            raise CursorError("it is stale: older than a day")
        return place

    def _opened(self, cursor: str) -> tuple[int, str, str]:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise CursorError("it is broken") from None
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(payload)):
            raise CursorError("it is broken or was changed")
        issued, of_list, place = json.loads(payload)
        return issued, of_list, place

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, hashlib.sha256)[:_SIGNATURE_BYTES]


def stored_key(client: "DynamoDBClient", table: str) -> bytes | None:
    """Give the stack's signing key, if anybody needed one yet."""
    found = client.get_item(TableName=table, Key={"id": {"S": _KEY_ID}}, ConsistentRead=True).get("Item")
    if found is None:
        return None
    kept: dict[str, Any] = {**found["key"]}
    stored = kept["S"] if "S" in kept else kept["B"]  # a release before wrote bytes, which are base64 on the wire
    return base64.b64decode(stored) if isinstance(stored, str) else bytes(stored)


def shared_key(client: "DynamoDBClient", table: str) -> bytes:
    """Give the stack's signing key: made at random by whoever needs it first, kept in the table itself."""
    if found := stored_key(client, table):
        return found
    made = {"id": {"S": _KEY_ID}, "key": {"S": base64.b64encode(secrets.token_bytes(32)).decode()}}
    with suppress(client.exceptions.ConditionalCheckFailedException):  # another instance made it: read that one
        client.put_item(TableName=table, Item=made, ConditionExpression="attribute_not_exists(id)")
    return stored_key(client, table) or b""
