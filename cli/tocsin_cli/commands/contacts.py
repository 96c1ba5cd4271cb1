"""`tocsin owners` and `tocsin teams`: whom alerts go to."""

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.options import as_json, example, limited, pass_api, rows_of
from tocsin_cli.screen import Column


@click.command(epilog=example("tocsin owners", "tocsin owners --all --json"))
@limited
@as_json
@pass_api
def owners(api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List owners, in the order of their creation."""
    shown = [*_SHOWN, Column("TEAM", lambda row: row["team_id"], shown_from=100)]
    rows = rows_of(api, "/owners", limit, is_all)
    screen.listed(rows, shown, as_json=as_json, empty="There are no owners.")


@click.command(epilog=example("tocsin teams"))
@limited
@as_json
@pass_api
def teams(api: Api, /, *, limit: int, is_all: bool, as_json: bool) -> None:
    """List teams, in the order of their creation."""
    screen.listed(rows_of(api, "/teams", limit, is_all), _SHOWN, as_json=as_json, empty="There are no teams.")


_SHOWN = [
    Column("ID", lambda row: row["id"]),
    Column("NAME", lambda row: row["name"], gives_way=True),
    Column("EMAIL", lambda row: row["email"]),
]
