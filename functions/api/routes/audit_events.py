"""Routes of the audit trail."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query
from fields import Instant, Shown
from paging import Cursor, Limit, turn
from pydantic import BaseModel

from tocsin.bootstrap import resources
from tocsin.inventory.audit import AuditEvent, AuditFilters

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


class AuditEventOut(Shown):
    """One line of the trail."""

    id: str
    at: datetime
    action: str
    resource: str
    actor: str
    detail: Mapping[str, str]


class AuditEventList(BaseModel):
    """A page, newest first."""

    items: list[AuditEventOut]
    next_cursor: str | None

    @classmethod
    def of(cls, events: list[AuditEvent], after: str | None) -> Self:
        """Show `events`."""
        return cls(items=[AuditEventOut.model_validate(event) for event in events], next_cursor=after)


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
    found, following = turn(lambda place: resources.audit_trail().page(filters, limit, place), filters.digest, cursor)
    return AuditEventList.of(found, following)
