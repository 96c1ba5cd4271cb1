"""`tocsin console`: the dashboard on a page of this machine."""

import threading

import click

from tocsin_cli.api import Api
from tocsin_cli.console import PortTakenError, opened, serving


@click.command(short_help="See and act on a page in the browser.")
@click.option("--port", default=8625, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--open/--no-open", "opens", default=True, help="Open the browser.  [default: open]")
@click.pass_obj
def console(api: Api, port: int, *, opens: bool) -> None:
    """Serve the stack's dashboard on 127.0.0.1 with your own AWS credentials, until Ctrl-C.

    \b
    Examples:
      tocsin console
      tocsin --stack tocsin-prod --profile prod console --port 0 --no-open

    Without a display no browser is opened: the link works in any browser on this machine.

    The link holds a secret: whoever has it and can reach this machine's loopback acts as you until the console ends.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    try:
        with serving(api.connection, port) as url:
            click.echo(f"The console of {api.connection.stack}: {url}\nCtrl-C ends it.")
            if opens and not opened(url):
                click.echo("No browser opens on this machine: follow the link.", err=True)
            _wait()
    except PortTakenError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo()


def _wait() -> None:
    """Wait for Ctrl-C."""
    threading.Event().wait()
