"""Where the browser of the tests comes from."""

import os
import shutil

import pytest

from local import chromium
from local.npm import UnavailableError
from tests.support.browser import chromium_or_skip, started


def test_npm_s_starts_and_shows_a_page() -> None:
    """Without root: its libraries come with it."""
    if os.environ.get("CI") != "true" and not chromium.PACKED.home.exists():
        pytest.skip("70 MB are fetched in CI, or where the machine has no browser of its own")
    with started(chromium.packed()) as browser:
        page = browser.new_page()
        page.set_content("<p>here</p>")
        assert page.locator("p").inner_text() == "here"


def test_the_machine_s_own_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}" if name == "google-chrome" else None)
    assert str(chromium.found().executable) == "/opt/google-chrome"


def test_without_one_the_tests_skip_and_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> chromium.Chromium:
        raise UnavailableError("none")

    monkeypatch.setattr("tests.support.browser.found", unavailable)
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="none"):
        chromium_or_skip()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(UnavailableError):
        chromium_or_skip()
