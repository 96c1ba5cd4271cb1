"""The command `tocsin`: options that all commands share, which module each command is in, and what it ends with.

A command is loaded when it is asked for, so that `tocsin list` does not pay for the console's web server.
"""

import os
import sys
from dataclasses import replace
from importlib import import_module
from typing import Any, NoReturn

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from tocsin_cli.api import Api, ApiError
from tocsin_cli.connection import DEFAULT_STACK, Connection, NotFoundStackError
from tocsin_cli.exits import Exit, exit_of, explained
from tocsin_cli.foreign import line_of

COMMANDS: dict[str, str] = {
    "list": "notifications",
    "show": "show",
    "requeue": "requeue",
    "read": "requeue",
    "groups": "notifications",
    "jobs": "jobs",
    "stats": "stats",
    "watch": "watch",
    "channels": "channels",
    "certificates": "certificates",
    "issuers": "certificates",
    "explain": "certificates",
    "import": "importing",
    "renew": "renewals",
    "renewals": "renewals",
    "report": "report",
    "agents": "agents",
    "policies": "policies",
    "simulate": "policies",
    "rules": "rules",
    "owners": "contacts",
    "teams": "contacts",
    "audit": "audit",
    "console": "console",
    "mcp": "mcp",
    "completion": "completion",
}
"""The module of `tocsin_cli.commands` that each command is in, as `name` or, where Python has that word, `name_`."""

SUMMARIES: dict[str, str] = {
    "list": "List notifications, newest first.",
    "show": "Tell the whole story of one notification.",
    "requeue": "Send dead letters again, each with its full budget.",
    "read": "Mark sent or dead notifications read.",
    "groups": "Count dead letters by channel and error.",
    "jobs": "See bulk requeues: their progress, and how to stop one.",
    "stats": "Count what is dead and what is due.",
    "watch": "Watch notifications as they come, retry and die.",
    "channels": "See how channels do; test one, preview a message.",
    "certificates": "List certificates, the soonest to expire first.",
    "issuers": "List who issued what is watched.",
    "explain": "Say who was alerted of a certificate, and why not.",
    "import": "Watch the certificates in PEM files.",
    "renew": "Ask for the renewal of a certificate.",
    "renewals": "List renewal jobs; show one, or cancel it.",
    "report": "Report the certificates of this host, for cron and systemd.",
    "agents": "List the hosts that report.",
    "policies": "List renewal policies, or show one.",
    "simulate": "Try a draft of a policy; nothing is sent.",
    "rules": "See which rules certificates must keep, and who does not.",
    "owners": "List owners.",
    "teams": "List teams.",
    "audit": "List who did what, newest first.",
    "console": "See and act on a page in the browser.",
    "mcp": "Let an assistant see and act, by the Model Context Protocol.",
    "completion": "Print the completion script of a shell.",
}
"""What help says of each command, so that it need not load them."""

_CONNECTING = ("stack", "profile", "region", "url")


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"tocsin_cli.commands.{COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        found.short_help = SUMMARIES.get(cmd_name)
        _prepare(found, f"TOCSIN_{cmd_name}")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading what is known of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in COMMANDS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands without loading them."""
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        items = [CompletionItem(name, help=self._summary(ctx, name)) for name in names]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command; what can go wrong in every one of them ends with its own number."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
        except ApiError as error:
            _end(exit_of(error), explained(error))
        except NotFoundStackError as error:
            _end(Exit.NO_ACCESS, str(error))
        except (KeyboardInterrupt, click.Abort):
            _end(Exit.INTERRUPTED)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more at its end
            _end(Exit.BROKEN_PIPE)
        return done

    @staticmethod
    def _summary(ctx: click.Context, name: str) -> str:
        if name in SUMMARIES:
            return SUMMARIES[name]
        command = ctx.command.get_command(ctx, name) if isinstance(ctx.command, click.Group) else None
        return command.get_short_help_str(limit=80) if command else ""


def _end(code: Exit, said: str = "") -> NoReturn:
    if said:
        click.secho(line_of(said), fg="red", err=True)
    raise click.exceptions.Exit(code)


def _prepare(command: click.Command, variables: str) -> None:
    """Give each option its variable, and take the options of `tocsin` behind the command's name as well.

    `variables` is how the names of the command's variables begin: `TOCSIN_LIST`.
    """
    if any(option.name == _CONNECTING[0] for option in command.params):
        return  # done before
    for option in command.params:
        if isinstance(option, click.Option):
            named = max(option.opts, key=len).lstrip("-")
            option.envvar = option.envvar or f"{variables}_{named}".replace("-", "_").upper()
            option.show_envvar = True
    command.params += [_also(name) for name in _CONNECTING]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _prepare(inner, f"{variables}_{name}")


def _also(name: str) -> click.Option:
    """Make an option of `tocsin` one of a command: it is no other one, so help says it once."""

    def change(ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
        if value is not None and isinstance(ctx.obj, Api):
            ctx.obj = Api(_told(ctx.obj.connection, **{name: value}))

    return click.Option(
        [f"--{name}"],
        hidden=True,
        expose_value=False,
        is_eager=name != "url",  # which counts whatever stands before it
        allow_from_autoenv=False,
        callback=change,
    )


def _told(connection: Connection, **said: str) -> Connection:
    """Change where to connect. Another stack, profile or region has another address than the environment's."""
    here = connection if "url" in said else replace(connection, url=None)
    return replace(here, **said)


def _is_said(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


@click.group(
    cls=_Lazy,
    context_settings={"auto_envvar_prefix": "TOCSIN", "help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "\b\nExamples:\n  tocsin groups\n  tocsin list --status dead --created-after 2h\n"
        "  tocsin --stack tocsin-trial --profile trial stats\n\n"
        "Every option has an environment variable, named in the help of its command. Exit codes: 0 done, 1 refused or "
        "failed, 2 wrong usage, 3 not found, 4 no access, 5 unreachable, 130 interrupted."
    ),
)
@click.option("--stack", default=DEFAULT_STACK, show_default=True, show_envvar=True, help="The CloudFormation stack.")
@click.option("--profile", show_envvar=True, help="The AWS profile; also AWS_PROFILE.")
@click.option("--region", show_envvar=True, help="The AWS region; also AWS_DEFAULT_REGION.")
@click.option(
    "--url",
    envvar=["TOCSIN_URL", "TOCSIN_API_URL"],
    show_envvar=True,
    help="The API's address. Without it: the output ApiUrl of the stack.",
)
@click.version_option(package_name="tocsin", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, stack: str, profile: str | None, region: str | None, url: str | None) -> None:
    """See what Tocsin delivers, why something did not arrive, and send it again."""
    if any(_is_said(ctx, name) for name in ("stack", "profile", "region")) and not _is_said(ctx, "url"):
        url = None  # of the environment: it is another stack's
    ctx.obj = Api(Connection(stack, profile, region, url))
