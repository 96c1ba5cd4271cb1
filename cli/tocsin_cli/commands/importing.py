"""`tocsin import`: certificates out of PEM files. A private key that stands among them never leaves this machine."""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tocsin_cli import screen
from tocsin_cli.api import Api, ApiError
from tocsin_cli.exits import Exit, exit_of, explained
from tocsin_cli.foreign import json_of, line_of
from tocsin_cli.options import as_json, example, pass_api, tags_of
from tocsin_cli.times import clock

_BEGIN = re.compile(r"-----BEGIN (?:X509 )?CERTIFICATE-----")
_CERTIFICATE = re.compile(_BEGIN.pattern + r"[^-]*-----END (?:X509 )?CERTIFICATE-----")
"""A certificate in PEM (RFC 7468), also by the label of older tools. There is no dash in it: nothing else fits in."""
_MOST_CHARACTERS = 500_000
"""Of one request: the API takes 2 MB, and is to answer within 29 seconds."""
_MOST_CERTIFICATES = 100
"""Of one request."""
_EXAMPLES = example(
    "tocsin import fullchain.pem",
    "tocsin import --owner 01JZ8W3T5N6V0QJ4X2M7C9K1RB /etc/letsencrypt/live/*/cert.pem",
    "openssl s_client -connect shop.example.com:443 -showcerts < /dev/null | tocsin import -",
)


@click.command("import", epilog=_EXAMPLES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--owner", "owner_id", help="Who is told: an owner, by its id.")
@click.option("--team", "team_id", help="Or a team, by its id.")
@click.option("--policy", "policy_id", help="By which renewal policy.")
@click.option("--environment", help="Where they are used, like production.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", callback=tags_of, help="A tag; may be repeated.")
@as_json
@pass_api
def import_(api: Api, /, *, files: tuple[str, ...], as_json: bool, **assigned: object) -> None:
    """Watch every certificate in the PEM FILEs; `-` is the standard input.

    A renewed certificate updates the one that was imported before, which keeps its owner, environment and tags. Only
    certificates are sent: private keys in the files are not. In a pipe: tab-separated: file, result, id, name, expiry.
    """
    said = {name: value for name, value in assigned.items() if value is not None}
    counts: Counter[str] = Counter()
    worst = Exit.OK
    for place, name in enumerate(files, start=1):
        try:
            for one in _imported(api, name, said, f"{place} of {len(files)}: {name}"):
                counts[one["result"]] += 1
                _show(name, one, as_json=as_json)
        except ApiError as error:
            _failed(name, explained(error))
            worst = exit_of(error) if exit_of(error) in (Exit.UNREACHABLE, Exit.NO_ACCESS) else Exit.REFUSED
            if worst is not Exit.REFUSED:
                break
        except (OSError, ValueError) as error:
            _failed(name, str(error))
            worst = Exit.REFUSED
    screen.note(", ".join(f"{count:,} {result}" for result, count in counts.items()) or "Nothing was imported.")
    if worst:
        raise click.exceptions.Exit(worst)


def _imported(api: Api, name: str, said: dict[str, object], what: str) -> Iterator[dict[str, Any]]:
    """Import one file, a request after the other. Raises OSError, ValueError and ApiError."""
    for pem in requests_of(_read(name)):
        with screen.waiting(what):
            items = api.post("/certificates/import", {"pem": pem, **said})["items"]
        yield from items


def _read(name: str) -> str:
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return data.decode("utf-8", errors="replace")  # what stands between the certificates may be anything


def requests_of(text: str) -> Iterator[str]:
    """Give the certificates of a text, as many at a time as one request takes. Raises ValueError without any, and
    where one is cut off.
    """
    together: list[str] = []
    found = list(_CERTIFICATE.finditer(text))
    if len(found) < len(_BEGIN.findall(text)):
        raise ValueError("a certificate in it is cut off")
    for certificate in found:
        size = sum(map(len, together)) + len(certificate[0])
        if together and (size > _MOST_CHARACTERS or len(together) == _MOST_CERTIFICATES):
            yield "\n".join(together)
            together = []
        together.append(certificate[0])
    if not found:
        raise ValueError("there is no certificate in it (PEM)")
    yield "\n".join(together)


def _show(name: str, one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        screen.line(json_of({"file": name, **one}))
        return
    certificate = one["certificate"]
    parts = (name, one["result"], certificate["id"], certificate["common_name"], clock(certificate["expires_at"]))
    screen.line(("  " if screen.is_terminal() else "\t").join(map(line_of, parts)))


def _failed(name: str, why: str) -> None:
    click.secho(f"{line_of(name)}: {line_of(why)}", fg="red", err=True)
