"""What the pages show, in words and numbers: made of records, once, so that templates only place it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from tocsin.delivery.attempt import Attempt
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import Circuit, State
from tocsin.delivery.notification import DeliveryPolicy, Notification, Status
from tocsin.delivery.send import NoLongerTrue, Retold, TooEarly, Verdict
from tocsin.inventory.audit import AuditEvent
from tocsin.inventory.certificate import Certificate, CertificateStatus
from tocsin.text import bounded
from tocsin.widget.words import line

ERROR_SHOWN = 120
"""Bytes of an error that a list shows; the whole is its tooltip."""
_SUBJECT_SHOWN = 160
_RECIPIENT_SHOWN = 80
_TONES = {
    Status.PENDING: "quiet",
    Status.FAILED: "warn",
    Status.SENT: "good",
    Status.DEAD: "bad",
    Status.READ: "quiet",
    Status.SUPERSEDED: "quiet",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One notification in a list."""

    row: Notification
    subject: str
    recipient: str
    status: str
    """In a word; one that is put off is `Deferred`, whatever its state is."""
    tone: str
    """How it looks besides: good, quiet, warn, bad."""
    retry: str
    """`Retry n/max`: attempts of this life, and those that it may have. Empty where none was made yet."""
    error: str
    whole_error: str
    still_true: str
    """What is known of the fact that it reports; empty: nothing."""
    is_untrue: bool
    """Whether a requeue would end it, because it is no longer true."""

    @classmethod
    def of(cls, row: Notification, policy: DeliveryPolicy, verdict: Verdict | None = None) -> Self:
        """Show `row`, and what a review says of it."""
        spent = attempts_of(row)
        whole = line(row.last_error, 2 * len(row.last_error or "") + 8)
        return cls(
            row=row,
            subject=line(row.subject or row.type, _SUBJECT_SHOWN),
            recipient=line(row.recipient, _RECIPIENT_SHOWN),
            status="Deferred" if row.is_deferred else row.status.capitalize(),
            tone="wait" if row.is_deferred else _TONES[row.status],
            retry=f"Retry {spent}/{policy.retry_of(row).max_attempts}" if spent or row.status is Status.DEAD else "",
            error=bounded(whole, ERROR_SHOWN),
            whole_error=whole,
            still_true=_still_true(row, verdict),
            is_untrue=isinstance(verdict, NoLongerTrue),
        )

    @property
    def may_be_requeued(self) -> bool:
        """Tell whether an operator may requeue it."""
        return self.row.status is Status.DEAD

    @property
    def may_be_read(self) -> bool:
        """Tell whether an operator may mark it read."""
        return self.row.status in (Status.DEAD, Status.SENT)


def attempts_of(row: Notification) -> int:
    """Count the attempts of a row's present life.

    `retry_count` counts the failures that a retry followed; the last attempt of a life is not among them, and its
    number is one more. A row that died without an attempt of its own has no such line.
    """
    numbers = [attempt.number for attempt in row.attempts[-1:] if not row.is_owed]
    return row.retry_count + 1 if numbers == [row.retry_count + 1] else row.retry_count


def _still_true(row: Notification, verdict: Verdict | None) -> str:
    match verdict:
        case NoLongerTrue(reason=reason):
            return f"No longer true: {line(reason, ERROR_SHOWN)}"
        case Retold() if row.about is None:
            return "Still true"
        case TooEarly(reason=reason):
            return f"Not to be sent yet: {line(reason, ERROR_SHOWN)}"
    return ""  # nobody but its sender knows what it stands on


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a notification's timeline."""

    at: datetime
    what: str
    detail: str = ""
    tone: str = "quiet"


def timeline(row: Notification, events: Sequence[AuditEvent]) -> list[Moment]:
    """Tell the life of `row`, the latest first: what the record keeps, and what people did to it.

    What came of an attempt, at the same instant, stands above it.
    """
    told = [_done(event) for event in events]
    is_said = {moment.what for moment in told}
    for at, what, tone in (
        (row.died_at, "Dead", "bad"),
        (row.read_at, "Marked read", "quiet"),
        (row.complained_at, "Its recipient complained", "warn"),
    ):
        if at is not None and what not in is_said:
            told.append(Moment(at, what, line(row.last_error, 512) if what == "Dead" else "", tone))
    told += [_attempted(attempt) for attempt in reversed(row.attempts)]
    told.append(Moment(row.created_at, "Accepted", f"by {line(row.created_by, 256)}" if row.created_by else ""))
    if row.is_deferred:
        until = row.due_at or row.claimed_until
        told.append(Moment(row.updated_at, "Deferred, no attempt spent", line(row.last_error, 512), "wait"))
        told += [Moment(until, "Looked at again")] if until else []
    elif row.next_retry_at:
        told.append(Moment(row.next_retry_at, "Next attempt"))
    return sorted(told, key=lambda moment: moment.at, reverse=True)


def _attempted(attempt: Attempt) -> Moment:
    status = f"HTTP {attempt.http_status}" if attempt.http_status else ""
    detail = " · ".join(part for part in (status, line(attempt.error, 512), f"{attempt.duration_ms:,} ms") if part)
    tone = "good" if attempt.result in ("accepted", "delivered") else "warn"
    return Moment(attempt.started_at, f"Attempt {attempt.number}: {attempt.result.replace('_', ' ')}", detail, tone)


_DONE = {
    "notification_requeued": "Requeued",
    "notification_read": "Marked read",
    "recipient_complained": "Its recipient complained",
    "expiration_alert_sent": "Raised by the expiry check",
}


def _done(event: AuditEvent) -> Moment:
    reason = f" · {line(event.detail['reason'], 512)}" if event.detail.get("reason") else ""
    what = _DONE.get(event.action, event.action.replace("_", " ").capitalize())
    return Moment(event.at, what, f"by {line(event.actor, 256)}{reason}")


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel and how it does."""

    name: ChannelName
    is_configured: bool
    state: State
    known: Circuit
    circuits: tuple[tuple[Circuit, int], ...]
    needs_recipient: bool
    """Whether a test must say whom it goes to."""

    @property
    def status(self) -> str:
        """Say how it does, in a word or two."""
        if self.state is State.HELD:
            return "Held"
        if self.state is State.OPEN:
            return "Hangs"
        return "Works" if self.is_configured else "Not configured"

    @property
    def tone(self) -> str:
        """Say how that looks."""
        return {"Held": "bad", "Hangs": "warn", "Works": "good"}.get(self.status, "quiet")

    @property
    def waiting(self) -> int:
        """Count what waits for it."""
        return sum(count for _circuit, count in self.circuits)


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One certificate in a list."""

    certificate: Certificate
    status: CertificateStatus

    @property
    def tone(self) -> str:
        """Say how its status looks."""
        return {CertificateStatus.EXPIRED: "bad", CertificateStatus.EXPIRING: "warn"}.get(self.status, "quiet")


def shown(
    rows: Sequence[Notification],
    policy: DeliveryPolicy,
    review: Callable[[Sequence[Notification]], Mapping[str, Verdict]],
) -> list[Letter]:
    """Show the rows of a page; the dead among them are reviewed, because those may be requeued."""
    verdicts = review([row for row in rows if row.status is Status.DEAD and row.stands_on_others])
    return [Letter.of(row, policy, verdicts.get(row.id)) for row in rows]
