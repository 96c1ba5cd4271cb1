"""Processes that outlive the command that starts them: each in a group of its own, ended by the pid in its file."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from build.toolchain import ROOT

PROC = Path("/proc")  # Linux has it, macOS has not
PATIENCE = 5.0  # seconds between asking a process to end and ending it


@dataclass(frozen=True)
class Background:
    """A named process of one state directory: `<name>.pid` and `<name>.log` there."""

    name: str
    state_dir: Path

    @property
    def log(self) -> Path:
        """What the process printed."""
        return self.state_dir / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.state_dir / f"{self.name}.pid"

    def start(self, command: Sequence[str | Path], environment: Mapping[str, str], *, directory: Path = ROOT) -> None:
        """Start the command and note its pid, with a mark that tells it from a later process of the same number."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            child = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.returncode = 0  # it is nobody's child soon: no warning about a process still running
        self._pid_file.write_text(f"{child.pid} {_born(child.pid)}")

    def pid(self) -> int | None:
        """The process's id, if it is still there and still the one that was started."""
        if not self._pid_file.exists():
            return None
        pid, _, born = self._pid_file.read_text().partition(" ")
        return int(pid) if _born(int(pid)) == born else None

    def stop(self) -> None:
        """End the process and its children. It is fine if there is none."""
        pid = self.pid()
        self._pid_file.unlink(missing_ok=True)
        if pid is None:
            return
        os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while _born(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if _born(pid):
            os.killpg(pid, signal.SIGKILL)
        with suppress(ChildProcessError):  # another command may have started it
            os.waitpid(pid, 0)


def _born(pid: int) -> str:
    """When the process with this id was started, in the system's words; empty if there is none, or only its remains."""
    if PROC.joinpath("self").exists():
        try:
            # pid (command, which may hold anything) state ppid ... starttime is the 20th field after the command
            fields = PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return "" if fields[0] == "Z" else fields[19]
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, born = found.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else born.strip()
