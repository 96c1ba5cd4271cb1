"""`tocsin mcp`: the MCP server, on standard input and output."""

import signal
import sys

import click

from tocsin_cli.api import Api
from tocsin_cli.mcp_server import mcp_server
from tocsin_cli.options import example


@click.command(epilog=example("tocsin mcp --read-only", "tocsin --profile production mcp"))
@click.option("--read-only", is_flag=True, help="Leave out the tools that change anything.")
@click.pass_obj
def mcp(api: Api, read_only: bool) -> None:  # noqa: FBT001 - click gives it by name
    """Serve an assistant by the Model Context Protocol, on standard input and output, until they end.

    An MCP client starts this command; docs/mcp.md has its configuration.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread waits for standard input, and would not be woken
    if sys.stdin.isatty():
        click.echo("Waiting for an MCP client on standard input; Ctrl-C ends it. See docs/mcp.md.", err=True)
    mcp_server(api, read_only=read_only).run("stdio")
