"""Things that have a version: create, read, replace and delete them, by ETag and If-Match (RFC 9110, 13.1.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.params import Header
from identity import actor_of
from pydantic import BaseModel
from ulid import ULID

from tocsin.bootstrap import resources
from tocsin.errors import PreconditionFailedError
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.inventory.contacts import Owner, Team
from tocsin.inventory.policy import RenewalPolicy
from tocsin.inventory.rules.rule import Rule
from tocsin.inventory.versioned import Versioned
from tocsin.storage.inventory.records import Records

IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=64)]


Thing = TypeVar("Thing", RenewalPolicy, Rule, Owner, Team)
Body = TypeVar("Body", bound=BaseModel)


def shown(body: Body, of: Versioned, status: HTTPStatus = HTTPStatus.OK, location: str = "") -> Response[Body]:
    """Answer with `body` and the version that it shows."""
    headers: dict[str, str | list[str]] = {"ETag": of.etag}
    if location:
        headers["Location"] = f"/api/v1{location}"
    return Response(status, content_types.APPLICATION_JSON, body, headers=headers)


def nothing() -> Response[str]:
    """Answer that it is done, and that there is no more to say."""
    return Response(HTTPStatus.NO_CONTENT, body="")


def check_version(thing: Versioned, if_match: str | None) -> None:
    """Refuse a change to another version than the caller has seen, and one by a caller who has seen none."""
    if if_match is None:
        raise ServiceError(
            HTTPStatus.PRECONDITION_REQUIRED, "If-Match is missing: send the ETag of what you have read."
        )
    if if_match not in ("*", thing.etag, f"W/{thing.etag}"):
        raise PreconditionFailedError(f"It is {thing.etag} now.")


@dataclass(frozen=True, slots=True)
class Collection(Generic[Thing, Body]):
    """Policies, rules, owners or teams: what their routes do. Every change is in the audit trail, with who made it."""

    path: str
    kind: Kind
    router: Router
    records: Callable[[], Records[Thing]]
    read: Callable[[Any, str, datetime], Thing]
    """Reads a body as the thing with this id, as of now; raises InvalidFieldsError."""
    show: Callable[[Thing], Body]

    def create(self, body: BaseModel) -> Response[Body]:
        """Write a new one."""
        now = resources.now()
        thing = self.read(body, str(ULID.from_datetime(now)), now)
        self.records().create(thing, self._event("created", thing, now))
        return shown(self.show(thing), thing, HTTPStatus.CREATED, f"{self.path}/{thing.id}")

    def get(self, id: str) -> Response[Body]:
        """Read one, as it is now."""
        thing = self.records().get(id)
        return shown(self.show(thing), thing)

    def put(self, id: str, body: BaseModel, if_match: str | None) -> Response[Body]:
        """Replace one."""
        before, now = self._matched(id, if_match), resources.now()
        after = before.changed(self.read(body, id, now), now)
        self.records().update(before, after, self._event("updated", after, now))
        return shown(self.show(after), after)

    def delete(self, id: str, if_match: str | None) -> Response[str]:
        """Delete one that nothing refers to."""
        thing = self._matched(id, if_match)
        self.records().delete(thing, self._event("deleted", thing, resources.now()))
        return nothing()

    def _matched(self, id: str, if_match: str | None) -> Thing:
        thing = self.records().get(id)
        check_version(thing, if_match)
        return thing

    def _event(self, what: str, thing: Thing, now: datetime) -> AuditEvent:
        action, actor = Action(f"{self.kind}_{what}"), actor_of(self.router.current_event)
        return event(action, self.kind.resource(thing.id), actor, now, name=thing.name)
