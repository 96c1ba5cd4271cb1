"""The console on a port of its own, and a browser to look at it with."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium_or_skip, started
from tests.support.fake_aws import FakeAws
from tocsin_cli.console import serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one module: its driver runs an event loop, beside which no test can have its own."""
    with started(chromium_or_skip()) as browser:
        yield browser


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()


@pytest.fixture
def link(aws: FakeAws) -> Iterator[str]:
    """The link that opens the console."""
    with serving(aws.connection()) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page; a script that fails, or that the page's policy stops, fails the test."""
    wrong: list[str] = []
    expect.set_options(timeout=10_000)
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert wrong == []
