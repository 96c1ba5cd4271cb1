"""Which files are looked at: those that are named, and below directories those whose names say that they may be meant.

A walk is bounded, and stays where it was sent: it follows no link out of the directories that were named, and no link
to a directory at all, for what lies below them is come by anyway. It opens nothing but regular files.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import has_magic, iglob
from itertools import islice
from pathlib import Path

from tocsin_cli.agent.contents import Problem, shown

SUFFIXES = (
    *(".pem", ".crt", ".cer", ".cert", ".der", ".p12", ".pfx", ".pkcs12"),
    *(".jks", ".jceks", ".ks", ".keystore", ".truststore"),
)
"""What files with certificates are called."""
_KEY = ".key"
MOST_FILES = 10_000
"""Files and directories that a walk sees, unless it is told otherwise."""


@dataclass(slots=True)
class Walk:
    """One walk, and what it came by and did not look at."""

    most_files: int = MOST_FILES
    excluded: Sequence[str] = ()
    """Patterns of whole paths."""
    problems: list[Problem] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    """By why."""
    named: set[str] = field(default_factory=set)
    """Files that were named themselves, not come by."""
    _seen: int = 0
    _trees: list[str] = field(default_factory=list)
    _given: set[str] = field(default_factory=set)

    def files(self, paths: Sequence[str]) -> Iterator[str]:
        """Give the files to look at, each once, in an order that is always the same."""
        meant = list(dict.fromkeys(one for path in paths for one in self._expanded(path)))
        self._trees = [os.path.realpath(path) for path in meant if Path(path).is_dir()]
        for path in meant:
            if Path(path).is_dir():
                yield from self._once(self._below(path))
            else:
                self.named.add(path)
                yield from self._once(self._file(path))
        if self._is_over():
            said = f"more than {self.most_files:,} files and directories: the others were not looked at"
            self.problems.append(Problem(shown(paths[0]), said))

    def _expanded(self, path: str) -> Iterator[str]:
        """Give what a pattern stands for: cron and systemd do not expand any."""
        if os.path.lexists(path) or not has_magic(path):
            yield os.path.normpath(path)
            return
        found = sorted(islice(iglob(path), self.most_files))  # noqa: PTH207 - as a shell has them: no `**`
        if not found:
            self.problems.append(Problem(shown(path), "nothing is there"))
        yield from map(os.path.normpath, found)

    def _once(self, paths: Iterator[str]) -> Iterator[str]:
        for path in paths:
            if path not in self._given:
                self._given.add(path)
                yield path

    def _is_over(self) -> bool:
        return self._seen > self.most_files

    def _below(self, top: str) -> Iterator[str]:
        waiting = [top]
        while waiting and not self._is_over():
            within: list[str] = []
            for entry in self._entries(waiting.pop()):
                self._seen += 1
                if self._is_over():
                    return
                if self._is_excluded(entry.path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    within.append(entry.path)
                else:
                    yield from self._come_by(entry)
            waiting += reversed(within)

    def _entries(self, directory: str) -> list[os.DirEntry[str]]:
        """Give what is in a directory, no more than may be seen."""
        try:
            with os.scandir(directory) as found:
                return sorted(islice(found, self.most_files - self._seen + 1), key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append(Problem(shown(directory), f"can't be read: {error.strerror}"))
            return []

    def _come_by(self, entry: os.DirEntry[str]) -> Iterator[str]:
        if entry.is_symlink():
            yield from self._linked(entry)
        elif not entry.is_file(follow_symlinks=False):
            self.passed_over["no regular file"] += 1
        elif entry.name.lower().endswith(SUFFIXES):
            yield from self._file(entry.path)
        elif entry.name.lower().endswith(_KEY):
            self.passed_over["a private key's file"] += 1

    def _linked(self, entry: os.DirEntry[str]) -> Iterator[str]:
        """Follow a link to a file in one of the trees; another tells why not, if its name says that it may be meant."""
        try:
            target = os.path.realpath(entry.path, strict=True)
        except OSError:
            self.passed_over["a link that leads nowhere"] += 1
            return
        is_inside = any(target == tree or target.startswith(tree.rstrip(os.sep) + os.sep) for tree in self._trees)
        if Path(target).is_dir():
            if not is_inside:
                self.passed_over["a link to a directory elsewhere"] += 1
        elif entry.name.lower().endswith(SUFFIXES):
            if is_inside:
                yield from self._file(entry.path)
            else:
                self.passed_over["a link out of the directory"] += 1

    def _file(self, path: str) -> Iterator[str]:
        name = path.lower()
        if self._is_excluded(path):
            self.passed_over["excluded"] += 1
        elif name.endswith(_KEY) or os.path.realpath(path).lower().endswith(_KEY):
            self.passed_over["a private key's file"] += 1
        else:
            yield path

    def _is_excluded(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.excluded)
