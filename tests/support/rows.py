"""Notifications, and the policy and the time that the engine's tests share."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from ulid import ULID

from tocsin.delivery.attempt import Attempted, Delivered, FailureClass, NotConfigured, Refused
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity, Status

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICY = DeliveryPolicy()
RETENTION = timedelta(days=90)

ACCEPTED = Delivered(204)
REFUSED = Refused(FailureClass.RETRYABLE, "HTTP 503 Service Unavailable", 503)
REJECTED = Refused(FailureClass.PERMANENT, "HTTP 400 Bad Request", 400)
SILENT = Refused(FailureClass.UNKNOWN, "no answer within 10 s")
NO_CHANNEL = NotConfigured()

_serial = count(1)


def an_id(number: int | None = None) -> str:
    """Make an id; the same number gives the same one."""
    return str(ULID.from_bytes((next(_serial) if number is None else number).to_bytes(16, "big")))


def a_row(**fields: Any) -> Notification:
    """Make a pending row that was accepted at `created_at`; fields that are not named are of no matter."""
    created = fields.pop("created_at", NOW)
    boring: dict[str, Any] = {
        "id": an_id(),
        "type": "ExpirationWarning",
        "channel": ChannelName.WEBHOOK,
        "recipient": "https://ops.example.com/hooks/tocsin",
        "subject": "Certificate api.example.com expires in 7 days",
        "message": "The certificate api.example.com expires in 7 days [threshold:7]. Renew it before 2026-11-29.",
        "severity": Severity.WARNING,
        "certificate_id": "api-example-com",
    }
    row = Notification(**({"created_at": created, "updated_at": created} | boring | fields))
    return row.accepted(created, POLICY) if row.status is Status.PENDING and row.due_at is None else row


def settled(row: Notification, result: Attempted, now: datetime = NOW, **options: Any) -> Notification:
    """Let `row` take a result that came at once."""
    return row.settled(result, started_at=now, now=now, **({"policy": POLICY} | options))


def in_status(status: Status, **fields: Any) -> Notification:
    """Make a row that got into `status` by steps that lead there."""
    row = a_row(**fields)
    match status:
        case Status.PENDING:
            return row
        case Status.FAILED:
            return settled(row, REFUSED)
        case Status.SENT:
            return settled(row, ACCEPTED)
        case Status.DEAD:
            return settled(row, REJECTED)
        case Status.READ:
            return settled(row, ACCEPTED).acknowledged(NOW)
        case Status.SUPERSEDED:
            return row.superseded("renewed", NOW)


def due_since(row: Notification, at: datetime) -> Notification:
    """Move the time at which the sweep acts on `row`."""
    return replace(row, due_at=at)
