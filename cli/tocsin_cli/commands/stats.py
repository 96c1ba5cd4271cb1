"""`tocsin stats`: the counts that a dashboard begins with."""

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.foreign import json_of
from tocsin_cli.options import as_json, example, pass_api
from tocsin_cli.times import clock


@click.command(epilog=example("tocsin stats", "tocsin stats --json | jq .notifications_dead"))
@as_json
@pass_api
def stats(api: Api, /, *, as_json: bool) -> None:
    """Count what is dead and what is due."""
    found = api.get("/stats/summary")
    if as_json:
        screen.line(json_of(found))
        return
    most = found["counted_up_to"]
    screen.fields(
        [
            ("Stack", found["stack"]),
            ("Dead letters", counted(found["notifications_dead"], most)),
            ("Due", counted(found["notifications_due"], most)),
            ("Counted at", clock(found["taken_at"])),
        ]
    )


def counted(count: int | None, most: int) -> str:
    """Write a count; one that reaches `most` means that many or more, none that it failed."""
    if count is None:
        return "unknown"
    return f"{count:,} or more" if count >= most else f"{count:,}"
