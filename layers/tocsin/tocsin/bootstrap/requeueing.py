"""The wiring of bulk requeue: what is counted before, the jobs, and the runs that work at them."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.bootstrap import delivery, resources
from tocsin.delivery.bulk import RequeueJob, Selection, Step, job_id
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.record import Event
from tocsin.delivery.requeue_run import Ran, Run, Surroundings
from tocsin.errors import CursorError, FieldProblem, InvalidFieldsError
from tocsin.storage.inventory.requeue_jobs import RequeueJobs
from tocsin.storage.paging import Page
from tocsin.storage.requeue_token import Counted, read_token, write_token

SECONDS = 10.0
"""How long counting may take: API Gateway gives up after 29."""
SAMPLE = 5
"""Rows that a preview shows."""
_LOOK = 100
"""Rows that are read at once."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would take, and the token that starts it."""

    count: int
    is_exact: bool
    """Whether those are all: counting ends when its time does."""
    sample: Sequence[Notification]
    token: str
    expires_at: datetime


@cache
def _jobs() -> RequeueJobs:
    settings = resources.settings()
    return RequeueJobs(
        resources.dynamodb(),
        settings.inventory_table,
        resources.table(),
        resources.lists(),
        resources.audit_trail(),
    )


def preview(selection: Selection, seconds: float = SECONDS) -> Preview:
    """Count what is dead of `selection` now, in about so many seconds; nothing is changed. Raises ClientError."""
    now, until = resources.now(), time.monotonic() + seconds
    count, is_exact, sample = _counted(selection, now, lambda: time.monotonic() < until)
    counted = Counted(selection, now, count, is_exact)
    return Preview(count, is_exact, sample, write_token(resources.cursors(), counted), counted.expires_at)


def _counted(
    selection: Selection, now: datetime, may_go_on: Callable[[], bool]
) -> tuple[int, bool, Sequence[Notification]]:
    if selection.ids is not None:
        found = resources.table().fetch(selection.ids, is_consistent=True).rows
        dead = [row for row in found if row.status is Status.DEAD]
        return len(dead), True, dead[:SAMPLE]
    if selection.is_all:
        newest = resources.lists().stretch_of_dead(None, SAMPLE)
        return *resources.lists().count_dead(now, may_go_on), newest.rows
    return _matching(selection, now, may_go_on)


def _matching(
    selection: Selection, now: datetime, may_go_on: Callable[[], bool]
) -> tuple[int, bool, Sequence[Notification]]:
    """Count what the filters want, those that died last first."""
    count, place = 0, None
    sample: list[Notification] = []
    while may_go_on():
        found = resources.lists().stretch_of_dead(place, _LOOK)
        wanted = [row for row in found.rows if row.died_at is not None and row.died_at <= now and selection.wants(row)]
        count += len(wanted)
        sample += wanted[: SAMPLE - len(sample)]
        if (place := found.after) is None:
            return count, True, sample
    return count, False, sample


def start(token: str, actor: str, reason: str) -> RequeueJob:
    """Begin what a preview counted, on behalf of `actor`; the same token gives the same job, as it is by then.

    Raises InvalidFieldsError where the token can't be used.
    """
    now = resources.now()
    try:
        counted = read_token(resources.cursors(), token, now)
    except CursorError as error:
        raise InvalidFieldsError([FieldProblem("token", f"can't be used: {error.detail}")]) from None
    job = RequeueJob(
        id=job_id(counted.name, counted.at),
        created_at=now,
        updated_at=now,
        created_by=actor,
        reason=reason,
        selection=counted.selection,
        died_until=counted.at,
        expected=counted.count,
        is_exact=counted.is_exact,
    )
    stored = _jobs().create(job)
    if stored.is_open:
        _start_a_run()
    return stored


def job(id_: str) -> RequeueJob:
    """Read one job, as it is now; raise NotFoundError."""
    return _jobs().get(id_)


def jobs(limit: int, place: str | None) -> Page[RequeueJob]:
    """Give up to `limit` jobs behind the key `place`, the newest first."""
    return _jobs().page(limit, place)


def cancel(id_: str, actor: str) -> RequeueJob:
    """Do no more of a job, on behalf of `actor`; what is requeued stays so.

    Raises NotFoundError, and TransitionRefusedError where nothing is left to be done.
    """
    return _jobs().cancel(id_, actor, resources.now())


def go_on() -> None:
    """Start a run if any job is open: the one before was stopped, killed, or never came. Never raises for AWS's errors.

    This is the only way in which a job goes on. A run that started the next one would be stopped by Lambda's recursion
    detection, and lost for good with a single lost invocation.
    """
    try:
        is_any_open = _jobs().is_any_open()
    except (ClientError, BotoCoreError):  # the sweep must not wait for it
        resources.logger().exception("requeue jobs could not be looked after")
        return
    if is_any_open:
        _start_a_run()


def _start_a_run() -> None:
    """Start a run. One that is at it goes on with all jobs; where none comes, the sweep's next tick starts one."""
    client = resources.client("lambda", resources.FAST)
    try:
        name = f"{resources.settings().stack}-requeue:live"
        client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({}))
    except (ClientError, BotoCoreError):
        resources.logger().exception("a requeue could not be started: the next tick of the sweep does")


def run(context: resources.LambdaContext) -> Ran | None:
    """Work at all open jobs until nothing is left or time is short; null while another run is at it."""
    return Run(
        delivery.lease("requeue", context),
        _jobs(),
        delivery.review,
        resources.settings().delivery,
        Surroundings(
            clock=resources.now,
            remaining=resources.worker(context).remaining,
            pause=time.sleep,
            rate=resources.settings().requeue_rate,
        ),
        _written,
    ).run()


def _written(step: Step) -> None:
    """Report a step's rows. Metrics are written at once: those of a run that is killed would be lost."""
    recorder = resources.recorder()
    for change in step.changes:
        if change.after.status is Status.PENDING:
            recorder.requeued(change.after)
        else:
            recorder.observe(Event.SETTLED, change)
    recorder.metrics.flush()
