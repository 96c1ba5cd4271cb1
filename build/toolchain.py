"""Where the Makefile puts the tools, and what a command of theirs may see of the caller's environment."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
VENVS = LOCAL / "venvs"
UV = VENVS / "uv" / "bin" / "uv"
SAM = VENVS / "sam" / "bin" / "sam"
AWS_PYTHON = VENVS / "aws" / "bin" / "python"


class ToolError(Exception):
    """A tool that was started ended with an error; the message says which, and where its output is."""


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without anything of AWS's: a stray profile must never send this to a real account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "MINISTACK_"))}
    nowhere = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return kept | nowhere | {"SAM_CLI_TELEMETRY": "0"} | dict(extra)


def run(command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str]) -> None:
    """Run a command at the top of the checkout to its end, with all that it prints in a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        what = " ".join(str(part) for part in command[:2])
        msg = f"{what} failed with exit code {done.returncode}. The end of {log}:\n{tail}"
        raise ToolError(msg)
