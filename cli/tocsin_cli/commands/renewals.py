"""`tocsin renew` and `tocsin renewals`: ask for renewals, and see what came of them."""

from typing import get_args
from urllib.parse import quote

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.commands.audit import name_of
from tocsin_cli.commands.certificates import certificate_id
from tocsin_cli.foreign import json_of
from tocsin_cli.options import as_json, example, limited, pass_api, rows_of, yes
from tocsin_cli.screen import Column, Row
from tocsin_cli.times import Moment, now, since, told
from tocsin_cli.vocabulary import RenewalState

_REASON = click.option("--reason", default="", help="Why: it is kept with the job, and in the audit trail.")


@click.command(
    epilog=example("tocsin renew shop.example.com --reason 'the key has leaked'", "tocsin renew ID --deadline 6h")
)
@click.argument("certificate")
@click.option("--deadline", type=Moment(ahead=True), help="A time, or how far ahead, like 6h. By default the policy's.")
@_REASON
@as_json
@pass_api
def renew(api: Api, /, *, certificate: str, deadline: str | None, reason: str, as_json: bool) -> None:
    """Ask for the renewal of CERTIFICATE, by its id or its common name. One that is under way stays as it is."""
    id_ = certificate_id(api, certificate)
    job = api.post(f"/certificates/{quote(id_, safe='')}/renew", {"reason": reason, "deadline": deadline})
    screen.line(json_of(job) if as_json else _in_short(job))


@click.group(
    invoke_without_command=True,
    epilog=example("tocsin renewals", "tocsin renewals --state overdue", "tocsin renewals show ID"),
)
@click.option("--state", type=click.Choice(get_args(RenewalState)))
@click.option("--certificate", help="Of this certificate, by its id or its common name.")
@limited
@as_json
@pass_api
@click.pass_context
def renewals(
    ctx: click.Context,
    api: Api,
    /,
    *,
    state: str | None,
    certificate: str | None,
    limit: int,
    is_all: bool,
    as_json: bool,
) -> None:
    """List renewal jobs, the latest first; `show` one, or `cancel` it."""
    if ctx.invoked_subcommand is not None:
        return
    at = now()
    shown = [
        Column("JOB", lambda row: row["id"]),
        Column(
            "AGE", lambda row: since(row["requested_at"], at), piped=lambda row: row["requested_at"], is_number=True
        ),
        Column("STATE", lambda row: row["state"]),
        Column("CERTIFICATE", lambda row: row["common_name"], gives_way=True),
        Column("DEADLINE", lambda row: since(row["deadline"], at), piped=lambda row: row["deadline"], is_number=True),
        Column("TRIES", lambda row: row["attempts"], is_number=True),
        Column("BY", lambda row: name_of(row["requested_by"]), piped=lambda row: row["requested_by"], shown_from=110),
        Column("LAST", lambda row: row["last_report"], shown_from=130),
    ]
    id_ = certificate_id(api, certificate) if certificate else None
    rows = rows_of(api, "/renewal-jobs", limit, is_all, state=state, certificate_id=id_)
    screen.listed(rows, shown, as_json=as_json, empty="There are no renewal jobs.")


@renewals.command(epilog=example("tocsin renewals show ID"))
@click.argument("id_", metavar="ID")
@as_json
@pass_api
def show(api: Api, /, *, id_: str, as_json: bool) -> None:
    """Show the renewal job ID."""
    job = api.get(f"/renewal-jobs/{quote(id_, safe='')}")
    if as_json:
        screen.line(json_of(job))
        return
    at = now()
    screen.fields(
        [
            ("Job", job["id"]),
            ("State", job["state"]),
            ("Certificate", f"{job['common_name']} {job['certificate_id']}"),
            ("Expires", told(job["expires_at"], at)),
            ("Requested", told(job["requested_at"], at)),
            ("By", name_of(job["requested_by"])),
            ("Why", job["reason"]),
            ("Deadline", told(job["deadline"], at)),
            ("Handed off", "once" if job["attempts"] == 1 else f"{job['attempts']} times"),
            ("Again", told(job["next_hand_off_at"], at)),
            ("Started", told(job["started_at"], at)),
            ("Finished", told(job["finished_at"], at)),
            ("Issued", job["reported_identity"]),
            ("Last heard", job["last_report"]),
        ]
    )


@renewals.command(epilog=example("tocsin renewals cancel ID --reason 'the service is retired'"))
@click.argument("id_", metavar="ID")
@_REASON
@yes
@as_json
@pass_api
def cancel(api: Api, /, *, id_: str, reason: str, yes: bool, as_json: bool) -> None:
    """Expect the renewal ID no more. Its policy does not ask again before the next certificate."""
    screen.confirmed(f"Expect the renewal {id_} no more?", yes=yes)
    job = api.post(f"/renewal-jobs/{quote(id_, safe='')}/cancel", {"reason": reason})
    screen.line(json_of(job) if as_json else _in_short(job))


def _in_short(job: Row) -> str:
    return f"{job['id']}\t{job['state']}"
