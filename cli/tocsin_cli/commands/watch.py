"""`tocsin watch`: notifications as they come, retry, arrive and die."""

import time
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import click

from tocsin_cli import screen
from tocsin_cli.api import Api, ApiError
from tocsin_cli.commands.stats import counted
from tocsin_cli.exits import Exit, exit_of, explained
from tocsin_cli.foreign import json_of, line_of
from tocsin_cli.notification import columns, said_by, status_of
from tocsin_cli.options import as_json, example, pass_api
from tocsin_cli.screen import Row
from tocsin_cli.times import now

if TYPE_CHECKING:
    from rich.console import RenderableType

_NEWEST, _DEAD = 100, 50
"""Rows that a look takes in: of all, and of the dead, which may have been created long ago."""
_ROOM = 8
"""Lines of a terminal that the table does not get."""
_EXAMPLES = example(
    "tocsin watch", "tocsin watch --interval 2", "tocsin watch --json | jq 'select(.status == \"dead\")'"
)


@click.command(epilog=_EXAMPLES)
@click.option("--interval", type=click.FloatRange(min=0.5), default=5, show_default=True, help="Seconds between looks.")
@click.option("--times", type=click.IntRange(min=1), help="End after so many looks. Without it: Ctrl-C ends it.")
@as_json
@pass_api
def watch(api: Api, /, *, interval: float, times: int | None, as_json: bool) -> None:
    """Watch the newest notifications and the dead ones.

    A terminal shows a table, which is always of now. A pipe gets a line for each change: time, id, status, channel, and
    the error or the message; what is there already is not repeated.
    """
    seen = looks(api, interval, times)
    if screen.is_terminal() and not as_json:
        _live(seen)
        return
    for change in changes(seen):
        screen.line(json_of(change) if as_json else _in_line(change))


def looks(api: Api, interval: float, times: int | None) -> Iterator["Look"]:
    """Look again and again. A look that fails for a while says so, and the next one is tried."""
    for number in count(1):
        try:
            yield Look.of(api)
        except ApiError as error:
            if number == 1 or exit_of(error) is not Exit.UNREACHABLE:
                raise
            screen.note(line_of(explained(error)))
        if number == times:
            return
        time.sleep(interval)


class Look:
    """What there was at one moment."""

    def __init__(self, newest: list[Row], dead: list[Row], summary: Row) -> None:
        """Take the newest notifications, the latest dead ones, and the counts."""
        self.newest = newest
        self.dead = dead
        self.summary = summary

    @classmethod
    def of(cls, api: Api) -> "Look":
        """Ask the API. Raises ApiError."""
        newest = api.get("/notifications", limit=_NEWEST)["items"]
        dead = api.get("/notifications", status="dead", limit=_DEAD)["items"]
        return cls(newest, dead, api.get("/stats/summary"))

    @property
    def rows(self) -> list[Row]:
        """Give each row once, the one that changed last at the end."""
        by_id = {row["id"]: row for row in (*self.dead, *self.newest)}
        return sorted(by_id.values(), key=lambda row: str(row["updated_at"]))


def changes(seen: Iterator[Look]) -> Iterator[Row]:
    """Give each row that is new, or another than at the look before."""
    known: dict[str, tuple[str, ...]] | None = None
    for look in seen:
        states = {row["id"]: _state(row) for row in look.rows}
        if known is not None:
            yield from (row for row in look.rows if known.get(row["id"]) != states[row["id"]])
        known = (known or {}) | states


def _state(row: Row) -> tuple[str, ...]:
    return (row["status"], str(row["outcome"]), str(row["retry_count"]), str(len(row["attempts"])), row["created_at"])


def _in_line(row: Row) -> str:
    return "\t".join(map(line_of, (row["updated_at"], row["id"], status_of(row), row["channel"], said_by(row))))


def _live(seen: Iterator[Look]) -> None:
    from rich.live import Live  # noqa: PLC0415 - not needed in a pipe

    where = screen.console()
    with Live(console=where, screen=where.is_terminal, auto_refresh=False, vertical_overflow="crop") as live:
        for look in seen:
            live.update(picture(look, where.width, max(5, where.height - _ROOM)), refresh=True)


def picture(look: Look, width: int, height: int) -> "RenderableType":
    """Lay out one look for a terminal of `width` columns, with at most `height` rows."""
    from rich.console import Group  # noqa: PLC0415 - not needed in a pipe
    from rich.text import Text  # noqa: PLC0415 - the same

    at = now()
    most = look.summary["counted_up_to"]
    dead, due = (counted(look.summary[f"notifications_{name}"], most) for name in ("dead", "due"))
    head = Text.assemble(
        (line_of(look.summary["stack"]), "bold"), f"   {dead} dead   {due} due   {at:%H:%M:%S} UTC   Ctrl-C ends it"
    )
    shown_dead = look.dead[: height // 3]
    dead_ids = {row["id"] for row in shown_dead}
    others = [row for row in look.newest if row["id"] not in dead_ids][: height - len(shown_dead)]
    parts: list[RenderableType] = [head]
    for title, rows in (("Dead letters", shown_dead), ("Newest", others)):
        if rows:
            parts += [Text(), Text(title, style="bold"), screen.table(rows, columns(at), width)]
    return Group(*parts)
