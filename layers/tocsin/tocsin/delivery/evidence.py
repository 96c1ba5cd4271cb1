"""What became of a message after a service took it, and what that says of its notification. Pure.

| the row is                            | delivered            | bounced                 |
|---------------------------------------|----------------------|-------------------------|
| out, and the evidence is of its copy  | accepted → delivered | dead; also if delivered |
| out, and it is of another copy        | nothing              | nothing                 |
| owed, and the copy is of this life    | sent                 | dead                    |
| the same, while a worker has it       | later                | later                   |
| owed, and the copy is of another life | nothing              | nothing                 |
| dead, superseded                      | nothing              | nothing                 |

A bounce wins, whatever the order: a mail server may take a message, and give it back. A complaint marks the row once,
in whatever state.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from tocsin.delivery.notification import WORKER_LOST, Notification, Outcome


class EvidenceKind(StrEnum):
    """What became of a message."""

    DELIVERED = "delivered"
    """The receiver has it."""
    BOUNCED = "bounced"
    """It never will."""
    COMPLAINED = "complained"
    """Its recipient does not want it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a service says of one message that it took."""

    notification_id: str
    kind: EvidenceKind
    at: datetime
    """When the service took the message: that tells which life of the notification it is of."""
    receipt: str | None = None
    """What the service calls the message; see `Accepted`."""
    reason: str = ""
    """Why it bounced, foreign and not bounded."""
    happened_at: datetime | None = None
    """When it bounced, arrived or was complained of, where the service says so."""


class Later(Enum):
    """What to do with evidence that can't be judged yet."""

    LATER = "later"
    """A worker has the row, and is about to record a result: ask again."""


def apply(row: Notification, evidence: Evidence, now: datetime) -> Notification | Later | None:
    """Say what `evidence` makes of `row`; null: nothing, because it is not of this copy, or says nothing new."""
    if evidence.kind is EvidenceKind.COMPLAINED:
        return row.complained(evidence.happened_at or now) if row.complained_at is None else None
    if row.is_out and evidence.receipt is not None and row.receipt == evidence.receipt:
        return _of_its_copy(row, evidence, now)
    if row.is_owed and evidence.at >= began(row):
        return Later.LATER if row.is_in_hand(now) else _of_unknown_copy(row, evidence, now)
    return None


def began(row: Notification) -> datetime:
    """Give the instant before which no message of an owed row's present life can have been taken.

    A life begins when the row is accepted or requeued: `updated_at` says it until the first attempt is counted, then
    that attempt's start does. A lost attempt's start is the time at which it was missed: its life began behind the last
    attempt of the life before, or with the row. Of a longer history than is kept, what is kept.
    """
    if not row.retry_count:
        return row.updated_at
    of_others, of_this = row.attempts[: -row.retry_count], row.attempts[-row.retry_count :]
    if not of_this:  # of a row whose history was dropped to make room for its state
        return row.updated_at
    first = of_this[0]
    if first.error != WORKER_LOST or first.number > 1:
        return first.started_at
    if not of_others:
        return row.created_at
    last = of_others[-1]
    return last.started_at + timedelta(milliseconds=last.duration_ms + 1)  # it was taken before its try ended


def _of_its_copy(row: Notification, evidence: Evidence, now: datetime) -> Notification | None:
    if evidence.kind is EvidenceKind.BOUNCED:
        return row.bounced(evidence.reason, evidence.receipt, now)
    return row.lifted(now) if row.outcome is Outcome.ACCEPTED else None


def _of_unknown_copy(row: Notification, evidence: Evidence, now: datetime) -> Notification:
    """Judge an owed row by a copy whose result was never learned: its worker died, or no answer came."""
    if evidence.kind is EvidenceKind.BOUNCED:
        return row.bounced(evidence.reason, evidence.receipt, now)
    return row.proven(evidence.receipt, now)
