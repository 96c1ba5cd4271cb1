"""Bulk requeues: what a job says of itself, and how one is followed to its end."""

import time
from collections.abc import Iterator
from typing import Any

import click

from tocsin_cli import screen
from tocsin_cli.api import Api
from tocsin_cli.exits import Exit
from tocsin_cli.foreign import json_of, line_of
from tocsin_cli.screen import Row, singular

ENDED = ("done", "cancelled", "failed")
_LOOK_EVERY = 1.0
"""Seconds."""


def handled(job: Row) -> int:
    """Count the dead letters that it is done with."""
    return int(job["requeued"] + job["superseded"] + job["passed_over"])


def told(job: Row) -> str:
    """Say what a job did, in one line."""
    parts = [f"{job['requeued']:,} requeued"]
    parts += [f"{job['superseded']:,} superseded"] if job["superseded"] else []
    parts += [f"{job['passed_over']:,} passed over"] if job["passed_over"] else []
    return f"{job['state']}: {', '.join(parts)} of {expected(job)}"


def expected(job: Row) -> str:
    """Say how many there are to requeue; a count that is not exact is a least."""
    return f"{job['expected']:,}" if job["is_exact"] else f"{job['expected']:,} or more"


def chosen(job: Row) -> str:
    """Say what a job was started for."""
    selection = job["selection"]
    if selection["ids"]:
        return singular(selection["ids"], "dead letter") + ", by id"
    said = [f"{name}={value}" for name, value in (selection["filters"] or {}).items() if value is not None]
    return " ".join(said) or "all dead letters"


def looks(api: Api, job: Row) -> Iterator[Row]:
    """Look at a job again and again, until it has ended."""
    yield job
    while job["state"] not in ENDED:
        time.sleep(_LOOK_EVERY)
        job = api.get(f"/requeue-jobs/{job['id']}")
        yield job


def follow(api: Api, job: Row, *, as_json: bool) -> None:
    """Show a job's progress until it has ended, and end with what came of it. Ctrl-C leaves the job alone."""
    try:
        latest = _followed(looks(api, job), as_json=as_json)
    except KeyboardInterrupt:
        id_ = job["id"]
        screen.note(f"\nThe job goes on. Its progress: tocsin jobs show {id_}. To stop it: tocsin jobs cancel {id_}")
        raise
    end_with(latest)


def end_with(job: Row) -> None:
    """End the command with 1 where a job did not come to its end."""
    if job["state"] in ("failed", "cancelled"):
        raise click.exceptions.Exit(Exit.REFUSED)


def _followed(seen: Iterator[Row], *, as_json: bool) -> Row:
    if as_json:
        return _in_lines(seen, json_of)
    if screen.is_terminal():
        return _as_bar(seen)
    return _in_lines(seen, told)


def _in_lines(seen: Iterator[Row], worded: Any) -> Row:  # noqa: ANN401 - a function of a job
    """Write a line for each look that found something new."""
    latest: Row = {}
    before = ""
    for latest in seen:
        text = worded({**latest, "updated_at": None}) if worded is told else worded(latest)
        if text != before:
            screen.line(line_of(text) if worded is told else text)
        before = text
    return latest


def _as_bar(seen: Iterator[Row]) -> Row:
    # Loaded only where a job is followed on a terminal.
    from rich.progress import (  # noqa: PLC0415 - see above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    latest: Row = {}
    with Progress(*shown, console=screen.console(), transient=True) as progress:
        task = progress.add_task("queued", total=None)
        for latest in seen:
            most = max(latest["expected"], handled(latest))
            progress.update(task, description=latest["state"], completed=handled(latest), total=most or None)
    screen.line(told(latest) + (f" ({line_of(latest['last_error'])})" if latest["last_error"] else ""))
    return latest
