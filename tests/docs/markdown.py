"""The documents as the tests read them: their blocks, tables, headings and links."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from build.toolchain import ROOT

SHELL = ("sh", "bash", "console")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    """Of its opening fence, from 1."""
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Give every document, the READMEs and CONTRIBUTING included."""
    return sorted(
        [
            ROOT / "README.md",
            ROOT / "CONTRIBUTING.md",
            *(page for top in ("docs", "examples") for page in (ROOT / top).rglob("*.md")),
        ]
    )


def name_of(page: Path) -> str:
    """Name a document as its readers do."""
    return page.relative_to(ROOT).as_posix()


def page(name: str) -> Path:
    """Give the document of this name."""
    return ROOT / name


@cache
def _tokens(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text())


def blocks(path: Path, *languages: str, under: str | None = None) -> list[Block]:
    """Give the fenced blocks of a document (or of the section with the heading `under`), or those in `languages`."""
    found: list[Block] = []
    heading = ""
    for token, inner in _with_contents(_tokens(path)):
        if token.type == "heading_open":
            heading = inner
        if token.type == "fence" and token.map and under in (None, heading):
            found.append(Block(name_of(path), token.map[0] + 1, token.info.strip(), token.content))
    return [block for block in found if not languages or block.language in languages]


def tables(path: Path, under: str | None = None) -> list[list[Mapping[str, str]]]:
    """Give the tables of a document (or of the section with the heading `under`), a mapping for each row."""
    found: list[list[Mapping[str, str]]] = []
    head: list[str] = []
    cells: list[str] = []
    heading = ""
    for token, inner in _with_contents(_tokens(path)):
        match token.type:
            case "heading_open":
                heading = inner
            case "table_open":
                head = []
                found += [[]] if under in (None, heading) else []
            case "tr_open":
                cells = []
            case "th_open" | "td_open":
                cells.append(inner)
            case "tr_close" if under in (None, heading):
                if head:
                    found[-1].append(dict(zip(head, cells, strict=True)))
                head = head or cells
    return found


def _with_contents(tokens: list[Token]) -> Iterator[tuple[Token, str]]:
    """Give each token with the text of the inline token behind it."""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        yield token, following.content if following is not None and following.type == "inline" else ""


def anchors(path: Path) -> set[str]:
    """Give the anchors of a document's headings, as GitHub and GitLab make them."""
    headings = [inner for token, inner in _with_contents(_tokens(path)) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def headings(path: Path) -> list[str]:
    """Give the texts of a document's headings."""
    return [inner for token, inner in _with_contents(_tokens(path)) if token.type == "heading_open"]


def links(path: Path) -> list[str]:
    """Give where a document's links lead."""
    inline = [child for token in _tokens(path) for child in token.children or []]
    return [str(child.attrs["href"]) for child in inline if child.type == "link_open"]


def codes(cell: str) -> list[str]:
    """Give what a cell of a table shows as code, in order."""
    return re.findall(r"`([^`]+)`", cell)


def commands(block: Block) -> list[str]:
    """Give the commands of a shell block, each on one line; a function's definition is one command."""
    whole: list[str] = []
    pending = ""
    for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
        bare = re.sub(r"(^|\s)#.*$", "", line.removeprefix("$ ")).strip()
        if not bare:
            continue
        pending = f"{pending}\n{bare}" if pending else bare
        if _is_whole(pending):
            whole.append(pending)
            pending = ""
    assert not pending, f"{block}: the command does not end: {pending}"
    return whole


def _is_whole(text: str) -> bool:
    opened = len(re.findall(r"\{$|\bdo$|\bthen$", text, re.MULTILINE))
    closed = len(re.findall(r"^(?:\}|done|fi)\b|^\}", text, re.MULTILINE))
    return opened == closed and text.count("'") % 2 == 0
