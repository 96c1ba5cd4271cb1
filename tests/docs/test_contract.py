"""Every line of the contract that was asked for has a test that names it."""

import re
from pathlib import Path

from tests.docs.markdown import page

ROOT = Path(__file__).parents[2]


def asked_for() -> set[str]:
    """Give the numbers of the lines marked [S], as `section.line`."""
    lines: set[str] = set()
    section, line = "", ""
    for text in page("docs/contributing/contract.md").read_text().splitlines():
        if heading := re.match(r"## (\d+)\.", text):
            section = heading[1]
        if item := re.match(r"(\d+)\. ", text):
            line = f"{section}.{item[1]}"
        if "**[S]**" in text and section and line.startswith(f"{section}."):
            lines.add(line)
    return lines


def named() -> set[str]:
    """Give the numbers that tests name: `Contract 2.2, 2.5 [S]`."""
    found: set[str] = set()
    for path in ROOT.glob("tests/**/test_*.py"):
        for mention in re.findall(r"[Cc]ontract ((?:\d\.\d+(?: \[[ST]\])?(?:, | and )?)+)", path.read_text()):
            found |= set(re.findall(r"\d\.\d+", mention))
    return found


def test_each_line_that_was_asked_for_is_named_by_a_test() -> None:
    assert len(asked_for()) > 15
    assert asked_for() <= named()
