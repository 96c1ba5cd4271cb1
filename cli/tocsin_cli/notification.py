"""Notifications as lists show them."""

from datetime import datetime

from tocsin_cli.screen import Column, Row, only_piped
from tocsin_cli.times import now, since


def status_of(row: Row) -> str:
    """Name where it is; one that waits with no attempt spent is deferred, and nothing to worry about."""
    return "deferred" if row.get("deferred") else str(row["status"])


def retries_of(row: Row) -> str:
    """Count its failures of its budget: `2/5`."""
    return f"{row['retry_count']}/{row['max_attempts']}"


def said_by(row: Row) -> str:
    """Give what an operator wants to read first: why it is not there, or else what it says."""
    return str(row["last_error"] or row["message"])


def columns(at: datetime | None = None) -> list[Column]:
    """Lay out a list of notifications, with ages as of `at`."""
    at = at or now()
    return [
        Column("ID", lambda row: row["id"]),
        Column("AGE", lambda row: since(row["created_at"], at), piped=lambda row: row["created_at"], is_number=True),
        Column("STATUS", status_of),
        Column("CHANNEL", lambda row: row["channel"]),
        Column("SEVERITY", lambda row: row["severity"], shown_from=130),
        Column("TYPE", lambda row: row["type"], shown_from=120),
        Column("RETRY", retries_of, is_number=True),
        Column("TO", lambda row: row["recipient"], shown_from=170),
        Column("ERROR OR MESSAGE", said_by, piped=lambda row: row["last_error"] or "", gives_way=True),
        only_piped("MESSAGE", lambda row: row["message"]),
        only_piped("CERTIFICATE", lambda row: row["certificate_id"]),
    ]
