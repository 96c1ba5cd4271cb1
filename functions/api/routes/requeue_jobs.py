"""Routes of bulk requeue: count, start, look, cancel."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Router
from bodies.requeue_jobs import NewRequeueJob, RequeueJobList, RequeueJobOut, RequeuePreviewOut, SelectionIn
from identity import actor_of
from paging import Cursor, Limit, turn

from tocsin.bootstrap import requeueing

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.post("/requeue-jobs/preview")
def preview(wanted: SelectionIn) -> RequeuePreviewOut:
    """Count the dead letters that a job would requeue, and show some. Nothing is changed."""
    return RequeuePreviewOut.of(requeueing.preview(wanted.selection))


@router.post("/requeue-jobs", responses={202: {"description": "Accepted: it is done in the background."}})
def start(new: NewRequeueJob) -> Response[RequeueJobOut]:
    """Requeue what a preview counted. The same token gives the same job."""
    job = requeueing.start(new.token, actor_of(router.current_event), new.reason)
    headers: dict[str, str | list[str]] = {"Location": f"/api/v1/requeue-jobs/{job.id}"}
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, RequeueJobOut.of(job), headers=headers)


@router.get("/requeue-jobs")
def list_jobs(limit: Limit = 50, cursor: Cursor = None) -> RequeueJobList:
    """List requeue jobs, newest first."""
    found, after = turn(lambda place: requeueing.jobs(limit, place), "requeue-jobs", cursor)
    return RequeueJobList(items=[RequeueJobOut.of(job) for job in found], next_cursor=after)


@router.get("/requeue-jobs/<id>")
def get(id: str) -> RequeueJobOut:
    """Read one job, as it is now."""
    return RequeueJobOut.of(requeueing.job(id))


@router.post("/requeue-jobs/<id>/cancel")
def cancel(id: str) -> RequeueJobOut:
    """Do no more of a job. What is requeued stays so. One that is over can't be: 409."""
    return RequeueJobOut.of(requeueing.cancel(id, actor_of(router.current_event)))
