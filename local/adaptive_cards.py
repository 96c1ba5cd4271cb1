"""Adaptive Cards as a client shows them: Microsoft's own renderer, in node, on a DOM without a browser."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.npm import Package

RENDERER = Package(
    "adaptivecards",
    "3.0.6",
    "WDCIb2WXZ7cOHJ9HIHRNdhSt861HySVOdN2xPk2aKHAF3JvD8QGQ8/XcNFrDJxCteOog8MM7EBlXfSAR8JXKAg==",
)
MARKDOWN = Package(
    "markdown-it",
    "15.0.3",
    "+Az7Ojz3iRGu8KYMvJ6xVhvrxP3eE+vEtJX75Ow88XBpcQNV/0lGX5ZynIIBftREo4DC2jsveAMDaeltmm8QvQ==",
)
"""What the renderer's own page says to read markdown with."""
DOM = Package(
    "@mixmark-io/domino",
    "2.2.0",
    "Y28PR25bHXUg88kCV7nivXrP2Nj2RueZ3/l/jdx6J9f8J4nsEGcgX0Qe6lt7Pa+J79+kPiJU3LguR6O/6zrLOw==",
)
PROGRAM = Path(__file__).with_name("adaptive_cards.js")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a reader sees of a card, and what the renderer found wrong with it."""

    problems: list[str]
    texts: list[str]
    """Of each RichTextBlock."""
    markdown: list[str]
    """The HTML of each TextBlock that is no fact."""
    facts: dict[str, str]
    links: list[str]
    """The address of each link in a text; actions are not among them."""
    tags: list[str]
    """The names of all elements that texts are shown by, each once, in order."""


Render = Callable[[Mapping[str, Any]], Rendered]


def files() -> tuple[Path, Path]:
    """Return the scripts that a page needs: the renderer, and what reads markdown for it."""
    return (
        RENDERER.installed() / "dist" / "adaptivecards.min.js",
        MARKDOWN.installed() / "dist" / "browser" / "markdown-it.umd.min.js",
    )


@contextmanager
def rendering() -> Iterator[Render]:
    """Give what renders a card, for as long as the block runs; raise UnavailableError where that can't be."""
    command = ["node", str(PROGRAM), *map(str, files()), str(DOM.installed())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        cards, answers = node.stdin, node.stdout
        if cards is None or answers is None:
            raise AssertionError

        def render(card: Mapping[str, Any]) -> Rendered:
            print(json.dumps(card), file=cards, flush=True)
            return Rendered(**json.loads(answers.readline()))

        yield render
        cards.close()
