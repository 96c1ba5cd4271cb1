"""The chart library is the file that its package has, and comes with its licence."""

import hashlib

import pytest

from tocsin_cli.console.app import STATIC

VENDOR = STATIC / "vendor"
UPLOT = "1.6.32"
"""Of npm. To update: `npm pack uplot`, copy these two from its dist/ and the LICENSE, and write their digests here."""
DIGESTS = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_each_file_is_the_one_that_was_pinned(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == DIGESTS[name]


def test_its_version_and_licence_are_with_it() -> None:
    assert f"v{UPLOT}" in (VENDOR / "uPlot.iife.min.js").read_text()[:200]
    assert "The MIT License" in (VENDOR / "uPlot.LICENSE").read_text()


def test_nothing_else_is_vendored() -> None:
    assert {each.name for each in VENDOR.iterdir()} == {*DIGESTS, "uPlot.LICENSE"}
