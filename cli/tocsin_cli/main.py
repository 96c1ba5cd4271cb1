"""The command `tocsin`: options that all commands share, and which module each command is in.

A command is loaded when it is asked for, so that `tocsin list` does not pay for the console's web server.
"""

from importlib import import_module

import click

from tocsin_cli.api import Api
from tocsin_cli.connection import DEFAULT_STACK, Connection

COMMANDS: dict[str, str] = {
    "console": "console",
    "mcp": "mcp",
}
"""The module of `tocsin_cli.commands` that each command is in."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"tocsin_cli.commands.{COMMANDS[cmd_name]}"), cmd_name)
        return found


@click.group(cls=_Lazy, context_settings={"auto_envvar_prefix": "TOCSIN", "help_option_names": ["-h", "--help"]})
@click.option("--stack", default=DEFAULT_STACK, show_default=True, help="The CloudFormation stack.")
@click.option("--profile", help="The AWS profile; also AWS_PROFILE.")
@click.option("--region", help="The AWS region; also AWS_DEFAULT_REGION.")
@click.option(
    "--url", envvar=["TOCSIN_URL", "TOCSIN_API_URL"], help="The API's address; without it the stack's output."
)
@click.version_option(package_name="tocsin")
@click.pass_context
def main(ctx: click.Context, stack: str, profile: str | None, region: str | None, url: str | None) -> None:
    """See what Tocsin delivers, why something did not arrive, and send it again."""
    ctx.obj = Api(Connection(stack, profile, region, url))
