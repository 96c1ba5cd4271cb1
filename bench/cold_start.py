"""What the first request of a fresh process costs: the imports, and the first call. Processor time, all threads.

Beside it, in the same run: a process that imports boto3 and reads one item, which is what any function pays.
`python -m bench.cold_start FUNCTION` measures one, here, and prints the milliseconds of both parts.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import redirect_stdout
from typing import Any

from bench.sweeping import Context, told
from build.toolchain import ROOT

BARE = "bare"
EVENTS = {"api": "api_list_dead", "dispatch": "dispatch_pending", "retry_sweep": "retry_sweep_tick"}


def cold_starts(store: int, times: int) -> dict[str, float]:
    """The median milliseconds of each function, and of the bare process, taken in turns."""
    found: dict[str, list[float]] = {name: [] for name in (BARE, *EVENTS)}
    for _ in range(times + 1):
        for name, taken in found.items():
            taken.append(_measured(name, store))
    return {name: statistics.median(taken[1:]) for name, taken in found.items()}  # the first one wrote the bytecode


def _measured(name: str, store: int) -> float:
    cached = {"PYTHONPYCACHEPREFIX": str(ROOT / ".local" / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-m", "bench.cold_start", name]
    environment = os.environ | told(store) | cached | {"PYTHONPATH": _path(name)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _path(name: str) -> str:
    return os.pathsep.join(str(ROOT / part) for part in (".", "layers/tocsin", f"functions/{name}"))


def bare() -> None:
    """Read one item."""
    import boto3  # noqa: PLC0415 - the import is measured

    boto3.client("dynamodb").get_item(TableName="notifications", Key={"id": {"S": f"01J{0:023}"}})


def first_call(name: str) -> None:
    """Do what Lambda does: import the function, then call it."""
    event: Any = json.loads((ROOT / "events" / f"{EVENTS[name]}.json").read_text())
    import app  # type: ignore[import-not-found]  # noqa: PLC0415 - the function's, by PYTHONPATH

    with redirect_stdout(io.StringIO()):
        app.handler(event, Context())


if __name__ == "__main__":
    begun = time.process_time()
    bare() if sys.argv[1] == BARE else first_call(sys.argv[1])
    print((time.process_time() - begun) * 1000)
