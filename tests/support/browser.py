"""A headless Chromium for the tests that look at a page, or a skip that says why there is none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from local.chromium import Chromium, found
from local.npm import UnavailableError

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
]


def chromium_or_skip() -> Chromium:
    """Skip where no browser can be had; fail instead where CI forbids the skip."""
    try:
        return found()
    except UnavailableError as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(why))


@contextmanager
def started(chromium: Chromium) -> Iterator[Browser]:
    """Run it as long as the block does."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable, args=FLAGS, env={**os.environ, **chromium.environment}
        )
        try:
            yield browser
        finally:
            browser.close()
