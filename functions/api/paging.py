"""Cursors of lists."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query

from tocsin.bootstrap import resources
from tocsin.storage.codec import time_of
from tocsin.storage.paging import Page

Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=1024)]


def turn(
    page_behind: Callable[[str | None], Page[Row]], digest: str, cursor: str | None
) -> tuple[list[Row], str | None]:
    """Give the page that `cursor` names in the list named by `digest`, and the cursor of the next one."""
    rows, after, _ = turn_showing_place(page_behind, digest, cursor)
    return rows, after


def turn_showing_place(
    page_behind: Callable[[str | None], Page[Row]], digest: str, cursor: str | None
) -> tuple[list[Row], str | None, datetime | None]:
    """Turn the page of a list whose keys begin with a time, and give as well how far it got: null at the end."""
    now = resources.now()
    place = resources.cursors().read(cursor, digest, now) if cursor else None
    found = page_behind(place)
    after = resources.cursors().write(found.after, digest, now) if found.after else None
    return list(found.rows), after, time_of(found.after) if found.after else None
