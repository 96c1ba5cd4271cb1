"""`tocsin policies` and `tocsin simulate`: how certificates alert, and how they would."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.foreign import json_of
from tocsin_cli.options import as_json, example, limited, pass_api, rows_of
from tocsin_cli.screen import Column, Row, only_piped, singular
from tocsin_cli.times import Moment, clock, now, since

_SAID = ("name", "alert_thresholds_days", "severities", "channels", "events", "deployment_grace_hours", "fallbacks")
"""What a policy says, of what the API shows of it."""


@click.group(invoke_without_command=True, epilog=example("tocsin policies", "tocsin policies show ID"))
@limited
@as_json
@pass_api
@click.pass_context
def policies(ctx: click.Context, api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List renewal policies, in the order of their creation; `show` tells all of one."""
    if ctx.invoked_subcommand is not None:
        return
    shown = [
        Column("ID", lambda row: row["id"]),
        Column("NAME", lambda row: row["name"]),
        Column("THRESHOLDS", lambda row: ", ".join(map(str, row["alert_thresholds_days"]))),
        Column("CHANNELS", channels_of, gives_way=True),
    ]
    rows = rows_of(api, "/renewal-policies", limit, is_all)
    screen.listed(rows, shown, as_json=as_json, empty="There are no policies: certificates follow the default.")


def channels_of(policy: Row) -> str:
    """Write which channels carry each severity."""
    routes = policy["channels"].items()
    return "; ".join(f"{severity}: {', '.join(channels) or 'nobody'}" for severity, channels in routes)


@policies.command(epilog=example("tocsin policies show 01JZ8W3T5N6V0QJ4X2M7C9K1RB --json"))
@click.argument("id_", metavar="ID")
@as_json
@pass_api
def show(api: Api, /, *, id_: str, as_json: bool) -> None:
    """Show the policy ID, its defaults written out."""
    policy = api.get(f"/renewal-policies/{quote(id_, safe='')}")
    if as_json:
        screen.line(json_of(policy))
        return
    screen.fields(
        [
            ("Id", policy["id"]),
            ("Name", policy["name"]),
            *((f"Threshold {one}", policy["severities"].get(str(one))) for one in policy["alert_thresholds_days"]),
            *((severity, ", ".join(channels) or "nobody") for severity, channels in policy["channels"].items()),
            *((event, severity or "nobody is told") for event, severity in policy.get("events", {}).items()),
            ("A server has", f"{policy.get('deployment_grace_hours', 6)} hours for a renewed certificate"),
            *((f"If {one} fails", other) for one, other in policy["fallbacks"].items()),
            ("Renew before", _renewed(policy)),
            ("Changed", clock(policy["updated_at"])),
        ]
    )


def _renewed(policy: Row) -> str:
    """Say when it asks for renewals. A stack of an earlier release never does."""
    before = policy.get("renew_before")
    if before is None:
        return ""
    what = {str: before, int: f"{before} days"}[type(before)]
    return f"{what}, to be seen within {policy['renewal_deadline_hours']} h"


_SIMULATED = example(
    "tocsin simulate ID --end 90d",
    "tocsin simulate ID --threshold 60 --threshold 33% --threshold 1",
    "tocsin simulate ID --draft policy.json --start 2026-01-01T00:00:00Z --end 2026-04-01T00:00:00Z",
)


@click.command(epilog=_SIMULATED)
@click.argument("policy_id", metavar="POLICY")
@click.option("--threshold", "thresholds", multiple=True, help="Days, or a percentage like 33%: instead of its own.")
@click.option("--draft", type=click.Path(exists=True, dir_okay=False), help="A JSON file with fields to try instead.")
@click.option("--start", type=Moment(ahead=True), default="0s", help="A time, or how far ahead. By default now.")
@click.option("--end", type=Moment(ahead=True), default="30d", show_default=True, help="A time, or how far ahead.")
@click.option("--all-certificates", is_flag=True, help="Over all certificates, not only those of the policy.")
@as_json
@pass_api
def simulate(
    api: Api,
    /,
    *,
    policy_id: str,
    thresholds: tuple[str, ...],
    draft: str | None,
    as_json: bool,
    **stretch: object,
) -> None:
    """Say what POLICY, or a draft of it, would raise in a stretch of time. Nothing is sent, and nothing changes."""
    path = f"/renewal-policies/{quote(policy_id, safe='')}"
    body = {name: value for name, value in api.get(path).items() if name in _SAID}
    if thresholds:  # their severities are those of the default
        body |= {"alert_thresholds_days": [int(one) if one.isdigit() else one for one in thresholds], "severities": {}}
    body |= _read(draft) if draft else {}
    with screen.waiting("Trying it"):
        said = api.post(f"{path}/simulate", {**body, **stretch})
    at = now()
    shown = [
        Column("WHEN", lambda row: since(row["at"], at), piped=lambda row: row["at"], is_number=True),
        Column("CERTIFICATE", lambda row: row["common_name"], gives_way=True),
        Column("THRESHOLD", lambda row: row["threshold"], is_number=True),
        Column("SEVERITY", lambda row: row["severity"]),
        Column("CHANNEL", lambda row: row["channel"] or "nobody"),
        only_piped("ID", lambda row: row["certificate_id"]),
    ]
    screen.listed(said["items"], shown, as_json=as_json, empty="Nothing would be raised.")
    screen.note(f"{singular(said['certificates'], 'certificate')} looked at.")
    if not said["is_complete"]:
        screen.note("There are more certificates, or more alerts, than one answer holds.")


def _read(path: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--draft") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{path} holds no JSON object", param_hint="--draft")
    return found
