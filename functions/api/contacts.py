"""Routes of owners and teams: whom alerts go to."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from contact_wire import OwnerIn, OwnerList, OwnerOut, TeamIn, TeamList, TeamOut
from identity import actor_of
from paging import Cursor, IfMatch, Limit, check_version, nothing, shown, turn
from ulid import ULID

from tocsin.bootstrap import inventory, resources
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.inventory.contacts import Owner, Team, checked_contact

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.get("/owners")
def list_owners(limit: Limit = 50, cursor: Cursor = None) -> OwnerList:
    """List owners, by creation."""
    found, after = turn(lambda place: inventory.lists().owners(limit, place), "owners", cursor)
    return OwnerList(items=[OwnerOut.of(owner) for owner in found], next_cursor=after)


@router.post("/owners")
def create_owner(new: OwnerIn) -> Response[OwnerOut]:
    """Write an owner."""
    now = resources.now()
    owner = checked_contact(Owner(id=str(ULID.from_datetime(now)), created_at=now, updated_at=now, **new.model_dump()))
    inventory.records().owners.create(owner, _said(Action.OWNER_CREATED, Kind.OWNER, owner))
    return shown(OwnerOut.of(owner), owner, HTTPStatus.CREATED, f"/owners/{owner.id}")


@router.get("/owners/<id>")
def get_owner(id: str) -> Response[OwnerOut]:
    """Read one owner, as it is now."""
    owner = inventory.records().owners.get(id)
    return shown(OwnerOut.of(owner), owner)


@router.put("/owners/<id>")
def put_owner(id: str, body: OwnerIn, if_match: IfMatch = None) -> Response[OwnerOut]:
    """Replace an owner."""
    before = inventory.records().owners.get(id)
    check_version(before, if_match)
    now = resources.now()
    draft = checked_contact(Owner(id=id, created_at=now, updated_at=now, **body.model_dump()))
    after = before.changed(draft, now)
    inventory.records().owners.update(before, after, _said(Action.OWNER_UPDATED, Kind.OWNER, after))
    return shown(OwnerOut.of(after), after)


@router.delete("/owners/<id>")
def delete_owner(id: str, if_match: IfMatch = None) -> Response[str]:
    """Delete an owner that no certificate names."""
    owner = inventory.records().owners.get(id)
    check_version(owner, if_match)
    inventory.records().owners.delete(owner, _said(Action.OWNER_DELETED, Kind.OWNER, owner))
    return nothing()


@router.get("/teams")
def list_teams(limit: Limit = 50, cursor: Cursor = None) -> TeamList:
    """List teams, by creation."""
    found, after = turn(lambda place: inventory.lists().teams(limit, place), "teams", cursor)
    return TeamList(items=[TeamOut.of(team) for team in found], next_cursor=after)


@router.post("/teams")
def create_team(new: TeamIn) -> Response[TeamOut]:
    """Write a team."""
    now = resources.now()
    team = checked_contact(Team(id=str(ULID.from_datetime(now)), created_at=now, updated_at=now, **new.model_dump()))
    inventory.records().teams.create(team, _said(Action.TEAM_CREATED, Kind.TEAM, team))
    return shown(TeamOut.of(team), team, HTTPStatus.CREATED, f"/teams/{team.id}")


@router.get("/teams/<id>")
def get_team(id: str) -> Response[TeamOut]:
    """Read one team, as it is now."""
    team = inventory.records().teams.get(id)
    return shown(TeamOut.of(team), team)


@router.put("/teams/<id>")
def put_team(id: str, body: TeamIn, if_match: IfMatch = None) -> Response[TeamOut]:
    """Replace a team."""
    before = inventory.records().teams.get(id)
    check_version(before, if_match)
    now = resources.now()
    draft = checked_contact(Team(id=id, created_at=now, updated_at=now, **body.model_dump()))
    after = before.changed(draft, now)
    inventory.records().teams.update(before, after, _said(Action.TEAM_UPDATED, Kind.TEAM, after))
    return shown(TeamOut.of(after), after)


@router.delete("/teams/<id>")
def delete_team(id: str, if_match: IfMatch = None) -> Response[str]:
    """Delete a team that no certificate and no owner names."""
    team = inventory.records().teams.get(id)
    check_version(team, if_match)
    inventory.records().teams.delete(team, _said(Action.TEAM_DELETED, Kind.TEAM, team))
    return nothing()


def _said(action: Action, kind: Kind, contact: Owner | Team) -> AuditEvent:
    actor = actor_of(router.current_event)
    return event(action, kind.resource(contact.id), actor, resources.now(), name=contact.name)
