"""`tocsin requeue` and `tocsin read`: what an operator does with a dead letter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import click

from tocsin_cli import jobs, screen
from tocsin_cli.api import Api, ApiError
from tocsin_cli.exits import Exit, exit_of, explained
from tocsin_cli.foreign import json_of, line_of
from tocsin_cli.notification import columns
from tocsin_cli.options import as_json, distinct, example, filters_of_letters, pass_api, yes
from tocsin_cli.screen import Row, singular

_ONE_BY_ONE = 20
"""Ids that are requeued at once; more are a job's."""
_MOST_IDS = 500
"""Ids that a job may be given."""
_CERTAIN_REFUSALS = (Exit.UNREACHABLE, Exit.NO_ACCESS)
"""What the next id would meet as well."""

_REQUEUED = example(
    "tocsin requeue 01JZ8W3T5N6V0QJ4X2M7C9K1RB",
    "tocsin requeue --group 4f1c09e2a7d3 --reason 'the receiver is back'",
    "tocsin requeue --channel Slack:payments --created-after 6h --reason 'a new key' --yes",
    "tocsin requeue --all --reason 'the outage is over' --no-wait",
)


@click.command(epilog=_REQUEUED)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--group", "error_group", help="All of this group: see `tocsin groups`.")
@filters_of_letters
@click.option("--all", "is_all", is_flag=True, help="Every dead letter.")
@click.option("--reason", help="Why, for the audit trail. Many need one; it is asked for.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow a bulk requeue to its end.")
@yes
@as_json
@pass_api
def requeue(
    api: Api,
    /,
    *,
    ids: tuple[str, ...],
    type_: str | None,
    is_all: bool,
    reason: str | None,
    wait: bool,
    yes: bool,
    as_json: bool,
    **filters: object,
) -> None:
    """Send dead letters again: those named by ID, or all that match the filters, each with its full budget.

    An expiry alert whose certificate was renewed is superseded instead. More than 20 are requeued by a job in the
    stack, which goes on when this command is interrupted: see `tocsin jobs`.
    """
    chosen = {name: value for name, value in {"type": type_, **filters}.items() if value is not None}
    _check(ids, chosen, is_all=is_all)
    named = distinct(ids)
    if named and len(named) <= _ONE_BY_ONE:
        _each(api, named, Step("requeue", "Requeue", reason), yes=yes, as_json=as_json)
        return
    selection = {"ids": named} if named else {"filters": chosen}
    job = _started(api, selection, Asked(reason, yes=yes, as_json=as_json))
    if job and wait:
        jobs.follow(api, job, as_json=as_json)
    elif job:
        screen.line(json_of(job) if as_json else job["id"])


def _check(ids: tuple[str, ...], filters: Mapping[str, Any], *, is_all: bool) -> None:
    if sum(map(bool, (ids, filters, is_all))) != 1:
        raise click.UsageError("Name ids, or a group or other filters, or say --all.")
    if len(ids) > _MOST_IDS:
        raise click.UsageError(f"At most {_MOST_IDS} ids at a time.")


@dataclass(frozen=True, slots=True)
class Asked:
    """How somebody asked for it."""

    reason: str | None
    yes: bool
    as_json: bool


def _started(api: Api, selection: Mapping[str, Any], asked: Asked) -> Row | None:
    """Show what would be requeued, ask, and start the job; None where there is nothing to do."""
    if not asked.reason and (asked.yes or not screen.can_ask()):
        raise click.UsageError("Say why, for the audit trail: --reason.")
    with screen.waiting("Counting"):
        found = api.post("/requeue-jobs/preview", selection)
    if not found["count"]:
        screen.note("No dead letter matches.")
        return None
    counted = (
        singular(found["count"], "dead letter") if found["is_exact"] else f"{found['count']:,} or more dead letters"
    )
    if not asked.yes:
        _sampled(found, counted)
    screen.confirmed(f"Requeue {counted}?", yes=asked.yes)
    reason = asked.reason or click.prompt("Why (for the audit trail)", err=True)
    job: Row = api.post("/requeue-jobs", {"token": found["token"], "reason": reason})
    return job


def _sampled(found: Row, counted: str) -> None:
    """Show some of what would be requeued, where somebody is asked."""
    if not screen.can_ask():
        return
    where = screen.console(to_stderr=True)
    where.print(screen.table(found["sample"], columns(), where.width))
    if found["count"] > len(found["sample"]):
        screen.note(f"These are {len(found['sample'])} of {counted}.")


@click.command(epilog=example("tocsin read 01JZ8W3T5N6V0QJ4X2M7C9K1RB --reason 'mended by hand'"))
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", help="Why, for the audit trail.")
@yes
@as_json
@pass_api
def read(api: Api, /, *, ids: tuple[str, ...], reason: str | None, yes: bool, as_json: bool) -> None:
    """Mark sent or dead notifications read. An incident that is open for one is acknowledged at its service."""
    _each(api, distinct(ids), Step("read", "Mark read", reason), yes=yes, as_json=as_json)


# ── One by one ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to each of some notifications."""

    name: str
    question: str
    reason: str | None

    def of(self, api: Api, id_: str) -> Row:
        """Do it to one. Raises ApiError."""
        said = {"reason": self.reason} if self.reason else None
        done: Row = api.post(f"/notifications/{quote(id_, safe='')}/{self.name}", said)
        return done


def _each(api: Api, ids: list[str], step: Step, *, yes: bool, as_json: bool) -> None:
    """Take the step for each id, and say of each what came of it. Several are asked about first."""
    if len(ids) > 1:
        screen.confirmed(f"{step.question} {singular(len(ids), 'notification')}?", yes=yes)
    said: Callable[[Row], str] = json_of if as_json else _in_short
    worst = Exit.OK
    for id_ in ids:
        try:
            screen.line(said(step.of(api, id_)))
        except ApiError as error:
            click.secho(f"{line_of(id_)}: {line_of(explained(error))}", fg="red", err=True)
            worst = exit_of(error) if len(ids) == 1 or exit_of(error) in _CERTAIN_REFUSALS else Exit.REFUSED
            if worst in _CERTAIN_REFUSALS:
                break
    if worst:
        raise click.exceptions.Exit(worst)


def _in_short(row: Row) -> str:
    return f"{row['id']}\t{row['status']}"
