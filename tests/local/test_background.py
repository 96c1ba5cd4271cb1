"""Processes in the background are known, and ended, by their pid."""

import os
import sys
from pathlib import Path

from local.background import Background

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_it_runs_until_it_is_stopped(tmp_path: Path) -> None:
    process = Background("sleeper", tmp_path)
    process.start(FOREVER, os.environ)
    pid = process.pid()
    assert pid is not None
    assert Background("sleeper", tmp_path).pid() == pid, "another command finds it"
    process.stop()
    assert process.pid() is None


def test_stopping_what_does_not_run_is_fine(tmp_path: Path) -> None:
    Background("nothing", tmp_path).stop()


def test_one_that_ended_by_itself_does_not_run(tmp_path: Path) -> None:
    process = Background("short", tmp_path)
    process.start([sys.executable, "-c", ""], os.environ)
    while process.pid() is not None:
        pass
    process.stop()


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    """Pids are used again: this test's own pid stands for a stranger's. It is here to say so, so it was not ended."""
    process = Background("gone", tmp_path)
    (tmp_path / "gone.pid").write_text(f"{os.getpid()} another time")
    assert process.pid() is None
    process.stop()
