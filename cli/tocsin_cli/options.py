"""Options that several commands have."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.times import Moment

F = TypeVar("F", bound=Callable[..., Any])
PAGE = 100
"""Rows of the largest page."""
MANY = 50
"""Rows that a list shows unless it is told otherwise."""

STATUSES = ("pending", "sent", "failed", "dead", "read", "superseded")
OUTCOMES = ("accepted", "delivered", "bounced", "skipped_no_channel")
SEVERITIES = ("informational", "warning", "critical")

pass_api = click.make_pass_decorator(Api)
as_json = click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line.")
yes = click.option("-y", "--yes", is_flag=True, help="Don't ask.")


def filters_of_letters(command: F) -> F:
    """Add the filters that dead letters can be chosen by."""
    for option in (
        click.option("--created-before", type=Moment(), help="Created before: a time, or how long ago, like 2h or 3d."),
        click.option("--created-after", type=Moment(), help="Created at or after: a time, or how long ago."),
        click.option("--certificate", "certificate_id", help="About this certificate, by its id."),
        click.option("--contains", help="In the message, in upper or lower case."),
        click.option("--severity", type=click.Choice(SEVERITIES)),
        click.option("--channel", help="By this channel, like Email or Slack:payments."),
        click.option("--type", "type_", help="Of this type, like ExpirationWarning or Custom:disk."),
    ):
        command = option(command)
    return command


def limited(command: F) -> F:
    """Add how many rows are shown."""
    command = click.option("--all", "is_all", is_flag=True, help="Show every row, however many there are.")(command)
    return click.option(
        "-n", "--limit", type=click.IntRange(min=1), default=MANY, show_default=True, help="Show at most so many rows."
    )(command)


def rows_of(api: Api, path: str, limit: int, is_all: bool, **query: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401, FBT001 - a query's values; as the option has it
    """Read the rows of a list; say if there are more than `limit`, where nobody asked for just so many."""
    if is_all:
        yield from api.pages(path, limit=PAGE, **query)
        return
    context = click.get_current_context()
    if context.get_parameter_source("limit") is ParameterSource.COMMANDLINE:
        yield from islice(api.pages(path, limit=min(limit, PAGE), **query), limit)
        return
    found = api.pages(path, limit=min(limit + 1, PAGE), **query)
    yield from islice(found, limit)
    if next(found, None) is not None:
        told = f"There are more: these are the first {limit:,}. See --all and --limit."
        context.call_on_close(lambda: screen.note(told))  # below the list


def example(*lines: str) -> str:
    """Write the examples of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {text}" for text in lines)


def distinct(texts: Iterable[str]) -> list[str]:
    """Drop what was said twice, and keep the order."""
    return list(dict.fromkeys(texts))


def tags_of(_ctx: click.Context, _param: click.Parameter, said: tuple[str, ...]) -> dict[str, str] | None:
    """Read `key=value`; a value may have such a sign too."""
    if wrong := [text for text in said if "=" not in text]:
        raise click.BadParameter(f"{wrong[0]!r} is not of the form KEY=VALUE")
    return {key: value for key, _, value in (text.partition("=") for text in said)} or None
