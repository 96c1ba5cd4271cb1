"""The inquiry: a service that says what became of a request only when it is asked, is asked.

What it says is evidence like any other (`evidence`). It is asked after a minute, then after twice the time, for an
hour: what is not known by then stays `accepted`. One worker asks at a time. The caller logs and measures.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.delivery.evidence import Evidence, EvidenceKind
from tocsin.delivery.fate import Fate, Known, NotYet
from tocsin.delivery.notification import Act, Notification, Outcome
from tocsin.delivery.send import STOP_BEFORE
from tocsin.delivery.store import Change, Due, Fetched, Lease
from tocsin.errors import ConflictError

LIMIT = 500
"""Rows that one run takes on; the next one is a few minutes away."""
AT_ONCE = 10
"""Questions that are put to one channel at once: one that hangs must not keep the others from being asked."""
HANGS = 3
"""Questions in a row without an answer behind which a channel is asked no more in this run: its rows wait until later,
so that they don't stand before the others in the next one."""
LONGEST = timedelta(hours=1)
"""How long after a row was sent its service is asked."""
SHORTEST = timedelta(minutes=1)
"""Between two questions about one row."""


class Asked(Protocol):
    """Where the rows are."""

    def to_ask(self, now: datetime, limit: int) -> list[Due]:
        """Give hints of up to `limit` rows whose service is to be asked by `now`."""

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        """Read many rows, by `is_consistent` as they are now."""

    def replace(self, change: Change) -> None:
        """Write one step; raise ConflictError where the row is no longer as it was read."""


@dataclass(frozen=True, slots=True)
class Inquired:
    """What an inquiry did."""

    asked: int
    known: int
    """Rows of which something was said; the others are asked again, or no more."""


async def inquire(
    lease: Lease,
    store: Asked,
    ask: Callable[[Notification], Awaitable[Fate]],
    hear: Callable[[Evidence], object],
    *,
    now: datetime,
    remaining: Callable[[], float],
) -> Inquired | None:
    """Ask about what is due while there is time, and let `hear` have what is known; None while another worker does."""
    if not lease.take(now, now + timedelta(seconds=remaining())):
        return None
    try:
        hints = store.to_ask(now, LIMIT)
        found = store.fetch([hint.id for hint in hints], is_consistent=True).rows if hints else ()
        rows = [row for row in found if row.is_out and row.due_at is not None]
        turns = {row.channel: _Turn(asyncio.Semaphore(AT_ONCE)) for row in rows}

        async def in_turn(row: Notification) -> tuple[Notification, Fate] | None:
            turn = turns[row.channel]
            async with turn.room:
                if turn.hangs >= HANGS:
                    return row, NotYet(f"{row.channel} gives no answers")
                if remaining() <= STOP_BEFORE:
                    return None
                fate = await _told(ask, row)
                turn.hangs = turn.hangs + 1 if isinstance(fate, NotYet) and fate.is_hung else 0
                return row, fate

        told = [one for one in await asyncio.gather(*map(in_turn, rows)) if one is not None]
        known = [_learn(store, hear, row, fate, now) for row, fate in told]
    finally:
        lease.release()
    return Inquired(asked=len(told), known=sum(known))


@dataclass(slots=True)
class _Turn:
    """What one channel is asked in a run."""

    room: asyncio.Semaphore
    hangs: int = 0
    """Questions in a row that hung."""


async def _told(ask: Callable[[Notification], Awaitable[Fate]], row: Notification) -> Fate:
    try:
        return await ask(row)
    except Exception as bug:  # a bug met by one row must not take the others' answers with it
        logging.getLogger(__name__).exception("a channel crashed on the fate of %s", row.id)
        return NotYet(f"internal error: {type(bug).__name__}")


def _learn(store: Asked, hear: Callable[[Evidence], object], row: Notification, fate: Fate, now: datetime) -> bool:
    """Take what a service said of one row; tell whether that is all there is to know."""
    try:
        match evidence_of(row, fate, now):
            case None:
                store.replace(Change(row, row.unanswered(again_at(row, fate, now))))
                return isinstance(fate, Known)
            case evidence:
                hear(evidence)
                return True
    except ConflictError:  # it moved on just now: if it still is to be asked, the next run does it
        return False


def evidence_of(row: Notification, fate: Fate, now: datetime) -> Evidence | None:
    """Say what the service's answer is evidence of; null: of nothing.

    A trigger that it could not do reached nobody. That an alert could not be acknowledged or closed says no such thing:
    most often a person was quicker.
    """
    match fate:
        case Known(delivered=True) if row.outcome is Outcome.ACCEPTED:
            kind = EvidenceKind.DELIVERED
        case Known(delivered=False) if row.act is Act.TRIGGER:
            kind = EvidenceKind.BOUNCED
        case _:
            return None
    at = row.sent_at or now
    return Evidence(notification_id=row.id, kind=kind, at=at, receipt=row.receipt, reason=fate.reason, happened_at=now)


def again_at(row: Notification, fate: Fate, now: datetime) -> datetime | None:
    """Say when to ask again; null: no more."""
    age = now - (row.sent_at or now)
    if not isinstance(fate, NotYet) or age >= LONGEST:
        return None
    return now + max(age, SHORTEST, timedelta(seconds=min(fate.retry_after or 0.0, LONGEST.total_seconds())))
