"""`tocsin audit`: who did what to which thing."""

import re

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.options import as_json, example, limited, pass_api, rows_of
from tocsin_cli.screen import Column, Row, only_piped
from tocsin_cli.times import Moment, now, since

_ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
_EXAMPLES = example(
    "tocsin audit",
    "tocsin audit --action notification_requeued --after 7d",
    "tocsin audit 01JZ8W3T5N6V0QJ4X2M7C9K1RB",
    "tocsin audit certificate/01JZ8W3T5N6V0QJ4X2M7C9K1RB",
)


@click.command(epilog=_EXAMPLES)
@click.argument("resource", required=False)
@click.option("--action", help="Such as notification_requeued, certificate_renewed or channel_tested.")
@click.option("--after", type=Moment(), help="At or after: a time, or how long ago, like 2h or 3d.")
@click.option("--before", type=Moment(), help="Before: a time, or how long ago.")
@limited
@as_json
@pass_api
def audit(api: Api, /, *, resource: str | None, limit: int, is_all: bool, as_json: bool, **filters: object) -> None:
    """List who did what, newest first; to RESOURCE alone, if it is given.

    RESOURCE is a kind and an id, like certificate/01JZ8W3T5N6V0QJ4X2M7C9K1RB; a bare id means a notification.
    """
    if resource and _ULID.fullmatch(resource):
        resource = f"notification/{resource}"
    rows = rows_of(api, "/audit-events", limit, is_all, resource=resource, **filters)
    at = now()
    shown = [
        Column("AGE", lambda row: since(row["at"], at), piped=lambda row: row["at"], is_number=True),
        Column("ACTION", lambda row: row["action"]),
        Column("RESOURCE", lambda row: row["resource"]),
        Column("BY", lambda row: name_of(row["actor"]), piped=lambda row: row["actor"], gives_way=True),
        Column("DETAIL", detail_of, gives_way=True, shown_from=110),
        only_piped("ID", lambda row: row["id"]),
    ]
    screen.listed(rows, shown, as_json=as_json, empty="The audit trail has nothing of that.")


def name_of(actor: str) -> str:
    """Shorten an ARN to what tells people apart: the user, or the role and the session."""
    kind, _, name = actor.rpartition(":")[2].partition("/")
    if not actor.startswith("arn:"):
        return actor
    return name if kind in ("user", "assumed-role") else kind


def detail_of(event: Row) -> str:
    """Write what an event says besides."""
    return ", ".join(f"{name}: {value}" for name, value in event["detail"].items())
