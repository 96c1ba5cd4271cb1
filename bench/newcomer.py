"""A newcomer's path, timed: from a clone to a requeued dead letter in the browser.

python -m bench.newcomer

Clones this repository's last commit into an empty directory, with an empty HOME, and does what the README says: `make
up DEMO=1`, `tocsin console`. A headless Chromium opens the address that is printed, requeues a dead letter, and waits
until its row says that it was sent. Prints the seconds of each stage; fails where it took longer than five minutes. It
is no part of `make bench`: most of it is what has to be installed, by the caches of packages that the machine has.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from build.toolchain import ROOT
from local.chromium import found
from local.loopback import free_port

LIMIT = 300.0
"""Seconds: what is promised."""
PATIENCE = 60_000.0
"""Milliseconds that the page may take for anything."""
ARRIVES = "Webhook:oncall"
"""The channel of the demo whose receiver is well again."""
SERVE = ". .local/stack.env && exec .venv/bin/tocsin console --no-open --port 0"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


def main() -> int:
    """Walk the path once; 0 if it led to the end in time."""
    scratch = Path(tempfile.mkdtemp(prefix="newcomer-"))
    clone, home = scratch / "tocsin", scratch / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TOCSIN_"))}
    environment |= {"HOME": str(home), "TOCSIN_AWS_PORT": str(free_port())}
    began = time.monotonic()
    try:
        with _stage("git clone"):
            subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True, env=environment)
        with _stage("make up DEMO=1"):
            subprocess.run(["make", "up", "DEMO=1"], check=True, cwd=clone, env=environment)
        with _stage("tocsin console"):
            console, url = _console(clone, environment)
        try:
            _in_the_browser(url)
        finally:
            console.terminate()
            console.wait()
        took = time.monotonic() - began
    finally:
        subprocess.run(["make", "down"], check=False, cwd=clone, env=environment)
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"from clone to a requeued dead letter: {took:.0f} s")
    return 0 if took < LIMIT else 1


@contextmanager
def _stage(name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)


def _console(clone: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    """Start it; give the process, and the address that it prints."""
    console = subprocess.Popen(["bash", "-c", SERVE], cwd=clone, env=environment, stdout=subprocess.PIPE, text=True)
    for line in console.stdout or ():
        if address := re.search(r"http://127\.0\.0\.1:\d+/\S*", line):
            return console, address[0]
    raise RuntimeError(f"tocsin console ended with {console.wait()}")


def _in_the_browser(url: str) -> None:
    chromium = found()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable, args=list(FLAGS), env={**os.environ, **chromium.environment}
        )
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        with _stage("the page shows a dead letter"):
            page.goto(url)
            requeue = page.get_by_role("button", name="Requeue", exact=True)
            row = page.locator("tr[data-id]").filter(has=requeue, has_text=ARRIVES).first
            id_ = row.get_attribute("data-id")
        with _stage("Requeue, Confirm, and it is sent"):
            row.get_by_role("button", name="Requeue", exact=True).click()
            page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
            its = page.locator(f'tr[data-id="{id_}"]')
            its.wait_for(state="detached")
            page.get_by_role("button", name="All", exact=True).click()
            _until_sent(page, its)
        browser.close()


def _until_sent(page: Page, row: Locator) -> None:
    """Look at all notifications until the row says that it was sent."""
    row.wait_for()
    deadline = time.monotonic() + PATIENCE / 1000
    while row.get_by_text("Sent", exact=True).count() == 0:
        if time.monotonic() > deadline:
            raise TimeoutError("it was not sent")
        page.locator("#refresh").click()
        page.wait_for_timeout(500)


if __name__ == "__main__":
    sys.exit(main())
