"""`make bench`: every figure of docs/performance.md, from one run, beside what it is compared with."""

import argparse
import sys
from collections.abc import Callable

from bench.cold_start import BARE, cold_starts
from bench.servers import serving
from bench.sweeping import Measured, measured, result_of, started

ROWS, HOSTS, STORE_SECONDS = 5000, 50, 0.005
TIMES = 3
CERTIFICATES = 10_000
PARTS = ("0,1", "2,3", "4,5", "6,7")


def best(runs: list[Measured]) -> Measured:
    """The run that the machine disturbed least."""
    return min(runs, key=lambda run: run.cpu)


def sweeping() -> None:
    """The sweep and the loop, in turns; then four parts at once."""
    with serving(ROWS, HOSTS, STORE_SECONDS) as store:
        swept, looped = [], []
        for _ in range(TIMES):
            swept.append(measured("sweep", ROWS, store=store))
            looped.append(measured("loop", ROWS // 5, store=store))
        one, loop = best(swept), best(looped)
        running = [started("sweep", ROWS, store=store, shards=shards) for shards in PARTS]
        parts = [result_of(process) for process in running]
    print(f"sweep: {one.microseconds:.0f} us of CPU a row, {one.rate:.0f} rows/s")
    print(f"a row at a time: {loop.microseconds:.0f} us, {loop.rate:.0f} rows/s")
    print(f"  ratio of CPU: {loop.microseconds / one.microseconds:.1f}")
    of_parts = sum(part.cpu for part in parts) / sum(part.rows for part in parts) * 1e6
    print(
        f"four parts at once: {of_parts:.0f} us a row; by CPU they deliver {4 * one.microseconds / of_parts:.1f} x one"
    )


def slow_host() -> None:
    """All rows to one host that takes 0.3 s to answer."""
    with serving(1000, 1, STORE_SECONDS, 0.3) as store:
        one = measured("sweep", 1000, store=store)
    print(f"one host that takes 0.3 s: {one.rate:.0f} rows/s")


def checking() -> None:
    """10,000 certificates inside the window, in one tick."""
    with serving(CERTIFICATES, 1, STORE_SECONDS) as store:
        one = measured("check", CERTIFICATES, store=store)
    print(f"expiry check: {CERTIFICATES:,} certificates in {one.seconds:.0f} s, {one.microseconds:.0f} us of CPU each")


def cold() -> None:
    """The first request of a fresh process."""
    with serving(1, 1, 0.0) as store:
        found = cold_starts(store, 9)
    for name, milliseconds in found.items():
        print(f"cold start, {name}: {milliseconds:.0f} ms of CPU, {milliseconds / found[BARE]:.2f} x a bare process")


PARTS_OF_THE_RUN: dict[str, Callable[[], None]] = {
    "sweep": sweeping,
    "slow": slow_host,
    "check": checking,
    "cold": cold,
}


def main() -> int:
    """Run all, or what is named."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    # argparse holds "none of them" against the choices as well: it is one
    parser.add_argument("names", nargs="*", choices=[[], *PARTS_OF_THE_RUN], help="which part; all of them by default")
    for name in parser.parse_args().names or PARTS_OF_THE_RUN:
        PARTS_OF_THE_RUN[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
