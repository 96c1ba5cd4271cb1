"""How a notification is written in DynamoDB, and read back.

Times in keys are fixed-width UTC text, so that their order is the order in time; `claimed_until` is a number (ms since
1970, 0 when free) because the stream's filter and every guard need it always present. The history is one JSON text of
short arrays: five attempts and a short message fit 1 KB, which is one write unit.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.delivery.attempt import Attempt, AttemptClass
from tocsin.delivery.notification import ChannelName, Notification, Outcome, Severity, Status
from tocsin.delivery.store import Fetched, Malformed
from tocsin.errors import MalformedRowError

SHARDS = 8
"""Partitions of each index: one takes 1,000 writes a second (DynamoDB developer guide, "Partitions and data
distribution"), and a full one pushes back on the table."""
Item = Mapping[str, Any]
_VERSION = {"N": "1"}
"""The layout that this code reads; a row without `version` is of it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RETAINED = (Status.SENT, Status.READ, Status.SUPERSEDED)


def shard_of(id_: str) -> str:
    """Give the index partition of an id: a stable hash, so that equal times spread."""
    return str(zlib.crc32(id_.encode()) % SHARDS)


def timestamp(at: datetime) -> str:
    """Write a time as fixed-width UTC, e.g. `2026-01-02T03:04:05.000000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_timestamp(text: str) -> datetime:
    """Read what `timestamp` wrote; raise ValueError for anything else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def sort_key(at: datetime, id_: str) -> str:
    """Order by time, then id: unique, so that a cursor names exactly one place."""
    return f"{timestamp(at)}#{id_}"


def milliseconds(at: datetime) -> int:
    """Give whole milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def from_milliseconds(value: int) -> datetime:
    """Read what `milliseconds` gave."""
    return _EPOCH + value * _MILLISECOND


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


_ATTEMPT_FORM = (int, int, int, str, int | None, str | int | None, int | None)
_ERROR = 5
"""Where the error is in an array."""
_AS_BEFORE = 0


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


def encode(row: Notification, retention: timedelta) -> dict[str, Any]:
    """Write a whole row. `retention` is how long a finished one is kept (TTL); a dead one never leaves by itself."""
    text: dict[str, str | None] = {
        "id": row.id,
        "type": row.type,
        "channel": row.channel,
        "recipient": row.recipient,
        "subject": row.subject,
        "message": row.message,
        "severity": row.severity,
        "certificate_id": row.certificate_id,
        "status": row.status,
        "outcome": row.outcome,
        "last_error": row.last_error,
        "updated_at": timestamp(row.updated_at),
        "sent_at": _optional(timestamp, row.sent_at),
        "read_at": _optional(timestamp, row.read_at),
        "claim_token": row.claim_token,
        "fingerprint": row.fingerprint,
        "attempts": encode_attempts(row.attempts) if row.attempts else None,
    }
    numbers: dict[str, int | None] = {
        "retry_count": row.retry_count,
        "claimed_until": milliseconds(row.claimed_until) if row.claimed_until else 0,
        "expires_at_epoch": int((row.updated_at + retention).timestamp()) if row.status in _RETAINED else None,
    }
    item: dict[str, Any] = {
        name: {"S": value} for name, value in (text | _index_keys(row)).items() if value is not None
    }
    return item | {name: {"N": str(value)} for name, value in numbers.items() if value is not None}


def _index_keys(row: Notification) -> dict[str, str | None]:
    """Give the keys of the three indexes; a null one keeps the row out of its index."""
    shard = shard_of(row.id)
    return {
        "created_shard": shard,
        "created_key": sort_key(row.created_at, row.id),
        "due_shard": None if row.due_at is None else shard,
        "next_retry_at": _optional(timestamp, row.due_at),
        "dead_shard": None if row.died_at is None or row.status is not Status.DEAD else shard,
        "died_key": _optional(lambda at: sort_key(at, row.id), row.died_at),
    }


def _optional(write: Callable[[datetime], str], value: datetime | None) -> str | None:
    return None if value is None else write(value)


def decode(item: Item) -> Notification:
    """Read a whole row; raise MalformedRowError naming every attribute that is missing, mistyped or from the future."""
    row, problems = _read(item)
    if problems:
        raise MalformedRowError(f"row {row.id}: {', '.join(problems)}")
    return row


def salvage(item: Item) -> Notification:
    """Read what can be read of a row, with blanks for the rest: for showing it, never for sending it."""
    return _read(item)[0]


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


def _text(value: Mapping[str, Any]) -> str:
    text = value["S"]
    if not isinstance(text, str):
        raise TypeError
    return text


def _number(value: Mapping[str, Any]) -> int:
    return int(value["N"])


def _count(value: Mapping[str, Any]) -> int:
    count = _number(value)
    if count < 0:
        raise ValueError
    return count


def _key_time(text: str) -> datetime:
    return from_timestamp(text.partition("#")[0])


_LONG_AGO = _EPOCH
_REQUIRED: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Any], Any]] = {
    # field: (attribute, reader, what stands in for it when it can't be read)
    "id": ("id", _text, ""),
    "type": ("type", _text, ""),
    "channel": ("channel", lambda value: ChannelName(_text(value)), ChannelName.EMAIL),
    "recipient": ("recipient", _text, ""),
    "subject": ("subject", _text, ""),
    "message": ("message", _text, ""),
    "severity": ("severity", lambda value: Severity(_text(value)), Severity.INFORMATIONAL),
    "status": ("status", lambda value: Status(_text(value)), Status.DEAD),
    "created_at": ("created_key", lambda value: _key_time(_text(value)), _LONG_AGO),
    "updated_at": ("updated_at", lambda value: from_timestamp(_text(value)), _LONG_AGO),
    "retry_count": ("retry_count", _count, 0),
}
_OPTIONAL: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Any], Any]] = {
    "certificate_id": ("certificate_id", _text, None),
    "outcome": ("outcome", lambda value: Outcome(_text(value)), None),
    "due_at": ("next_retry_at", lambda value: from_timestamp(_text(value)), None),
    "last_error": ("last_error", _text, None),
    "sent_at": ("sent_at", lambda value: from_timestamp(_text(value)), None),
    "read_at": ("read_at", lambda value: from_timestamp(_text(value)), None),
    "died_at": ("died_key", lambda value: _key_time(_text(value)), None),
    "attempts": ("attempts", lambda value: decode_attempts(_text(value)), ()),
    "claim_token": ("claim_token", _text, None),
    "claimed_until": (
        "claimed_until",
        lambda value: from_milliseconds(_number(value)) if _number(value) else None,
        None,
    ),
    "fingerprint": ("fingerprint", _text, None),
}


def _read(item: Item) -> tuple[Notification, list[str]]:
    values: dict[str, Any] = {}
    problems: list[str] = []
    for required, columns in ((True, _REQUIRED), (False, _OPTIONAL)):
        for field, (attribute, reader, blank) in columns.items():
            values[field] = blank
            if attribute not in item:
                problems += [f"{attribute} is missing"] * required
                continue
            try:
                values[field] = reader(item[attribute])
            except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
                problems.append(f"{attribute} can't be read")
    if "claimed_until" not in item:
        problems.append("claimed_until is missing")
    if item.get("version", _VERSION) != _VERSION:
        problems.append("version is none that this code knows")
    return Notification(**values), problems
