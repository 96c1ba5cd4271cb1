"""How things are shown: tables and colours on a terminal, lines with tabs in a pipe, JSON where it is asked for.

All that is shown went through `foreign`: nothing that somebody wrote into a message moves the cursor.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tocsin_cli.exits import Exit
from tocsin_cli.foreign import json_of, line_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Row = Mapping[str, Any]
_NEVER = 10_000
"""More columns than a terminal has."""
_WIDEST = 45
"""Characters that a column keeps where there is no room for all: an id and the kind of thing that it is of."""
STYLES = {
    "pending": "cyan",
    "failed": "yellow",
    "deferred": "blue",
    "sent": "green",
    "dead": "bold red",
    "read": "dim",
    "superseded": "dim",
    "critical": "bold magenta",
    "warning": "yellow",
    "Active": "green",
    "Expiring": "yellow",
    "Expired": "bold red",
    "Archived": "dim",
    "Revoked": "dim",
    "closed": "green",
    "open": "yellow",
    "held": "bold red",
    "delivered": "green",
    "accepted": "green",
    "retryable": "yellow",
    "permanent": "red",
    "unknown": "yellow",
    "running": "cyan",
    "queued": "cyan",
    "done": "green",
    "cancelled": "yellow",
}
"""The colour of a word, wherever it stands."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list."""

    title: str
    of: Callable[[Row], object]
    piped: Callable[[Row], object] | None = None
    """What a pipe gets, where a person reads something shorter."""
    shown_from: int = 0
    """The width of a terminal that has room for it."""
    gives_way: bool = False
    """It is cut where there is no room; others are not."""
    is_number: bool = False


def only_piped(title: str, of: Callable[[Row], object]) -> Column:
    """Make a column that no terminal has room for."""
    return Column(title, of, shown_from=_NEVER)


def is_terminal() -> bool:
    """Tell whether somebody looks at the output."""
    return sys.stdout.isatty()


def can_ask() -> bool:
    """Tell whether somebody is there to answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def console(*, to_stderr: bool = False) -> "Console":
    """Open the terminal. NO_COLOR, TERM=dumb and COLUMNS are heard by rich itself."""
    from rich.console import Console  # noqa: PLC0415 - not needed in a pipe

    return Console(
        stderr=to_stderr,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=None if to_stderr else is_terminal(),
    )


def line(text: str = "") -> None:
    """Write one line of our own words."""
    click.echo(text)


def note(text: str) -> None:
    """Say something beside the output: it never gets into a pipe."""
    click.secho(text, err=True, dim=True)


def as_lines_of_json(rows: Iterable[Any]) -> None:
    """Write one object a line, each as soon as it is there."""
    for row in rows:
        click.echo(json_of(row))


def listed(rows: Iterable[Row], columns: Sequence[Column], *, as_json: bool, empty: str) -> None:
    """Show a list: as JSON, as a table on a terminal, or as lines with tabs, without a head, in a pipe."""
    if as_json:
        as_lines_of_json(rows)
    elif is_terminal():
        _as_table(rows, columns, empty)
    else:
        for row in rows:
            click.echo("\t".join(line_of((column.piped or column.of)(row)) for column in columns))


def _as_table(rows: Iterable[Row], columns: Sequence[Column], empty: str) -> None:
    found = rows if isinstance(rows, list) else _read(rows)
    if found:
        console().print(table(found, columns, console().width))
    else:
        note(empty)


def _read(rows: Iterable[Row]) -> list[Row]:
    with waiting("Reading"):
        return list(rows)


def table(rows: Sequence[Row], columns: Sequence[Column], width: int) -> "Table":
    """Lay a table out for a terminal of `width` columns."""
    from rich.cells import cell_len  # noqa: PLC0415 - not needed in a pipe
    from rich.table import Table  # noqa: PLC0415 - not needed in a pipe

    shown = [column for column in columns if column.shown_from <= width]
    laid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", collapse_padding=True)
    cells = [[word(column.of(row)) for column in shown] for row in rows]
    for place, column in enumerate(shown):
        widest = max(cell_len(text) for text in (column.title, *(row[place].plain for row in cells)))
        laid.add_column(
            column.title,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column.is_number else "left",
            ratio=1 if column.gives_way else None,
            min_width=None if column.gives_way else min(_WIDEST, widest),
        )
    for row in cells:
        laid.add_row(*row)
    laid.expand = any(column.gives_way for column in shown)
    return laid


def word(value: object) -> "Text":
    """Give foreign text as it may be shown, in its colour if it is a word that has one."""
    from rich.text import Text  # noqa: PLC0415 - not needed in a pipe

    shown = line_of(value)
    return Text(shown, style=STYLES.get(shown, ""))


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Show names and what they are, one a line; what is empty is left out."""
    said = [(name, value) for name, value in pairs if line_of(value)]
    if not is_terminal():
        for name, value in said:
            click.echo(f"{name}\t{line_of(value)}")
        return
    from rich.table import Table  # noqa: PLC0415 - not needed in a pipe

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in said:
        grid.add_row(name, word(value))
    console().print(grid)


def heading(text: str) -> None:
    """Begin a part."""
    click.echo()
    click.secho(text, bold=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something goes on, where somebody looks; it leaves no trace."""
    where = console(to_stderr=True)
    if not where.is_terminal:
        yield
        return
    with where.status(f"{what} …", spinner="dots"):
        yield


def confirmed(question: str, *, yes: bool) -> None:
    """Ask before something happens. Ends the command where the answer is no, and where nobody is there to answer."""
    if yes:
        return
    if not can_ask():
        raise click.UsageError(f"{question} Nobody is there to answer: say --yes.")
    if not click.confirm(question, err=True):
        note("Nothing was done.")
        raise click.exceptions.Exit(Exit.REFUSED)


def singular(count: int, one: str, many: str | None = None) -> str:
    """Count things: `1 dead letter`, `1,312 dead letters`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
