"""A run of the requeue jobs: all that are open, in turns, a batch at a time and no faster than is wanted.

Each batch is one write: the rows, their lines in the audit trail, what was counted, and the place to go on from. So a
run that is killed leaves nothing half done, and two runs at once can't do the same: the second finds the place moved.
The caller logs and measures.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.delivery.bulk import RequeueJob, Step, Stretch, decide
from tocsin.delivery.notification import DeliveryPolicy, Status
from tocsin.delivery.send import Review
from tocsin.delivery.store import Lease
from tocsin.errors import ConflictError, UnwritableError

BATCH = 49
"""Rows of one transaction: with the line of each in the audit trail, the job, and what says that it is open, 100."""
TURN = timedelta(seconds=10)
"""How long a job is worked at before the next one has its turn: a small one must not wait for a large one."""
HELD = timedelta(seconds=60)
"""How long the lease is taken for; a run that was killed holds up the next one no longer."""
_RENEWED = timedelta(seconds=20)
STOP_BEFORE = 30.0
"""Seconds before the end of a worker at which it begins no batch: a call that gets no answer takes 12."""
PAUSE = 5.0
"""Seconds that pass after a failure, and that a batch takes at most where rows are few a second."""


class Jobs(Protocol):
    """Where jobs are kept. Methods raise what their storage raises."""

    def open(self) -> Sequence[RequeueJob]:
        """Give all that are open, the oldest first."""

    def read(self, job: RequeueJob, size: int) -> Stretch:
        """Read the next rows of a job, at most `size`."""

    def write(self, before: RequeueJob, after: RequeueJob, step: Step) -> Sequence[int]:
        """Write a step, or nothing: then give the places of the changes that are another's.

        Raises ConflictError where the job is no longer as it was read, UnwritableError where a row is too large.
        """

    def note(self, before: RequeueJob, after: RequeueJob) -> None:
        """Write what a failure left of a job; raise ConflictError where it is no longer as it was read."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run is given: the time, its own end, how to wait, and how many rows a second it may write."""

    clock: Callable[[], datetime]
    remaining: Callable[[], float]
    pause: Callable[[float], None]
    rate: float


@dataclass(slots=True)
class Ran:
    """What a run did."""

    jobs: set[str] = field(default_factory=set)
    requeued: int = 0
    superseded: int = 0
    passed_over: int = 0
    failures: int = 0

    def add(self, step: Step) -> None:
        """Count what a step did."""
        done = [change.after.status for change in step.changes]
        self.requeued += done.count(Status.PENDING)
        self.superseded += done.count(Status.SUPERSEDED)
        self.passed_over += step.passed_over


class Run:
    """One run."""

    def __init__(  # noqa: PLR0917 - what it works with, each its own
        self,
        lease: Lease,
        jobs: Jobs,
        review: Review,
        policy: DeliveryPolicy,
        around: Surroundings,
        written: Callable[[Step], None],
    ) -> None:
        """Work on `jobs` while `lease` is held; `written` is told of each step that was."""
        self._lease = lease
        self._jobs = jobs
        self._review = review
        self._policy = policy
        self._around = around
        self._written = written
        self._size = min(BATCH, max(1, int(around.rate * PAUSE)))
        self._renew_at: datetime | None = None
        self._ran = Ran()

    def run(self) -> Ran | None:
        """Work until nothing is open or time is short; do nothing, and give null, while another run is at it."""
        if not self._goes_on():
            return None
        while self._goes_on():
            try:
                self._take_turns()
            finally:
                self._lease.release()
                self._renew_at = None
            # A job that began just now found the lease taken: nobody else looks at it before the next tick.
            if not self._has_time() or not self._jobs.open():
                break
        return self._ran

    def _take_turns(self) -> None:
        while jobs := self._jobs.open():
            for job in jobs:
                if not self._goes_on():
                    return
                self._ran.jobs.add(job.id)
                self._turn(job)

    def _goes_on(self) -> bool:
        """Tell whether there is time for a batch, and nobody else is at it."""
        now = self._around.clock()
        if not self._has_time():
            return False
        if self._renew_at is None or now >= self._renew_at:
            if not self._lease.take(now, now + HELD):
                return False
            self._renew_at = now + _RENEWED
        return True

    def _has_time(self) -> bool:
        return self._around.remaining() > STOP_BEFORE

    def _turn(self, job: RequeueJob) -> None:
        """Work at one job for a while. A failure is told in the job, and left to its next turn: others don't wait."""
        until, size = self._around.clock() + TURN, self._size
        while self._goes_on():
            begun = self._around.clock()
            try:
                job, step = self._batch(job, size)
            except ConflictError:  # it was cancelled, or another run has it: the next turn reads it anew
                return
            except UnwritableError:
                size //= 2  # one row must not keep the others from being written
                continue
            except Exception as error:
                logging.getLogger(__name__).exception("requeue job %s stumbled", job.id)
                self._stumble(job, error)
                return
            size = self._size
            self._ran.add(step)
            self._written(step)
            self._keep_pace(len(step.changes), begun)
            if not job.is_open or self._around.clock() >= until:
                return

    def _batch(self, job: RequeueJob, size: int) -> tuple[RequeueJob, Step]:
        stretch = self._jobs.read(job, size)
        verdicts = self._review(stretch.rows) if stretch.rows else {}
        now = self._around.clock()
        step = decide(stretch, verdicts, now, self._policy)
        while True:
            after = job.advanced(step, now)
            lost = self._try(job, after, step, size)
            if not lost:
                return after, step
            step = step.without(lost)

    def _try(self, job: RequeueJob, after: RequeueJob, step: Step, size: int) -> Sequence[int]:
        """Write a step. A row that can't be written even by itself is left out."""
        try:
            return self._jobs.write(job, after, step)
        except UnwritableError:
            if size > 1 or not step.changes:
                raise
            return range(len(step.changes))

    def _stumble(self, job: RequeueJob, error: Exception) -> None:
        self._ran.failures += 1
        with suppress(Exception):  # it is logged; the job only says it as well
            self._jobs.note(job, job.stumbled(f"{type(error).__name__}: {error}", self._around.clock()))
        self._around.pause(PAUSE)

    def _keep_pace(self, rows: int, begun: datetime) -> None:
        ahead = rows / self._around.rate - (self._around.clock() - begun).total_seconds()
        if ahead > 0:
            self._around.pause(ahead)
