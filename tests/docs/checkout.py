"""A copy of the checkout and one shell in it, for running the documents' commands as a reader does."""

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from build.toolchain import LOCAL, ROOT, clean_environment
from local.loopback import free_port

NEEDED = (
    *(
        "Makefile",
        "template.yaml",
        "samconfig.toml",
        "functions",
        "layers",
        "local",
        "build",
        "demo",
        "requirements",
        "tests/docs",
    ),
)
WITHOUT = shutil.ignore_patterns("__pycache__", "*.pyc")
LONG_AGO = 946_684_800  # the year 2000, in seconds since 1970
OLDEST_CLI = {"2": (2, 13, 0)}
"""The first AWS CLI that reads AWS_ENDPOINT_URL. Those of version 1 never do for SQS
(awscli/customizations/overridesslcommonname.py)."""


def copied(to: Path) -> Path:
    """Copy what the commands need. What is installed is shared, so it must not be installed again from here."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=WITHOUT)
        else:
            shutil.copy2(source, to / name)
    (to / ".venv").symlink_to(ROOT / ".venv")
    (to / ".local").mkdir()
    (to / ".local" / "venvs").symlink_to(LOCAL / "venvs")
    for requirements in (to / "requirements").iterdir():
        os.utime(requirements, (LONG_AGO, LONG_AGO))  # make installs what is older than its requirements
    return to


@dataclass(slots=True)
class Shell:
    """A shell that stays open, so that what one block sets the next one has."""

    process: "subprocess.Popen[str]"
    input: IO[str]
    output: IO[str]

    def run(self, text: str) -> str:
        """Run `text` to its end, and give all that it printed; an assertion says if it failed."""
        mark = uuid.uuid4().hex
        self.input.write(f"{text}\nprintf '\\n%s\\n' {mark}\n")
        self.input.flush()
        lines: list[str] = []
        for line in self.output:
            if line.rstrip() == mark:
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"The shell ended:\n{text}\n{''.join(lines)}")


@contextmanager
def a_shell(directory: Path) -> Iterator[Shell]:
    """Open a shell in a copy of the checkout; what it started is stopped with `make down`."""
    environment = clean_environment({"TOCSIN_AWS_PORT": str(free_port()), "PATH": _path(directory / "bin")})
    process = subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail"],
        cwd=directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Shell(process, process.stdin, process.stdout)
    finally:
        process.stdin.close()
        subprocess.run(["make", "down"], cwd=directory, env=environment, check=True)
        process.wait(timeout=10)
        process.stdout.close()


def _path(own: Path) -> str:
    """Put the AWS CLI's stand-in on the path, where there is no CLI that can be used."""
    path = os.environ["PATH"]
    if _has_cli():
        return path
    own.mkdir()
    stand_in = own / "aws"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.docs.aws_cli "$@"\n')
    stand_in.chmod(0o755)
    return f"{own}{os.pathsep}{path}"


def _has_cli() -> bool:
    if shutil.which("aws") is None:
        return False
    said = subprocess.run(["aws", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"aws-cli/(\d+)\.(\d+)\.(\d+)", said)
    return found is not None and tuple(map(int, found.groups())) >= OLDEST_CLI.get(found[1], (9,))
