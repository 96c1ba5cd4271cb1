"""`tocsin certificates` and `tocsin explain`: what expires, and who was told."""

from http import HTTPStatus
from typing import Any, get_args
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
from tocsin_cli.vocabulary import CertificateSource, CertificateStatus

_STATUSES, _SOURCES = get_args(CertificateStatus), get_args(CertificateSource)
_EXAMPLES = example(
    "tocsin certificates",
    "tocsin certificates --status Expiring",
    "tocsin certificates --expires-before 14d",
    "tocsin certificates --environment production --tag team=web --key-kind RSA --key-size-below 2048",
    "tocsin certificates show shop.example.com",
)


def _tags(_ctx: click.Context, _param: click.Parameter, said: tuple[str, ...]) -> tuple[str, ...]:
    """Write `key=value` as the API does: `key:value`. What has no such sign is a key, or has it written so already."""
    return tuple(text.replace("=", ":", 1) for text in said)


@click.group(invoke_without_command=True, epilog=_EXAMPLES)
@click.option("--status", type=click.Choice(_STATUSES), help="Without it archived and revoked ones come too.")
@click.option("--owner", "owner_id", help="Of this owner, by its id.")
@click.option("--team", "team_id", help="Of this team, by its id.")
@click.option("--policy", "policy_id", help="Under this renewal policy, by its id.")
@click.option("--expires-after", type=Moment(ahead=True), help="A time, or how far ahead, like 14d.")
@click.option("--expires-before", type=Moment(ahead=True), help="A time, or how far ahead, like 14d.")
@click.option("--name", help="With this in one of its names, in upper or lower case.")
@click.option("--environment", help="Of this environment.")
@click.option("--tag", multiple=True, metavar="KEY[=VALUE]", callback=_tags, help="With this tag; may be repeated.")
@click.option("--key-kind", help="With such a key: RSA, EC.")
@click.option("--key-size-below", type=click.IntRange(min=1), metavar="BITS", help="With a key of fewer bits.")
@click.option("--signature-algorithm", help="Signed with this, like SHA1-RSA.")
@click.option("--issuer", "issuer_id", help="Of this issuer, by its id: see `tocsin issuers`.")
@click.option("--source", type=click.Choice(_SOURCES), help="From such a source.")
@click.option("--in-use/--unused", default=None, help="Used by a service of AWS, as ACM knows it; or not.")
@limited
@as_json
@pass_api
@click.pass_context
def certificates(
    ctx: click.Context, api: Api, /, *, limit: int, is_all: bool, as_json: bool, **filters: object
) -> None:
    """List certificates, the soonest to expire first; `show` tells all of one, `versions` what was there before."""
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
        only_piped("ENVIRONMENT", lambda row: row.get("environment")),
        only_piped("KEY", _key),
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
            ("Renewal job", (found.get("renewal") or {}).get("job_id")),
            *(("Violates", f"{one['rule']}: {one['detail']}") for one in found.get("violations", ())),
            ("Archived", told(found["archived_at"], at)),
            ("Revoked", told(found["revoked_at"], at)),
            ("Replaced", told(found.get("replaced_at"), at)),
            ("By", found.get("replaced_by")),
        ]
    )
    if alerts:
        screen.heading("Alerts")
        screen.listed(alerts, columns(at), as_json=False, empty="")


@certificates.command(epilog=example("tocsin certificates versions shop.example.com"))
@click.argument("certificate")
@limited
@as_json
@pass_api
def versions(api: Api, /, *, certificate: str, limit: int, is_all: bool, as_json: bool) -> None:
    """List the certificates that were seen in the place of CERTIFICATE (an id or a common name), the latest first."""
    at = now()
    shown = [
        Column("SERIAL", lambda row: row["serial"] or row["fingerprint_sha256"] or row["id"], gives_way=True),
        Column("SEEN", lambda row: since(row["last_seen_at"], at), piped=lambda row: row["last_seen_at"]),
        Column("FIRST", lambda row: since(row["first_seen_at"], at), piped=lambda row: row["first_seen_at"]),
        Column("GONE", lambda row: since(row["gone_at"], at), piped=lambda row: row["gone_at"]),
        Column("TIMES", lambda row: row["times_seen"], is_number=True),
        Column("EXPIRES", lambda row: since(row["expires_at"], at), piped=lambda row: row["expires_at"]),
        Column("ISSUER", lambda row: row["issuer"], shown_from=130),
        only_piped("KEY", _key),
        only_piped("FINGERPRINT", lambda row: row["fingerprint_sha256"]),
    ]
    rows = rows_of(api, f"/certificates/{quote(certificate_id(api, certificate), safe='')}/versions", limit, is_all)
    screen.listed(rows, shown, as_json=as_json, empty="Nothing was seen there yet.")


@click.command(epilog=example("tocsin issuers", "tocsin certificates --issuer ID"))
@limited
@as_json
@pass_api
def issuers(api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List who issued what is watched, in the order in which they were first seen."""
    at = now()
    shown = [
        Column("ID", lambda row: row["id"]),
        Column("NAME", lambda row: row["name"], gives_way=True),
        Column("LIVE", lambda row: row["certificates"], is_number=True),
        Column("NEXT", lambda row: since(row["next_expiry"], at), piped=lambda row: row["next_expiry"]),
    ]
    rows = rows_of(api, "/issuers", limit, is_all)
    screen.listed(rows, shown, as_json=as_json, empty="No issuer is known.")


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
            ("Awaits", awaited(said.get("awaited"))),
            *(("Problem", problem) for problem in said["problems"]),
        ]
    )
    at = now()
    if said.get("happened"):
        screen.heading("What happened")
        screen.listed(said["happened"], _happened(at), as_json=False, empty="")
    if said["told"]:
        screen.heading("Alerts that were raised")
        screen.listed(said["told"], _told(at), as_json=False, empty="")
    if said["findings"]:
        screen.heading("Why there is no other")
        screen.listed(said["findings"], _findings(at), as_json=False, empty="")


def _next(following: Row) -> str:
    by = following["channel"] or "nobody"
    return f"threshold {following['threshold']} at {told(following['at'], now())}: {following['severity']}, by {by}"


def awaited(deployment: Row | None) -> str:
    """Say which certificate is to be served there, and until when; empty: none."""
    if deployment is None:
        return ""
    what = f"the certificate {deployment['identity']}, which {deployment['origin']} has"
    if deployment["failed_at"]:
        return f"{what}: it was to be served by {told(deployment['until'], now())}, and is not"
    return f"{what}: it is to be served by {told(deployment['until'], now())}"


def _happened(at: Any) -> list[Column]:  # noqa: ANN401 - a time
    return [
        Column("EVENT", lambda row: f"{row['event']} {row['subject']}".rstrip()),
        Column("AGE", lambda row: since(row["at"], at), piped=lambda row: row["at"], is_number=True),
        Column("SEVERITY", lambda row: row["severity"] or "", shown_from=100),
        Column("TOLD", lambda row: "yes" if row["told_by"] else "no"),
        Column("WHAT", lambda row: ". ".join(filter(None, (row["detail"].rstrip("."), row["reason"]))), gives_way=True),
    ]


def _told(at: Any) -> list[Column]:  # noqa: ANN401 - a time
    return [
        Column("ID", lambda row: row["notification_id"]),
        Column("AGE", lambda row: since(row["raised_at"], at), piped=lambda row: row["raised_at"], is_number=True),
        Column("ABOUT", what),
        Column("SEVERITY", lambda row: row["severity"], shown_from=100),
        Column("CHANNEL", lambda row: row["channel"]),
        Column("ARRIVED", arrived),
        Column("WHAT BECAME OF IT", lambda row: row["fate"], gives_way=True),
    ]


def what(row: Row) -> str:
    """Say what an alert is about: a threshold, or an event."""
    return f"threshold {row['threshold']}" if row["threshold"] is not None else str(row.get("about") or "")


def arrived(row: Row) -> str:
    """Say whether it did."""
    return {True: "yes", False: "no", None: "not known"}[row["arrived"]]


def _findings(at: Any) -> list[Column]:  # noqa: ANN401 - a time
    return [
        Column("ABOUT", what),
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
