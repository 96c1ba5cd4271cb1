"""A file, opened to be read in parts: what nobody asks for is not read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tocsin_cli.agent.contents import UnreadableError

SIZE_LIMIT = 1024 * 1024
"""Bytes of a file that is looked at: of the largest trust store in use, five times as much."""


class NotRegularError(UnreadableError):
    """It is a device, a pipe or a socket."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file of at most SIZE_LIMIT bytes."""

    descriptor: int
    size: int

    def at(self, offset: int, count: int) -> bytes:
        """Read just these bytes; raise UnreadableError where the file ends before."""
        if count < 0 or offset + count > self.size:
            raise UnreadableError("it is cut off, or broken")
        found = os.pread(self.descriptor, count, offset)
        if len(found) < count:
            raise UnreadableError("it is cut off, or broken")
        return found

    def head(self, count: int) -> bytes:
        """Read the first bytes, as many as there are."""
        return self.at(0, min(count, self.size))

    def lines(self) -> Iterator[str]:
        """Give its lines, one after the other; whatever ends them."""
        left = SIZE_LIMIT  # somebody may write to it just now
        with os.fdopen(os.dup(self.descriptor), encoding="latin-1", newline=None) as text:
            text.seek(0)
            while line := text.readline(left):
                left -= len(line)
                yield line
                if not left:
                    return


@contextmanager
def opened(path: str) -> Iterator[Opened]:
    """Open a file for reading. Raises OSError, and UnreadableError for what is too large or no file.

    It is asked of the open file, so that nothing else can be put in its place; a pipe does not block.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotRegularError("it is no regular file")
        if found.st_size > SIZE_LIMIT:
            raise UnreadableError(f"it has more than {SIZE_LIMIT:,} bytes, and was not read")
        yield Opened(descriptor, found.st_size)
    finally:
        os.close(descriptor)
