"""Routes of the sources of certificates: which can be read, and since when one can't."""

from aws_lambda_powertools.event_handler.api_gateway import Router
from inventory_wire import SourceList, SourceOut
from paging import Cursor, Limit, turn

from tocsin import bootstrap_inventory
from tocsin.sources.state import SourceState

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.get("/sources")
def list_sources(limit: Limit = 50, cursor: Cursor = None) -> SourceList:
    """List the sources that were tried, by name."""
    found, after = turn(lambda place: bootstrap_inventory.source_states().page(limit, place), "sources", cursor)
    return SourceList(items=[_out(state) for state in found], next_cursor=after)


def _out(state: SourceState) -> SourceOut:
    return SourceOut(
        source=state.source,
        last_attempt_at=state.last_attempt_at,
        last_success_at=state.last_success_at,
        failing_since=state.failing_since,
        last_failure=str(state.last_failure) if state.last_failure else None,
    )
