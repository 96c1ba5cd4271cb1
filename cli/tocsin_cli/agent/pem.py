"""Certificates in PEM text. What stands between other lines than those of certificates is dropped line by line."""

import base64
import re
from collections.abc import Iterable

from tocsin_cli.agent.contents import Contents, Held

_BEGIN = re.compile(r"-----BEGIN (?:X509 )?CERTIFICATE-----")
_END = re.compile(r"-----END (?:X509 )?CERTIFICATE-----")
_DASHES = "-----"


def read_pem(lines: Iterable[str]) -> Contents:
    """Read all certificates in a text; say how many are cut off, or no base64."""
    contents = Contents()
    block: list[str] | None = None
    for line in lines:
        at = 0
        while at < len(line):
            if block is None:
                begin = _BEGIN.search(line, at)
                if begin is None:
                    break
                block, at = [], begin.end()
            elif (mark := line.find(_DASHES, at)) < 0:
                block.append(line[at:])
                break
            else:
                block.append(line[at:mark])
                end = _END.match(line, mark)
                _take(block if end else None, contents)
                # What cuts a certificate off may itself be the beginning of one.
                block, at = None, end.end() if end else mark
                if end is None and not _BEGIN.match(line, mark):
                    at += len(_DASHES)
    if block is not None:
        _take(None, contents)
    return contents


def _take(block: list[str] | None, contents: Contents) -> None:
    """Add what stood between the lines of a certificate; null: it is cut off."""
    if block is None:
        contents.problems.append("a certificate in it is cut off")
        return
    try:
        der = base64.b64decode("".join("".join(block).split()), validate=True)
    except ValueError:
        contents.problems.append("a certificate in it is not base64")
    else:
        contents.held.append(Held(der))
