"""Routes of owners and teams: whom alerts go to."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from bodies.contacts import OwnerIn, OwnerList, OwnerOut, TeamIn, TeamList, TeamOut
from paging import Cursor, Limit, turn
from versioned import Collection, IfMatch

from tocsin.bootstrap import inventory
from tocsin.inventory.audit import Kind
from tocsin.inventory.contacts import Owner, Team, checked_contact

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped

_OWNERS = Collection(
    "/owners",
    Kind.OWNER,
    router,
    lambda: inventory.records().owners,
    lambda body, id_, now: checked_contact(Owner(id=id_, created_at=now, updated_at=now, **body.model_dump())),
    OwnerOut.of,
)
_TEAMS = Collection(
    "/teams",
    Kind.TEAM,
    router,
    lambda: inventory.records().teams,
    lambda body, id_, now: checked_contact(Team(id=id_, created_at=now, updated_at=now, **body.model_dump())),
    TeamOut.of,
)


@router.get("/owners")
def list_owners(limit: Limit = 50, cursor: Cursor = None) -> OwnerList:
    """List owners, by creation."""
    found, after = turn(lambda place: inventory.lists().owners(limit, place), "owners", cursor)
    return OwnerList(items=[OwnerOut.of(owner) for owner in found], next_cursor=after)


@router.post("/owners")
def create_owner(new: OwnerIn) -> Response[OwnerOut]:
    """Write an owner."""
    return _OWNERS.create(new)


@router.get("/owners/<id>")
def get_owner(id: str) -> Response[OwnerOut]:
    """Read one owner, as it is now."""
    return _OWNERS.get(id)


@router.put("/owners/<id>")
def put_owner(id: str, body: OwnerIn, if_match: IfMatch = None) -> Response[OwnerOut]:
    """Replace an owner."""
    return _OWNERS.put(id, body, if_match)


@router.delete("/owners/<id>")
def delete_owner(id: str, if_match: IfMatch = None) -> Response[str]:
    """Delete an owner that no certificate names."""
    return _OWNERS.delete(id, if_match)


@router.get("/teams")
def list_teams(limit: Limit = 50, cursor: Cursor = None) -> TeamList:
    """List teams, by creation."""
    found, after = turn(lambda place: inventory.lists().teams(limit, place), "teams", cursor)
    return TeamList(items=[TeamOut.of(team) for team in found], next_cursor=after)


@router.post("/teams")
def create_team(new: TeamIn) -> Response[TeamOut]:
    """Write a team."""
    return _TEAMS.create(new)


@router.get("/teams/<id>")
def get_team(id: str) -> Response[TeamOut]:
    """Read one team, as it is now."""
    return _TEAMS.get(id)


@router.put("/teams/<id>")
def put_team(id: str, body: TeamIn, if_match: IfMatch = None) -> Response[TeamOut]:
    """Replace a team."""
    return _TEAMS.put(id, body, if_match)


@router.delete("/teams/<id>")
def delete_team(id: str, if_match: IfMatch = None) -> Response[str]:
    """Delete a team that no certificate and no owner names."""
    return _TEAMS.delete(id, if_match)
