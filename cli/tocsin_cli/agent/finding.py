"""A whole look: the files of a walk, what is reported of each, and what could not be read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tocsin_cli.agent.contents import Contents, Found, Problem, UnreadableError, reported, shown
from tocsin_cli.agent.formats import read_file
from tocsin_cli.agent.opened import opened
from tocsin_cli.agent.walk import Walk

MOST_CERTIFICATES = 10_000
"""Certificates of one report."""
_NONE = "there is no certificate in it, or it is of a kind that is not read"


@dataclass(slots=True)
class Look:
    """What a host has."""

    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def look(walk: Walk, paths: Sequence[str], passwords: Sequence[str], *, with_authorities: bool) -> Look:
    """Look at all files of a walk. One that can't be read keeps nothing from the others."""
    seen = Look()
    for path in walk.files(paths):
        contents = _contents(path, passwords, is_named=path in walk.named, seen=seen)
        for one in reported(path, contents, with_authorities=with_authorities):
            if isinstance(one, Problem):
                seen.problems.append(one)
            elif len(seen.found) < MOST_CERTIFICATES:
                seen.found.append(one)
            else:
                said = f"there are more than {MOST_CERTIFICATES:,} certificates: those from here on are not reported"
                seen.problems.append(Problem(shown(path), said))
                return _whole(seen, walk)
    return _whole(seen, walk)


def _whole(seen: Look, walk: Walk) -> Look:
    seen.problems += walk.problems
    seen.passed_over += walk.passed_over
    return seen


def _contents(path: str, passwords: Sequence[str], *, is_named: bool, seen: Look) -> Contents:
    """Read one file; a file that was only come by may well hold something else than certificates."""
    try:
        with opened(path) as file:
            read = read_file(file, passwords)
    except OSError as error:
        return Contents(problems=[f"can't be read: {error.strerror}"])
    except UnreadableError as error:
        return Contents(problems=[str(error)])
    if read is not None:
        return read
    if is_named:
        return Contents(problems=[_NONE])
    seen.passed_over["without a certificate"] += 1
    return Contents()
