"""Requeueing many dead letters at once: the job, its states, and what becomes of each row. Pure.

| state     | who moves it next                                                        |
|-----------|--------------------------------------------------------------------------|
| queued    | a run, which begins it; an operator, who may cancel it                   |
| running   | a run, batch after batch, and the next one; an operator, who may cancel  |
| done      | nobody                                                                   |
| cancelled | nobody                                                                   |
| failed    | nobody; a new job takes what this one left                               |

A job takes what was dead when it was counted, and each row once: one that dies again is left alone.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from ulid import ULID

from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import LAST_ERROR_LIMIT, DeliveryPolicy, Notification, Status
from tocsin.delivery.send import NoLongerTrue, Verdict
from tocsin.delivery.store import Change, Fetched
from tocsin.errors import TransitionRefusedError
from tocsin.text import bounded

_TIME = 10
"""Characters at the start of an id that are its time (ULID)."""
MOST_IDS = 500
"""Rows that a job may name one by one."""
GIVES_UP = timedelta(hours=1)
"""How long a job may fail without getting any further."""


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead letters: those with these ids, or those that the filters want. One of both is given."""

    ids: tuple[str, ...] | None = None
    filters: Filters | None = None

    @property
    def is_all(self) -> bool:
        """Tell whether it is every dead letter."""
        return self.filters == Filters()

    def wants(self, row: Notification) -> bool:
        """Tell whether `row` is one of them, if it is dead."""
        return self.filters.match(row) if self.filters else row.id in (self.ids or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueJob:
    """What somebody asked for, and how far it got. All times are aware and in UTC."""

    id: str
    state: State = State.QUEUED
    created_at: datetime
    created_by: str
    reason: str
    selection: Selection
    died_until: datetime
    """When it was counted: what died later is none of it."""
    expected: int
    is_exact: bool
    """Whether `expected` is how many there were, or how many were found in the time there was."""
    requeued: int = 0
    superseded: int = 0
    passed_over: int = 0
    """Rows that were no longer dead when their turn came, or can't be read."""
    updated_at: datetime
    """When it last got further, or began to fail."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    last_error: str | None = None
    place: str | None = None
    """Behind which row it goes on: a key of the list of dead letters, or how many of the ids are done."""

    @property
    def is_open(self) -> bool:
        """Tell whether anything is left to be done for it."""
        return self.state in (State.QUEUED, State.RUNNING)

    def advanced(self, step: "Step", now: datetime) -> Self:
        """Count what a step did, and go on behind it."""
        self._require(self.is_open, "go on")
        done = [change.after.status for change in step.changes]
        further = replace(
            self,
            state=State.RUNNING,
            started_at=self.started_at or now,
            requeued=self.requeued + done.count(Status.PENDING),
            superseded=self.superseded + done.count(Status.SUPERSEDED),
            passed_over=self.passed_over + step.passed_over,
            place=step.place,
            updated_at=now,
            last_error=None,
        )
        return further if step.place is not None else replace(further, state=State.DONE, finished_at=now)

    def cancelled(self, now: datetime) -> Self:
        """Do no more of it. What is requeued stays so."""
        self._require(self.is_open, "cancel")
        return replace(self, state=State.CANCELLED, updated_at=now, finished_at=now)

    def stumbled(self, error: str, now: datetime) -> Self:
        """Note that a run failed: another one goes on, unless that has been so for too long.

        The time counts from the first failure: a job for which no run came for hours has not failed for hours.
        """
        self._require(self.is_open, "fail")
        noted = replace(self, last_error=bounded(error, LAST_ERROR_LIMIT))
        if self.last_error is None:
            return replace(noted, updated_at=now)
        if now - self.updated_at < GIVES_UP:
            return noted
        return replace(noted, state=State.FAILED, updated_at=now, finished_at=now)

    def _require(self, is_allowed: bool, step: str) -> None:  # noqa: FBT001 - the condition is the point
        if not is_allowed:
            raise TransitionRefusedError(f"can't {step}: it is {self.state}")


@dataclass(frozen=True, slots=True)
class Stretch:
    """The next rows of a selection as they are now: few enough for one transaction."""

    rows: tuple[Notification, ...]
    passed_over: int
    """Those that were counted once, and are dead no more or can't be read."""
    place: str | None
    """Behind the last of them; null at the end."""


def stretch_of(job: RequeueJob, asked: int, found: Fetched, place: str | None) -> Stretch:
    """Choose from what was `found` of the next `asked` rows what is the job's, and still dead of the same death."""
    taken = tuple(row for row in found.rows if _is_due(row, job) and job.selection.wants(row))
    if job.selection.ids is not None:
        return Stretch(taken, asked - len(taken), place)
    others = [row for row in found.rows if not _is_due(row, job)] + [one.row for one in found.malformed]
    return Stretch(taken, sum(map(job.selection.wants, others)), place)


def _is_due(row: Notification, job: RequeueJob) -> bool:
    """Tell whether a row died before the job was counted, and lies dead since."""
    return row.status is Status.DEAD and row.died_at is not None and row.died_at <= job.died_until


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a stretch: it is written whole, with the place behind it, or not at all."""

    changes: tuple[Change, ...] = ()
    passed_over: int = 0
    place: str | None = None

    def without(self, lost: Collection[int]) -> "Step":
        """Give the same step without the changes at these places: their rows were changed by somebody else."""
        left = tuple(change for number, change in enumerate(self.changes) if number not in lost)
        return replace(self, changes=left, passed_over=self.passed_over + len(self.changes) - len(left))


def decide(stretch: Stretch, verdicts: Mapping[str, Verdict], now: datetime, policy: DeliveryPolicy) -> Step:
    """Requeue each row with its full budget; supersede what is true no more, by `verdicts`."""
    changes = tuple(Change(row, _decided(row, verdicts.get(row.id), now, policy)) for row in stretch.rows)
    return Step(changes, stretch.passed_over, stretch.place)


def _decided(row: Notification, verdict: Verdict | None, now: datetime, policy: DeliveryPolicy) -> Notification:
    if isinstance(verdict, NoLongerTrue):
        return row.superseded(verdict.reason, now)
    return row.requeued(now, policy)


def job_id(token: str, counted_at: datetime) -> str:
    """Derive the id of the job that a preview's token starts: the same token is the same job."""
    digest = hashlib.sha256(token.encode()).digest()
    return str(ULID.from_datetime(counted_at))[:_TIME] + str(ULID(digest[:16]))[_TIME:]
