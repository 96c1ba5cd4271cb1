"""Routes of renewal jobs: list, look, cancel, report. What asks for one is with the certificates."""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from bodies.renewal_jobs import CancelIn, RenewalJobList, RenewalJobOut, ReportIn
from identity import actor_of
from paging import Cursor, Limit, turn

from tocsin.bootstrap import renewals
from tocsin.expiry.renewal import RenewalState, Report
from tocsin.expiry.renewals import News

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.get("/renewal-jobs")
def list_jobs(
    state: Annotated[RenewalState | None, Query()] = None,
    certificate_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> RenewalJobList:
    """List renewal jobs, newest first; those of one certificate by cycle."""
    found, after = turn(
        lambda place: renewals.listed(state, certificate_id, limit, place),
        f"renewal-jobs {state or '*'} {certificate_id or '*'}",
        cursor,
    )
    return RenewalJobList(items=[RenewalJobOut.of(job) for job in found], next_cursor=after)


@router.get("/renewal-jobs/<id>")
def get(id: str) -> RenewalJobOut:
    """Read one job, as it is now."""
    return RenewalJobOut.of(renewals.jobs().get(id))


@router.post("/renewal-jobs/<id>/cancel")
def cancel(id: str, why: Annotated[CancelIn | None, Body()] = None) -> RenewalJobOut:
    """Expect it no more. Its policy does not ask again in this cycle. One that is over can't be: 409."""
    return RenewalJobOut.of(renewals.cancel(id, actor_of(router.current_event), why.reason if why else ""))


@router.post("/renewal-jobs/<id>/report")
def report(id: str, body: ReportIn) -> RenewalJobOut:
    """Take what whoever renews says: started, or failed. Success is only what a source has seen."""
    issued = renewals.issued_by(id, body.pem) if body.pem else ""
    news = News(Report(body.state), body.detail, issued, body.attempt)
    return RenewalJobOut.of(renewals.report(id, news, actor_of(router.current_event)))
