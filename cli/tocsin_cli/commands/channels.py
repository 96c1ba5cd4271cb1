"""`tocsin channels`: how each does; one message by one of them; how a message would look."""

from pathlib import Path
from urllib.parse import quote

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.exits import Exit
from tocsin_cli.foreign import json_of, lines_of
from tocsin_cli.options import SEVERITIES, as_json, example, pass_api
from tocsin_cli.screen import Column, Row
from tocsin_cli.times import now, since

_EXAMPLES = example(
    "tocsin channels",
    "tocsin channels test Email --recipient ops@example.com",
    "tocsin channels preview Slack:payments --severity critical",
)
_ARRIVED = ("delivered", "accepted")


@click.group(invoke_without_command=True, epilog=_EXAMPLES)
@click.option("--configured", is_flag=True, help="Only those that this stack can send by, or that something waits for.")
@as_json
@pass_api
@click.pass_context
def channels(ctx: click.Context, api: Api, /, *, configured: bool, as_json: bool) -> None:
    """See how channels do. `test` sends one message by a channel, `preview` shows one."""
    if ctx.invoked_subcommand is not None:
        return
    at = now()
    shown = [
        Column("CHANNEL", lambda row: row["name"]),
        Column("STATE", state_of),
        Column(
            "DELIVERED", lambda row: since(row["last_delivered_at"], at), piped=lambda row: row["last_delivered_at"]
        ),
        Column("FAILED", lambda row: since(row["last_failed_at"], at), piped=lambda row: row["last_failed_at"]),
        Column("WAITING", lambda row: waiting_of(row) or "", piped=waiting_of, is_number=True),
        Column("LAST ERROR OR WARNING", said_of, gives_way=True),
    ]
    found = [row for row in api.get("/channels")["items"] if not configured or row["configured"] or row["circuits"]]
    screen.listed(found, shown, as_json=as_json, empty="No channel is configured.")


def state_of(channel: Row) -> str:
    """Name the worst state of its circuits; one that has no document can't send at all."""
    return str(channel["state"]) if channel["configured"] else "not configured"


def waiting_of(channel: Row) -> int:
    """Count what waits for it."""
    return sum(circuit["waiting"] for circuit in channel["circuits"])


def said_of(channel: Row) -> str:
    """Give what keeps it from sending, or else what an operator should know."""
    reasons = [circuit["reason"] for circuit in channel["circuits"] if circuit["reason"]]
    is_well = channel["state"] == "closed"
    return str(
        (reasons[0] if reasons else None) or (None if is_well else channel["last_error"]) or channel["warning"] or ""
    )


def _path(name: str, step: str) -> str:
    return f"/channels/{quote(name, safe='')}/{step}"


@channels.command(epilog=example("tocsin channels test SNS", "tocsin channels test Email --recipient ops@example.com"))
@click.argument("name")
@click.option("--recipient", default="", help="To whom; Email needs one.")
@click.option("--severity", type=click.Choice(SEVERITIES), default="informational", show_default=True)
@as_json
@pass_api
def test(api: Api, /, *, name: str, recipient: str, severity: str, as_json: bool) -> None:
    """Send one message by the channel NAME, and say what its provider answered.

    Where a service keeps incidents, it opens one. Ends with 1 where the message did not go out.
    """
    with screen.waiting("Sending"):
        said = api.post(_path(name, "test"), {"recipient": recipient, "severity": severity})
    if as_json:
        screen.line(json_of(said))
    else:
        screen.fields(
            [
                ("Result", said["result"]),
                ("Answer", said["http_status"] and f"HTTP {said['http_status']}"),
                ("Error", said["error"]),
                ("Took", f"{said['duration_ms']} ms"),
            ]
        )
    if said["result"] not in _ARRIVED:
        raise click.exceptions.Exit(Exit.REFUSED)


@channels.command(epilog=example("tocsin channels preview Email --type ExpirationWarning --draft body=draft.txt"))
@click.argument("name")
@click.option("--type", "type_", help="What the message is about.")
@click.option("--severity", type=click.Choice(SEVERITIES))
@click.option("--subject")
@click.option("--message")
@click.option("--draft", multiple=True, metavar="PART=FILE", help="A draft of the subject, body or html: a file.")
@as_json
@pass_api
def preview(
    api: Api, /, *, name: str, type_: str | None, draft: tuple[str, ...], as_json: bool, **said: object
) -> None:
    """Show a message as the channel NAME would word it. Nothing is sent."""
    body = {field: value for field, value in {"type": type_, **said}.items() if value is not None}
    if draft:
        body["template"] = dict(_draft(one) for one in draft)
    made = api.post(_path(name, "preview"), body)
    if as_json:
        screen.line(json_of(made))
        return
    screen.fields([("Subject", made["subject"]), ("Template", made["template"]), ("Problem", made["problem"])])
    for text in ("", *lines_of(made["html"] or made["body"])):
        screen.line(text)


def _draft(text: str) -> tuple[str, str]:
    part, equals, path = text.partition("=")
    if not equals or part not in ("subject", "body", "html"):
        raise click.BadParameter(f"{text!r}: write subject=, body= or html= and a file", param_hint="--draft")
    try:
        return part, Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--draft") from None
