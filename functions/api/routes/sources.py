"""Routes of the sources of certificates: which can be read, and since when one can't."""

from datetime import datetime

from aws_lambda_powertools.event_handler.api_gateway import Router
from paging import Cursor, Limit, turn
from pydantic import BaseModel

from tocsin.bootstrap import inventory
from tocsin.sources.state import SourceState

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


class SourceOut(BaseModel):
    """A source of certificates, and whether it can be read."""

    source: str
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    last_failure: str | None


class SourceList(BaseModel):
    """All sources that were ever tried."""

    items: list[SourceOut]
    next_cursor: str | None


@router.get("/sources")
def list_sources(limit: Limit = 50, cursor: Cursor = None) -> SourceList:
    """List the sources that were tried, by name."""
    found, after = turn(lambda place: inventory.source_states().page(limit, place), "sources", cursor)
    return SourceList(items=[_out(state) for state in found], next_cursor=after)


def _out(state: SourceState) -> SourceOut:
    return SourceOut(
        source=state.source,
        last_attempt_at=state.last_attempt_at,
        last_success_at=state.last_success_at,
        failing_since=state.failing_since,
        last_failure=str(state.last_failure) if state.last_failure else None,
    )
