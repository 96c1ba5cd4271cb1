"""Cursors of lists, and the versions of things (ETag, If-Match)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Protocol, TypeVar

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from pydantic import BaseModel

from tocsin.bootstrap import resources
from tocsin.errors import PreconditionFailedError
from tocsin.storage.paging import Page

Row = TypeVar("Row")
Body = TypeVar("Body", bound=BaseModel)

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=1024)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=64)]


class Versioned(Protocol):
    """Something with an ETag."""

    @property
    def etag(self) -> str:
        """Name its version."""
        ...


def turn(
    page_behind: Callable[[str | None], Page[Row]], digest: str, cursor: str | None
) -> tuple[list[Row], str | None]:
    """Give the page that `cursor` names in the list named by `digest`, and the cursor of the next one."""
    now = resources.now()
    place = resources.cursors().read(cursor, digest, now) if cursor else None
    found = page_behind(place)
    after = resources.cursors().write(found.after, digest, now) if found.after else None
    return list(found.rows), after


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
