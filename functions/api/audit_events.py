"""Routes of the audit trail."""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query
from inventory_wire import AuditEventList
from paging import Cursor, Limit, turn
from wire import Instant

from tocsin import bootstrap
from tocsin.audit import AuditFilters

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.get("/audit-events")
def list_events(  # noqa: PLR0917 - one argument for each parameter of the query
    resource: Annotated[str | None, Query(min_length=1, max_length=512)] = None,
    action: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    after: Annotated[Instant | None, Query()] = None,
    before: Annotated[Instant | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditEventList:
    """List who did what to which thing, newest first. A resource is e.g. `certificate/01J...`."""
    filters = AuditFilters(resource=resource, action=action, after=after, before=before)
    found, following = turn(lambda place: bootstrap.audit_trail().page(filters, limit, place), filters.digest, cursor)
    return AuditEventList.of(found, following)
