"""`tocsin rules`: what certificates must keep beside their expiry, and which ones do not.

The API has rules as policies, at `/policies`; the renewal policies of `tocsin policies` are another thing.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.foreign import json_of, line_of
from tocsin_cli.options import SEVERITIES, as_json, example, limited, pass_api, rows_of, yes
from tocsin_cli.screen import Column, Row, only_piped
from tocsin_cli.times import clock, now, since

TYPES = (
    "AllowedIssuers",
    "AllowedDomains",
    "RequiredMetadata",
    "AllowedEnvironments",
    "RenewalLeadTime",
    "MinimumKey",
    "MaximumLifetime",
)


@click.group(
    invoke_without_command=True,
    epilog=example("tocsin rules", "tocsin rules violations ID", "tocsin rules create Keys MinimumKey rsa_bits=3072"),
)
@limited
@as_json
@pass_api
@click.pass_context
def rules(ctx: click.Context, api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List the rules that certificates must keep, in the order of their creation; see who violates one."""
    if ctx.invoked_subcommand is None:
        _listed(api, limit=limit, is_all=is_all, as_json=as_json)


@rules.command("list", epilog=example("tocsin rules list --json"))
@limited
@as_json
@pass_api
def list_(api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List the rules, in the order of their creation."""
    _listed(api, limit=limit, is_all=is_all, as_json=as_json)


def _listed(api: Api, *, limit: int, is_all: bool, as_json: bool) -> None:
    shown = [
        Column("ID", lambda row: row["id"]),
        Column("NAME", lambda row: row["name"], gives_way=True),
        Column("TYPE", lambda row: row["type"]),
        Column("SEVERITY", lambda row: row["severity"]),
        Column("OF", _of, shown_from=100),
        Column("ENABLED", lambda row: "yes" if row["enabled"] else "no"),
    ]
    rows = rows_of(api, "/policies", limit, is_all)
    screen.listed(rows, shown, as_json=as_json, empty="There are no rules.")


def _of(rule: Row) -> str:
    """Write of which certificates a rule is."""
    said = [f"{name}={value}" for name, value in rule["scope"].items() if value and name != "tags"]
    said += [f"tag {key}={value}" for key, value in rule["scope"]["tags"].items()]
    return ", ".join(said) or "all"


@rules.command(epilog=example("tocsin rules show 01JZ8W3T5N6V0QJ4X2M7C9K1RB"))
@click.argument("id_", metavar="ID")
@as_json
@pass_api
def show(api: Api, /, *, id_: str, as_json: bool) -> None:
    """Show the rule ID, and what is wrong with it."""
    _shown(api.get(f"/policies/{quote(id_, safe='')}"), as_json=as_json)


def _shown(rule: Row, *, as_json: bool) -> None:
    if as_json:
        screen.line(json_of(rule))
        return
    screen.fields(
        [
            ("Id", rule["id"]),
            ("Name", rule["name"]),
            ("Type", rule["type"]),
            *((name, _written(value)) for name, value in rule["config"].items()),
            ("Severity", rule["severity"]),
            ("Of", _of(rule)),
            ("Enabled", "yes" if rule["enabled"] else "no"),
            ("Changed", clock(rule["updated_at"])),
            *(("Warning", warning) for warning in rule["warnings"]),
        ]
    )


def _written(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else value


_CREATED = example(
    "tocsin rules create Keys MinimumKey rsa_bits=3072 'forbidden_signatures=[\"SHA1-*\"]'",
    "tocsin rules create Lifetimes MaximumLifetime days=cabf --severity critical",
    "tocsin rules create Ours AllowedDomains --config domains.json --team 01JZ8W3T5N6V0QJ4X2M7C9K1RB",
)


@rules.command(epilog=_CREATED)
@click.argument("name")
@click.argument("type_", metavar="TYPE", type=click.Choice(TYPES))
@click.argument("settings", metavar="[FIELD=VALUE]...", nargs=-1)
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="A JSON file with the fields of TYPE.")
@click.option("--severity", type=click.Choice(SEVERITIES), default="warning", show_default=True)
@click.option("--owner", "owner_id", help="Only of the certificates of this owner, by id.")
@click.option("--team", "team_id", help="Only of those of this team, by id.")
@click.option("--policy", "policy_id", help="Only of those that follow this renewal policy, by id.")
@click.option("--environment", help="Only of those in this environment.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Only of those with this tag.")
@as_json
@pass_api
def create(
    api: Api,
    /,
    *,
    name: str,
    type_: str,
    settings: tuple[str, ...],
    config: str | None,
    severity: str,
    tags: tuple[str, ...],
    as_json: bool,
    **scope: str | None,
) -> None:
    """Write a rule. The next check holds every certificate against it.

    A VALUE is JSON (numbers, lists, true); what is none is a text. docs/rules.md says which fields a TYPE has.
    """
    said = _read(config) if config else {}
    said |= {field: _value(text) for field, text in (_pair(one, "FIELD=VALUE") for one in settings)}
    within = {field: text for field, text in scope.items() if text is not None}
    within |= {"tags": dict(_pair(one, "KEY=VALUE") for one in tags)} if tags else {}  # type: ignore[dict-item]  # it is JSON
    body = {"name": name, "type": type_, "config": said, "severity": severity, "scope": within}
    rule = api.post("/policies", body)
    _shown(rule, as_json=as_json)
    for warning in rule["warnings"] if as_json else ():
        screen.note(line_of(warning))


def _pair(text: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise click.BadParameter(f"{text} is not {form}")
    return name, value


def _value(text: str) -> Any:  # noqa: ANN401 - JSON is what it is
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(path: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--config") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{path} holds no JSON object", param_hint="--config")
    return found


@rules.command(epilog=example("tocsin rules delete 01JZ8W3T5N6V0QJ4X2M7C9K1RB"))
@click.argument("id_", metavar="ID")
@yes
@pass_api
def delete(api: Api, /, *, id_: str, yes: bool) -> None:
    """Delete the rule ID. What violates it does so no more, from the next check on."""
    path = f"/policies/{quote(id_, safe='')}"
    rule = api.get(path)
    screen.confirmed(f"Delete the rule {line_of(rule['name'])}?", yes=yes)
    api.delete(path, rule["version"])
    screen.note(f"Deleted {line_of(rule['name'])}.")


@rules.command(epilog=example("tocsin rules violations", "tocsin rules violations ID --all --json"))
@click.argument("id_", metavar="[ID]", required=False)
@limited
@as_json
@pass_api
def violations(api: Api, /, *, id_: str | None, limit: int, is_all: bool, as_json: bool) -> None:
    """List the certificates that violate the rule ID; without it, those that violate any, each with its rules."""
    at = now()
    columns = [
        only_piped("ID", lambda row: row.get("certificate_id") or row["id"]),
        Column("CERTIFICATE", lambda row: row["common_name"]),
        Column("EXPIRES", lambda row: since(row["expires_at"], at), piped=lambda row: row["expires_at"]),
    ]
    if id_ is None:
        rows = rows_of(api, "/certificates", limit, is_all, violating=True)
        columns.append(Column("VIOLATES", _violated, gives_way=True))
    else:
        rows = rows_of(api, f"/policies/{quote(id_, safe='')}/violations", limit, is_all)
        columns.append(Column("SINCE", lambda row: since(row["since"], at), piped=lambda row: row["since"]))
        columns.append(Column("WHY", lambda row: row["detail"], gives_way=True))
    screen.listed(rows, columns, as_json=as_json, empty="Nothing violates it." if id_ else "No rule is violated.")


def _violated(certificate: Row) -> str:
    return "; ".join(f"{one['rule']}: {one['detail']}" for one in certificate["violations"])
