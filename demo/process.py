"""One demo at a time, and an end that always clears up."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from build.toolchain import ToolError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AlreadyRunningError(ToolError):
    """Another demo has the state directory."""


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Have the directory for ourselves, or say who has it. The lock goes with the process, however that ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunningError(f"A demo is running here already. To end it: kill {lock.read()}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block as Ctrl-C does; let nothing interrupt what clears up after it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        _deafen()
        raise KeyboardInterrupt

    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
            signal.signal(number, stop)
    try:
        yield
    finally:
        _deafen()


def _deafen() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
