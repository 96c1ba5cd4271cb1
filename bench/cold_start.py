"""What the first request of a fresh process costs: the imports, and the first call. Processor time, all threads.

Beside it, in the same run: a process that imports boto3 and reads one item, which is what any function pays.
"""

import os
import statistics
import subprocess
import sys

from bench.sweeping import told
from build.toolchain import ROOT

BARE = "bare"
EVENTS = {
    "api": "api_list_dead",
    "dispatch": "dispatch_pending",
    "retry_sweep": "retry_sweep_tick",
    "apprise": "apprise_late",
}


def cold_starts(store: int, times: int) -> dict[str, float]:
    """The median milliseconds of each function, and of the bare process, taken in turns."""
    found: dict[str, list[float]] = {name: [] for name in (BARE, *EVENTS)}
    for _ in range(times + 1):
        for name, taken in found.items():
            taken.append(_measured(name, store))
    return {name: statistics.median(taken[1:]) for name, taken in found.items()}  # the first one wrote the bytecode


def _measured(name: str, store: int) -> float:
    cached = {"PYTHONPYCACHEPREFIX": str(ROOT / ".local" / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    event = str(ROOT / "events" / f"{EVENTS[name]}.json") if name in EVENTS else ""
    command = [sys.executable, "-m", "bench.first_call", name, event]
    environment = os.environ | told(store) | cached | {"PYTHONPATH": _path(name)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _path(name: str) -> str:
    return os.pathsep.join(str(ROOT / part) for part in (".", "layers/tocsin", f"functions/{name}"))
