"""Routes of the snapshot: as JSON for the dashboard, as text for Prometheus."""

from dataclasses import asdict
from datetime import datetime

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel

from tocsin.bootstrap import resources
from tocsin.delivery.snapshot import COUNTED, Snapshot, count_reached, prometheus_text, take_snapshot

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


class Summary(BaseModel):
    """The state of the stack. A count that could not be taken is null; one of `counted_up_to` is that many or more."""

    stack: str
    taken_at: datetime
    notifications_dead: int | None
    notifications_due: int | None
    counted_up_to: int = COUNTED


@router.get("/stats/summary")
def summary() -> Summary:
    """Show the dead-letter depth and the backlog, best effort."""
    return Summary(stack=resources.settings().stack, **asdict(_snapshot()))


@router.get("/metrics")
def metrics() -> Response[str]:
    """Show the same snapshot, and how many came to which state, in the Prometheus text exposition format."""
    reached = count_reached(resources.counts().read)
    return Response(200, "text/plain; version=0.0.4; charset=utf-8", prometheus_text(_snapshot(), reached))


def _snapshot() -> Snapshot:
    return take_snapshot(resources.table(), resources.now())
