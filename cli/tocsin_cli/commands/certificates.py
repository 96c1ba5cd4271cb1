"""`tocsin certificates` and `tocsin explain`: what expires, and who was told."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import click

from tocsin_cli import screen
from tocsin_cli.api import Api, ApiError
from tocsin_cli.exits import Exit
from tocsin_cli.foreign import json_of
from tocsin_cli.notification import columns
from tocsin_cli.options import as_json, example, limited, pass_api, rows_of
from tocsin_cli.screen import Column, Row, only_piped
from tocsin_cli.times import Moment, clock, now, since, told

STATUSES = ("Active", "Expiring", "Expired", "Archived", "Revoked", "Replaced")
_EXAMPLES = example(
    "tocsin certificates",
    "tocsin certificates --status Expiring",
    "tocsin certificates --expires-before 14d",
    "tocsin certificates show shop.example.com",
)


@click.group(invoke_without_command=True, epilog=_EXAMPLES)
@click.option("--status", type=click.Choice(STATUSES), help="Without it archived and revoked ones come too.")
@click.option("--owner", "owner_id", help="Of this owner, by its id.")
@click.option("--team", "team_id", help="Of this team, by its id.")
@click.option("--policy", "policy_id", help="Under this renewal policy, by its id.")
@click.option("--expires-after", type=Moment(ahead=True), help="A time, or how far ahead, like 14d.")
@click.option("--expires-before", type=Moment(ahead=True), help="A time, or how far ahead, like 14d.")
@limited
@as_json
@pass_api
@click.pass_context
def certificates(
    ctx: click.Context, api: Api, /, *, limit: int, is_all: bool, as_json: bool, **filters: object
) -> None:
    """List certificates, the soonest to expire first; `show` tells all of one."""
    if ctx.invoked_subcommand is not None:
        return
    at = now()
    shown = [
        Column("ID", lambda row: row["id"]),
        Column("NAME", lambda row: row["common_name"], gives_way=True),
        Column("STATUS", lambda row: row["status"]),
        Column(
            "EXPIRES", lambda row: since(row["expires_at"], at), piped=lambda row: row["expires_at"], is_number=True
        ),
        Column("SOURCE", lambda row: row["source"]),
        Column("OWNER", lambda row: row["owner_id"] or row["team_id"], shown_from=130),
        only_piped("POLICY", lambda row: row["policy_id"]),
        only_piped("PROBLEM", lambda row: row["chain_problem"]),
    ]
    rows = rows_of(api, "/certificates", limit, is_all, **filters)
    screen.listed(rows, shown, as_json=as_json, empty="No certificate matches.")


@certificates.command(epilog=example("tocsin certificates show shop.example.com"))
@click.argument("certificate")
@as_json
@pass_api
def show(api: Api, /, *, certificate: str, as_json: bool) -> None:
    """Show CERTIFICATE, by its id or its common name, and its alerts."""
    id_ = certificate_id(api, certificate)
    found = api.get(f"/certificates/{quote(id_, safe='')}")
    alerts = list(rows_of(api, f"/certificates/{quote(id_, safe='')}/notifications", 50, is_all=False))
    if as_json:
        screen.line(json_of({**found, "notifications": alerts}))
        return
    at = now()
    screen.fields(
        [
            ("Name", found["common_name"]),
            ("Id", found["id"]),
            ("Status", found["status"]),
            ("Expires", told(found["expires_at"], at)),
            ("Valid from", clock(found["not_before"])),
            ("Other names", ", ".join(found["names"])),
            ("Issuer", found["issuer"]),
            ("Serial", found["serial"]),
            ("SHA-256", found["fingerprint_sha256"]),
            ("Key", _key(found)),
            ("Signed with", found.get("signature_algorithm")),
            ("Chain", found["chain_problem"] or ("verified" if found["chain_verified"] else "")),
            ("From", f"{found['source']} {found['source_ref']}"),
            ("Owner", found["owner_id"]),
            ("Team", found["team_id"]),
            ("Policy", found["policy_id"] or "the default"),
            ("Environment", found.get("environment")),
            ("Tags", ", ".join(f"{key}={value}" for key, value in sorted(found.get("tags", {}).items()))),
            ("In use by", ", ".join(found.get("in_use_by", ()))),
            ("Renewal", found["renewal_status"]),
            ("Archived", told(found["archived_at"], at)),
            ("Revoked", told(found["revoked_at"], at)),
            ("Replaced", told(found.get("replaced_at"), at)),
            ("By", found.get("replaced_by")),
        ]
    )
    if alerts:
        screen.heading("Alerts")
        screen.listed(alerts, columns(at), as_json=False, empty="")


def _key(row: Row) -> str:
    """Say what key it has: `RSA, 2048 bits`. A stack of an earlier release does not."""
    size = f"{row['key_size']} bits" if row.get("key_size") else ""
    return ", ".join(filter(None, (row.get("key_kind"), size)))


@click.command(epilog=example("tocsin explain shop.example.com", "tocsin explain 01JZ8W3T5N6V0QJ4X2M7C9K1RB --json"))
@click.argument("certificate")
@as_json
@pass_api
def explain(api: Api, /, *, certificate: str, as_json: bool) -> None:
    """Say who was alerted of CERTIFICATE (an id or a common name), whether it arrived, what comes next, and why not."""
    said = api.get(f"/certificates/{quote(certificate_id(api, certificate), safe='')}/explain")
    if as_json:
        screen.line(json_of(said))
    else:
        explanation(said)


def explanation(said: Row) -> None:
    """Show what `explain` answered."""
    following = said["next"]
    screen.fields(
        [
            ("Status", said["status"]),
            ("Policy", said["policy"]),
            ("In short", said["summary"]),
            ("Next", following and _next(following)),
            *(("Problem", problem) for problem in said["problems"]),
        ]
    )
    at = now()
    if said["told"]:
        screen.heading("Alerts that were raised")
        screen.listed(said["told"], _told(at), as_json=False, empty="")
    if said["findings"]:
        screen.heading("Why there is no other")
        screen.listed(said["findings"], _findings(at), as_json=False, empty="")


def _next(following: Row) -> str:
    by = following["channel"] or "nobody"
    return f"threshold {following['threshold']} at {told(following['at'], now())}: {following['severity']}, by {by}"


def _told(at: Any) -> list[Column]:  # noqa: ANN401 - a time
    return [
        Column("ID", lambda row: row["notification_id"]),
        Column("AGE", lambda row: since(row["raised_at"], at), piped=lambda row: row["raised_at"], is_number=True),
        Column("THRESHOLD", lambda row: row["threshold"], is_number=True),
        Column("SEVERITY", lambda row: row["severity"], shown_from=100),
        Column("CHANNEL", lambda row: row["channel"]),
        Column("ARRIVED", arrived),
        Column("WHAT BECAME OF IT", lambda row: row["fate"], gives_way=True),
    ]


def arrived(row: Row) -> str:
    """Say whether it did."""
    return {True: "yes", False: "no", None: "not known"}[row["arrived"]]


def _findings(at: Any) -> list[Column]:  # noqa: ANN401 - a time
    return [
        Column("THRESHOLD", lambda row: row["threshold"] or "", is_number=True),
        Column("CHANNEL", lambda row: row["channel"] or ""),
        Column("SINCE", lambda row: since(row["since"], at), piped=lambda row: row["since"], is_number=True),
        Column("WHY", lambda row: row["reason"], gives_way=True),
    ]


def certificate_id(api: Api, text: str) -> str:
    """Find the id of a certificate by its common name; an id is itself. Ends the command where it is not one."""
    try:
        return str(api.get(f"/certificates/{quote(text, safe='')}")["id"])
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
    with screen.waiting("Looking for it"):
        found = [row for row in api.pages("/certificates", limit=100) if row["common_name"].lower() == text.lower()]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        screen.note(f"No certificate has the common name {text!r}.")
        raise click.exceptions.Exit(Exit.NOT_FOUND)
    screen.note("Several certificates have this common name. Say which, by its id:")
    for row in found:
        screen.note(f"  {row['id']}  {row['status']}, expires {clock(row['expires_at'])}, from {row['source']}")
    raise click.exceptions.Exit(Exit.REFUSED)
