"""What became of an alert, in words for people. Pure."""

from datetime import UTC, datetime

from tocsin.delivery.notification import Notification, Outcome, Status


def written(at: datetime) -> str:
    """Write a time for people."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def fate_of(row: Notification | None) -> tuple[bool | None, str]:
    """Say whether an alert arrived, and in words."""
    if row is None:
        return None, "its record has left by retention"
    if row.is_owed:
        return None, _waiting(row)
    if row.outcome is Outcome.SKIPPED_NO_CHANNEL:
        return False, f"nothing was sent: {row.channel} is not configured"
    if row.sent_at is not None:
        return True, f"{row.channel} accepted it at {written(row.sent_at)}, on attempt {row.retry_count + 1}"
    stopped = "it was stopped" if row.status is Status.SUPERSEDED else "it could not be delivered"
    return False, f"{stopped}: {row.last_error}"


def _waiting(row: Notification) -> str:
    if row.status is Status.PENDING or row.due_at is None:
        return "its first delivery is under way"
    return f"attempt {row.retry_count} failed: {row.last_error}; again at {written(row.due_at)}"
