"""`tocsin jobs`: bulk requeues that were started, by this command or by others."""

import click

from tocsin_cli import jobs as running
from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.commands.audit import name_of
from tocsin_cli.foreign import json_of
from tocsin_cli.options import as_json, example, limited, pass_api, rows_of, yes
from tocsin_cli.screen import Column, Row
from tocsin_cli.times import now, since, told


@click.group(
    invoke_without_command=True, epilog=example("tocsin jobs", "tocsin jobs show ID --follow", "tocsin jobs cancel ID")
)
@limited
@as_json
@pass_api
@click.pass_context
def jobs(ctx: click.Context, api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List bulk requeues, the latest first; `show` one, follow it, or `cancel` it."""
    if ctx.invoked_subcommand is not None:
        return
    at = now()
    shown = [
        Column("JOB", lambda row: row["id"]),
        Column("AGE", lambda row: since(row["created_at"], at), piped=lambda row: row["created_at"], is_number=True),
        Column("STATE", lambda row: row["state"]),
        Column("REQUEUED", lambda row: f"{row['requeued']:,}", piped=lambda row: row["requeued"], is_number=True),
        Column("OF", _of, piped=lambda row: row["expected"], is_number=True),
        Column("BY", lambda row: name_of(row["created_by"]), piped=lambda row: row["created_by"], shown_from=110),
        Column("WHY", lambda row: row["reason"], gives_way=True),
    ]
    screen.listed(
        rows_of(api, "/requeue-jobs", limit, is_all), shown, as_json=as_json, empty="There are no bulk requeues."
    )


def _of(job: Row) -> str:
    return f"{job['expected']:,}{'' if job['is_exact'] else '+'}"


@jobs.command(epilog=example("tocsin jobs show ID", "tocsin jobs show ID --follow"))
@click.argument("id_", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Show its progress until it has ended.")
@as_json
@pass_api
def show(api: Api, /, *, id_: str, follow: bool, as_json: bool) -> None:
    """Show the bulk requeue ID."""
    job = api.get(f"/requeue-jobs/{id_}")
    if follow:
        running.follow(api, job, as_json=as_json)
    elif as_json:
        screen.line(json_of(job))
    else:
        _shown(job)


def _shown(job: Row) -> None:
    at = now()
    screen.fields(
        [
            ("Job", job["id"]),
            ("State", job["state"]),
            ("Requeued", f"{job['requeued']:,} of {running.expected(job)}"),
            ("Superseded", job["superseded"] or ""),
            ("Passed over", job["passed_over"] or ""),
            ("Chosen", running.chosen(job)),
            ("Why", job["reason"]),
            ("By", name_of(job["created_by"])),
            ("Created", told(job["created_at"], at)),
            ("Started", told(job["started_at"], at)),
            ("Finished", told(job["finished_at"], at)),
            ("Last error", job["last_error"]),
        ]
    )


@jobs.command(epilog=example("tocsin jobs cancel ID"))
@click.argument("id_", metavar="ID")
@yes
@as_json
@pass_api
def cancel(api: Api, /, *, id_: str, yes: bool, as_json: bool) -> None:
    """Stop the bulk requeue ID. What it has requeued stays requeued."""
    screen.confirmed(f"Stop the bulk requeue {id_}?", yes=yes)
    job = api.post(f"/requeue-jobs/{id_}/cancel")
    screen.line(json_of(job) if as_json else running.told(job))
