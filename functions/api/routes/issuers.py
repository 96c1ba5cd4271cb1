"""Routes of issuers: who issued what is watched."""

from datetime import datetime

from aws_lambda_powertools.event_handler.api_gateway import Router
from fields import Shown
from paging import Cursor, Limit, turn
from pydantic import BaseModel

from tocsin.bootstrap import inventory, resources
from tocsin.inventory.issuer import Issuer

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


class IssuerOut(Shown):
    """An issuer, as a source names it, and its live certificates: how many, and when the next of them expires."""

    id: str
    name: str
    certificates: int
    next_expiry: datetime | None
    first_seen_at: datetime


class IssuerList(BaseModel):
    """A page, in the order in which they were first seen."""

    items: list[IssuerOut]
    next_cursor: str | None


@router.get("/issuers")
def list_issuers(limit: Limit = 50, cursor: Cursor = None) -> IssuerList:
    """List the issuers that were seen, also those of which no certificate is live any more."""
    now = resources.now()
    found, after = turn(lambda place: inventory.issuers().page(limit, place, now), "issuers", cursor)
    return IssuerList(items=[_out(issuer) for issuer in found], next_cursor=after)


def _out(issuer: Issuer) -> IssuerOut:
    return IssuerOut(
        id=issuer.id,
        name=issuer.name,
        certificates=max(0, issuer.live),
        next_expiry=issuer.next_expiry,
        first_seen_at=issuer.created_at,
    )
