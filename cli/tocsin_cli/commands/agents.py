"""`tocsin agents`: the hosts that report their certificates."""

from urllib.parse import quote

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.foreign import json_of
from tocsin_cli.options import as_json, example, limited, pass_api, rows_of, yes
from tocsin_cli.screen import Column, only_piped
from tocsin_cli.times import now, since, stretch, told


@click.group(
    invoke_without_command=True,
    epilog=example("tocsin agents", "tocsin agents show web-1", "tocsin agents forget web-1"),
)
@limited
@as_json
@pass_api
@click.pass_context
def agents(ctx: click.Context, api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List the hosts that report, by name; `show` what one could not read, or `forget` one that is gone."""
    if ctx.invoked_subcommand is not None:
        return
    at = now()
    shown = [
        Column("AGENT", lambda row: row["name"], gives_way=True),
        Column(
            "REPORTED",
            lambda row: since(row["last_report_at"], at),
            piped=lambda row: row["last_report_at"],
            is_number=True,
        ),
        Column("EVERY", lambda row: stretch(row["period_seconds"]), piped=lambda row: row["period_seconds"]),
        Column("CERTIFICATES", lambda row: row["certificates"], is_number=True),
        Column("PROBLEMS", lambda row: row["problem_count"], is_number=True),
        Column("SILENT", lambda row: since(row["silent_since"], at), piped=lambda row: row["silent_since"] or ""),
        only_piped("VERSION", lambda row: row["version"]),
    ]
    screen.listed(rows_of(api, "/agents", limit, is_all), shown, as_json=as_json, empty="No host has reported.")


@agents.command(epilog=example("tocsin agents show web-1"))
@click.argument("name")
@as_json
@pass_api
def show(api: Api, /, *, name: str, as_json: bool) -> None:
    """Show the agent NAME, and what it could not read."""
    agent = api.get(f"/agents/{quote(name, safe='')}")
    if as_json:
        screen.line(json_of(agent))
        return
    at = now()
    screen.fields(
        [
            ("Agent", agent["name"]),
            ("Reported", told(agent["last_report_at"], at)),
            ("Every", stretch(agent["period_seconds"])),
            ("Silent since", told(agent["silent_since"], at)),
            ("Certificates", agent["certificates"]),
            ("Problems", agent["problem_count"]),
            ("First seen", told(agent["first_seen_at"], at)),
            ("Reported by", agent["reported_by"]),
            ("Version", agent["version"]),
        ]
    )
    if agent["problems"]:
        screen.heading("What it could not read")
        screen.listed(
            agent["problems"],
            [Column("PATH", lambda row: row["path"]), Column("WHY", lambda row: row["problem"], gives_way=True)],
            as_json=False,
            empty="",
        )


@agents.command(epilog=example("tocsin agents forget web-1"))
@click.argument("name")
@yes
@pass_api
def forget(api: Api, /, *, name: str, yes: bool) -> None:
    """Wait for the agent NAME no longer. The certificates that it reported stay, and alert."""
    screen.confirmed(f"Wait for reports of {name} no longer?", yes=yes)
    api.call("DELETE", f"/agents/{quote(name, safe='')}")
    screen.line(f"{name}\tforgotten")
