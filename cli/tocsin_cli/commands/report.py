"""`tocsin report`: the certificates in files of this host. For cron and systemd, beside servers."""

import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

import click

from tocsin_cli import screen
from tocsin_cli.agent.contents import Problem
from tocsin_cli.agent.finding import Look, look
from tocsin_cli.agent.sending import Reporter
from tocsin_cli.agent.walk import MOST_FILES, Walk
from tocsin_cli.api import Api
from tocsin_cli.exits import Exit
from tocsin_cli.foreign import json_of, line_of
from tocsin_cli.options import as_json, example, pass_api, tags_of
from tocsin_cli.screen import singular
from tocsin_cli.times import Stretch, clock, written

_PASSWORD_VARIABLE = "TOCSIN_STORE_PASSWORD"  # noqa: S105 - its name
_PASSWORDS_SIZE = 64 * 1024
_MOST_PASSWORDS = 20
_NAME_LIMIT = 128
_OTHERS = 0o077
_EXAMPLES = example(
    "tocsin report '/etc/letsencrypt/live/*/cert.pem'",
    "tocsin report /etc/nginx/ssl /opt/app/server.p12 --password-file /etc/tocsin/passwords",
    "tocsin report /etc/ssl/private --period 6h --owner 01JZ8W3T5N6V0QJ4X2M7C9K1RB --dry-run",
)


def _refuse_password(_ctx: click.Context, _option: click.Parameter, value: object) -> None:
    if value is not None:
        raise click.UsageError(
            "A password is not taken from the command line, where everybody on this host can read it: put it into a "
            f"file, and say --password-file; or into the variable {_PASSWORD_VARIABLE}."
        )


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", envvar="TOCSIN_REPORT_PATHS")
@click.option("--name", help="What this host is called there.  [default: its own name]")
@click.option(
    "--period", type=Stretch(60, 90 * 86_400), default="1d", show_default=True, help="How often it reports, at least."
)
@click.option("--authorities", is_flag=True, help="Also report certificates of authorities: chains, trust stores.")
@click.option("--exclude", "excluded", multiple=True, metavar="PATTERN", help="Pass over such paths.")
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="Passwords of PKCS#12 stores, one a line, each tried."
)
@click.option("--password", hidden=True, is_flag=False, flag_value="", callback=_refuse_password, expose_value=False)
@click.option(
    "--max-files",
    type=click.IntRange(1, 1_000_000),
    default=MOST_FILES,
    show_default=True,
    help="Look at no more files and directories.",
)
@click.option("--owner", "owner_id", help="Who is told of new certificates: an owner, by its id.")
@click.option("--team", "team_id", help="Or a team, by its id.")
@click.option("--policy", "policy_id", help="By which renewal policy.")
@click.option("--environment", help="Of new certificates, like production.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", callback=tags_of, help="Of new certificates.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
@as_json
@pass_api
def report(  # noqa: PLR0913 - one argument for each option
    api: Api,
    /,
    *,
    paths: tuple[str, ...],
    name: str | None,
    period: int,
    authorities: bool,
    excluded: tuple[str, ...],
    password_file: Path | None,
    max_files: int,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **assigned: object,
) -> None:
    """Report the certificates in files: PEM, DER, PKCS#12, JKS and JCEKS, named as files, directories or patterns.

    Only certificates are sent: private keys are not read. Each report is a heartbeat: after two periods without one,
    somebody is told. In a pipe: tab-separated: path, result, id, name, expiry.
    """
    said = {key: value for key, value in assigned.items() if value}
    reporter = Reporter(_checked(name or socket.gethostname()), period, _version(), said)
    passwords = _passwords(password_file)
    walk = Walk(max_files, excluded)
    with screen.waiting("Looking"):
        seen = look(walk, paths, passwords, with_authorities=authorities)
    shown = _Shown(as_json=as_json, quiet=quiet)
    if dry_run:
        shown.drafts(reporter, seen)
    else:
        for item in reporter.send(api, seen):
            shown.result(item)
    shown.end(seen, sent=not dry_run)
    if seen.problems:
        raise click.exceptions.Exit(Exit.REFUSED)


class _Shown:
    """What the command prints."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._is_quiet = quiet
        self._counts: dict[str, int] = {}

    def result(self, item: dict[str, Any]) -> None:
        self._counts[item["result"]] = self._counts.get(item["result"], 0) + 1
        if self._as_json:
            screen.line(json_of(item))
        elif not self._is_quiet:
            at = clock(item["expires_at"])
            self._line(item["path"], item["result"], item["certificate_id"], item["common_name"], at)

    def drafts(self, reporter: Reporter, seen: Look) -> None:
        if self._as_json:
            screen.as_lines_of_json(reporter.parts(seen))
            return
        for one in seen.found:
            self._line(one.place, "found", one.common_name, clock(written(one.expires_at)))

    def end(self, seen: Look, *, sent: bool) -> None:
        for problem in seen.problems:
            self._problem(problem)
        if self._is_quiet:
            return
        results = [f"{count:,} {result}" for result, count in self._counts.items()]
        found = singular(len(seen.found), "certificate")
        screen.note("; ".join([f"{found} reported" if sent else f"{found} would be reported", *results]))
        if seen.passed_over:
            over = ", ".join(f"{count:,} {why}" for why, count in sorted(seen.passed_over.items()))
            screen.note(f"Passed over: {over}.")

    @staticmethod
    def _line(*parts: str) -> None:
        screen.line(("  " if screen.is_terminal() else "\t").join(map(line_of, parts)))

    @staticmethod
    def _problem(problem: Problem) -> None:
        click.secho(f"{line_of(problem.path)}: {line_of(problem.problem)}", fg="red", err=True)


def _checked(name: str) -> str:
    """Return a name that the API takes; end the command for another one."""
    plain = name.replace(".", "").replace("-", "").replace("_", "")
    if not (plain.isalnum() and plain.isascii() and name[0].isalnum() and len(name) <= _NAME_LIMIT):
        _wrong(
            f"{line_of(name)!r} can't be the name of an agent: it must be up to {_NAME_LIMIT} letters, digits, dots, "
            "dashes and underscores, and begin with a letter or digit. Say --name."
        )
    return name


def _passwords(file: Path | None) -> list[str]:
    """Read the passwords of key stores: from a file and from the environment, and from nowhere else."""
    import os  # noqa: PLC0415 - it is read here alone

    found = _lines(file) if file else []
    if (said := os.environ.get(_PASSWORD_VARIABLE)) is not None:
        found.append(said)
    if len(found) > _MOST_PASSWORDS:
        _wrong(f"There are more than {_MOST_PASSWORDS} passwords: each would be tried on each store.")
    if not all(_is_text(one) for one in found):
        _wrong("A password is no UTF-8.")
    return found


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            data = opened.read(_PASSWORDS_SIZE + 1)
        is_open = bool(file.stat().st_mode & _OTHERS)
    except OSError as error:
        _wrong(f"{line_of(file)} can't be read: {error.strerror}")
    if len(data) > _PASSWORDS_SIZE:
        _wrong(f"{line_of(file)} is no file of passwords: it is too large.")
    if is_open:
        screen.note(f"{line_of(file)} can be read by others: chmod 600 keeps its passwords yours.")
    try:
        return [one for one in data.decode().splitlines() if one]
    except UnicodeDecodeError:
        _wrong(f"{line_of(file)} is no file of passwords: it is no UTF-8.")


def _is_text(password: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in password)


def _wrong(said: str) -> NoReturn:
    raise click.UsageError(said)


def _version() -> str:
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return ""
