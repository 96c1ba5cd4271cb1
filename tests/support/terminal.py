"""A terminal of a given width, in which a command runs as for somebody who looks at it."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

STEPS = re.compile(r"(\x1b\[[0-?]*[ -/]*[@-~]|[\r\n])")
UP, ERASE = "\x1b[1A", "\x1b[2K"
ROWS = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """What stood on the terminal, colours included, and the exit code."""

    text: str
    code: int

    @property
    def plain(self) -> str:
        """Give what stands there in the end, without colours: what a spinner wrote is gone."""
        lines, row = [""], 0
        for part in STEPS.split(self.text):
            if part == "\n":
                row += 1
                lines += [""] * (row == len(lines))
            elif part == UP:
                row -= 1
            elif part == ERASE:
                lines[row] = ""
            elif part != "\r" and not part.startswith("\x1b"):
                lines[row] += part
        return "\n".join(line.rstrip() for line in lines)


@contextlib.contextmanager
def a_terminal(columns: int) -> Iterator[tuple[IO[str], int]]:
    """Open a terminal: our end, to be read as text, and the descriptor of its other end."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    with os.fdopen(ours, encoding="utf-8", errors="replace", newline="\n") as reader:
        try:
            yield reader, its
        finally:
            os.close(its)


def on_a_terminal(
    command: Sequence[str], environment: Mapping[str, str], *, columns: int = 100, typed: str = "", seconds: float = 90
) -> Seen:
    """Run a command on a terminal of `columns`; `typed` is what somebody answers."""
    ours, its = pty.openpty()
    try:
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        # NO_COLOR and COLUMNS of whoever runs the tests would say something else
        kept = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        process = subprocess.Popen(command, env={"TERM": "xterm-256color", **kept}, stdin=its, stdout=its, stderr=its)
    finally:
        os.close(its)
    try:
        os.write(ours, typed.encode())
        text = _read(ours)
        return Seen(text, process.wait(timeout=seconds))
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def _read(terminal: int) -> str:
    """Read to the end: on Linux that is an error of the terminal's own."""
    read = b""
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 65_536):
            read += data
    return read.decode(errors="replace").replace("\r\n", "\n")
