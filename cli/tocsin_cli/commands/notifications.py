"""`tocsin list` and `tocsin groups`: what is there, and what the dead have in common."""

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.notification import columns
from tocsin_cli.options import (
    OUTCOMES,
    STATUSES,
    as_json,
    example,
    filters_of_letters,
    limited,
    pass_api,
    rows_of,
)
from tocsin_cli.screen import Column, only_piped
from tocsin_cli.times import now, since

_LISTED = example(
    "tocsin list --status dead",
    "tocsin list --channel Slack:payments --created-after 2h",
    "tocsin list --deferred --severity critical",
    "tocsin list --contains shop.example.com --all --json | jq -r .id",
)


@click.command("list", epilog=_LISTED)
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--outcome", type=click.Choice(OUTCOMES), help="What is known of its arrival.")
@click.option("--deferred/--not-deferred", default=None, help="Those that wait with no attempt spent, or all others.")
@click.option("--group", "error_group", help="Dead letters of this group: see `tocsin groups`.")
@filters_of_letters
@limited
@as_json
@pass_api
def list_(api: Api, /, *, type_: str | None, limit: int, is_all: bool, as_json: bool, **filters: object) -> None:
    """List notifications, newest first; dead ones by the time of their death.

    All filters that are given must hold. In a pipe: tab-separated, without a head: id, created at, status, channel,
    severity, type, retries, recipient, last error, message, certificate.
    """
    rows = rows_of(api, "/notifications", limit, is_all, type=type_, **filters)
    screen.listed(rows, columns(), as_json=as_json, empty="No notification matches.")


_GROUPED = example("tocsin groups", "tocsin groups --channel Webhook", "tocsin requeue --group 4f1c09e2a7d3")


@click.command(epilog=_GROUPED)
@filters_of_letters
@as_json
@pass_api
def groups(api: Api, /, *, type_: str | None, as_json: bool, **filters: object) -> None:
    """Count dead letters by channel and error, the largest group first.

    Numbers, ids, addresses and times in an error don't tell groups apart. In a pipe: tab-separated: group, count,
    channel, first and last death, error, the id of one of them.
    """
    for name in ("created_after", "created_before"):
        if filters.pop(name):
            raise click.UsageError(f"Groups are of all dead letters: --{name.replace('_', '-')} is for `tocsin list`.")
    with screen.waiting("Counting"):
        found = api.get("/dead-letter-groups", type=type_, **filters)
    at = now()
    shown = [
        Column("GROUP", lambda row: row["id"]),
        Column("COUNT", lambda row: f"{row['count']:,}", piped=lambda row: row["count"], is_number=True),
        Column("CHANNEL", lambda row: row["channel"]),
        Column("FIRST", lambda row: since(row["first_died_at"], at), piped=lambda row: row["first_died_at"]),
        Column("LAST", lambda row: since(row["last_died_at"], at), piped=lambda row: row["last_died_at"]),
        Column("ERROR", lambda row: row["error"], gives_way=True),
        only_piped("SAMPLE", lambda row: row["sample_id"]),
    ]
    screen.listed(found["items"], shown, as_json=as_json, empty="There are no dead letters.")
    if not found["complete"]:
        screen.note(f"Of the {found['examined']:,} latest dead letters: there are more.")
