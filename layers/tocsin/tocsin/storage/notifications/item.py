"""How a notification is written in DynamoDB, and read back.

`claimed_until` is a number (milliseconds since 1970, 0 when free) because the stream's filter and every guard need it
always present. The history is one JSON text of short arrays: five attempts and a short message fit 1 KB, which is one
write unit.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tocsin.delivery.attempt import Attempt, AttemptClass
from tocsin.delivery.channel_name import ChannelName, Target
from tocsin.delivery.notification import Act, Notification, Outcome, Severity, Status
from tocsin.delivery.store import Change, Fetched, Malformed
from tocsin.errors import MalformedRowError
from tocsin.storage.codec import (
    COUNT,
    EPOCH,
    INSTANT,
    KEY_TIME,
    MILLISECONDS,
    TEXT,
    Codec,
    Column,
    Form,
    Item,
    from_milliseconds,
    from_timestamp,
    milliseconds,
    required,
    shard_of,
    sort_key,
)
from tocsin.storage.update import GUARDED, Update

SHARDS = 8
"""Partitions of each index."""
_VERSION = {"N": "1"}
"""The layout that this code reads; a row without `version` is of it."""
_RETAINED = (Status.SENT, Status.READ, Status.SUPERSEDED)
_ATTEMPT_FORM = (int, int, int, str, int | None, str | int | None, int | None)
_ERROR = 5
"""Where the error is in an array."""
_AS_BEFORE = 0
_URGENT = "!"
"""What the partitions of critical rows that wait for a circuit have in their names."""
ASKED = "asked"
"""The partition of the index `due` with what was accepted, and whose service is to be asked what became of it."""
_NAMED = frozenset({"id", *GUARDED})
"""What every update needs, changed or not."""


def encode_attempts(attempts: tuple[Attempt, ...]) -> str:
    """Write the history: an array an attempt, in the order of Attempt's fields. An error like the one before is a 0."""
    errors = [attempt.error for attempt in attempts]
    arrays = [_attempt_to_array(attempt) for attempt in attempts]
    for number in range(1, len(arrays)):
        if errors[number] is not None and errors[number] == errors[number - 1]:
            arrays[number][_ERROR] = _AS_BEFORE
    return json.dumps(arrays, separators=(",", ":"), ensure_ascii=False)


def _attempt_to_array(attempt: Attempt) -> list[object]:
    due = None if attempt.next_retry_at is None else milliseconds(attempt.next_retry_at)
    started = milliseconds(attempt.started_at)
    return [attempt.number, started, attempt.duration_ms, attempt.result, attempt.http_status, attempt.error, due]


def decode_attempts(text: str) -> tuple[Attempt, ...]:
    """Read what `encode_attempts` wrote; raise ValueError, TypeError or RecursionError for anything else."""
    arrays = json.loads(text)
    if not isinstance(arrays, list):
        raise TypeError
    attempts: list[Attempt] = []
    for array in arrays:
        attempts.append(_attempt_from_array(array, attempts[-1].error if attempts else None))
    return tuple(attempts)


def _attempt_from_array(array: list[Any], error_before: str | None) -> Attempt:
    if not all(isinstance(value, form) for value, form in zip(array, _ATTEMPT_FORM, strict=True)):
        raise TypeError
    number, started, duration, result, http, error, due = array
    if isinstance(error, int):
        if error != _AS_BEFORE or error_before is None:
            raise TypeError
        error = error_before
    at = None if due is None else from_milliseconds(due)
    return Attempt(number, from_milliseconds(started), duration, AttemptClass(result), http, error, at)


_NAMES = Form("S", " ".join, lambda text: tuple(map(ChannelName, text.split())))

_ROW = Codec(
    Notification,
    (
        required("id", TEXT, ""),
        required("type", TEXT, ""),
        required("channel", Form("S", str, ChannelName), ChannelName.EMAIL),
        required("recipient", TEXT, ""),
        required("subject", TEXT, ""),
        required("message", TEXT, ""),
        required("severity", Form("S", str, Severity), Severity.INFORMATIONAL),
        required("status", Form("S", str, Status), Status.DEAD),
        required("created_at", KEY_TIME, EPOCH, "created_key"),
        required("updated_at", INSTANT, EPOCH),
        required("retry_count", COUNT, 0),
        required("claimed_until", MILLISECONDS, None),
        Column("certificate_id", TEXT),
        Column("created_by", TEXT),
        Column("outcome", Form("S", str, Outcome)),
        Column("due_at", INSTANT, attribute="next_retry_at"),
        Column("last_error", TEXT),
        Column("sent_at", INSTANT),
        Column("read_at", INSTANT),
        Column("died_at", KEY_TIME, attribute="died_key"),
        Column("attempts", Form("S", encode_attempts, decode_attempts), ()),
        Column("claim_token", TEXT),
        Column("deferred_by", TEXT),
        Column("receipt", TEXT),
        Column("act", Form("S", str, Act), Act.TRIGGER),
        Column("about", TEXT),
        Column("resolved_by", TEXT),
        Column("fallback", Form("S", str, Target.parse)),
        Column("fallback_of", TEXT),
        Column("came_by", _NAMES, ()),
        Column("fell_back_to", TEXT),
        Column("complained_at", INSTANT),
        Column("fingerprint", TEXT),
    ),
)


def encode(row: Notification, retention: timedelta) -> dict[str, Any]:
    """Write a whole row. `retention` is how long a finished one is kept (TTL); a dead one never leaves by itself."""
    created = {"created_shard": {"S": shard_of(row.id, SHARDS)}, "created_key": {"S": sort_key(row.created_at, row.id)}}
    return _with_keys(_ROW.encode(row), row, retention) | created


def update_of(change: Change, retention: timedelta) -> Update:
    """Write a step: what differs between the row as it was read and as it shall be, and what guards it."""
    before, after = _ROW.encode_change(change.before, change.after, _NAMED)
    return Update.between(_with_keys(before, change.before, retention), _with_keys(after, change.after, retention))


def _with_keys(item: dict[str, Any], row: Notification, retention: timedelta) -> dict[str, Any]:
    """Add the keys of the indexes that a row is in, except that of its creation; and when it goes."""
    if row.due_at is not None:
        item["due_shard"] = {"S": _due_partition(row)}
    if row.died_at is not None:
        item["died_key"] = {"S": sort_key(row.died_at, row.id)}
        item |= {"dead_shard": {"S": shard_of(row.id, SHARDS)}} if row.status is Status.DEAD else {}
    if row.status in _RETAINED:
        item["expires_at_epoch"] = {"N": str(int((row.updated_at + retention).timestamp()))}
    return item


def _due_partition(row: Notification) -> str:
    """Name the partition of the index `due` that a row is in: what waits for a circuit is apart from all else."""
    if not row.is_owed:
        return ASKED
    shard = shard_of(row.id, SHARDS)
    if row.deferred_by is None:
        return shard
    return f"{row.deferred_by}#{_URGENT if row.severity is Severity.CRITICAL else ''}{shard}"


def partitions(circuit: str) -> tuple[list[str], list[str]]:
    """Name the partitions of what waits for a circuit: those of critical rows, and those of all others."""
    shards = range(SHARDS)
    return [f"{circuit}#{_URGENT}{shard}" for shard in shards], [f"{circuit}#{shard}" for shard in shards]


def decode(item: Item) -> Notification:
    """Read a whole row; raise MalformedRowError naming every attribute that is missing, mistyped or from the future."""
    row, problems = _ROW.read(item)
    if item.get("version", _VERSION) != _VERSION:
        problems.append("version is none that this code knows")
    if problems:
        raise MalformedRowError(f"row {row.id}: {', '.join(problems)}")
    return row


def salvage(item: Item) -> Notification:
    """Read what can be read of a row, with blanks for the rest: for showing it, never for sending it."""
    return _ROW.salvage(item)


def read_all(items: Iterable[Item]) -> Fetched:
    """Read whole rows, and apart from them those that can't be read."""
    rows: list[Notification] = []
    malformed: list[Malformed] = []
    for item in items:
        try:
            rows.append(decode(item))
        except MalformedRowError as error:
            malformed.append(Malformed(salvage(item), error.detail))
    return Fetched(tuple(rows), tuple(malformed))


def due_time(item: Item, now: datetime) -> datetime:
    """Read the key of the due index; what is no time is due now, so that the row is looked at."""
    try:
        return from_timestamp(item["next_retry_at"]["S"])
    except ValueError:
        return now
