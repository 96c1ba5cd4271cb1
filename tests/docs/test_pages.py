"""What every document must be: short where it says so, with links that lead somewhere, and examples that hold."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from build.toolchain import ROOT
from tests.docs.markdown import anchors, blocks, headings, links, name_of, page, pages, tables
from tests.support.channels import SECRET, a_notification
from tocsin.channels.document import ChannelDocument
from tocsin.channels.registry import KINDS
from tocsin.channels.signature import key_of, signed_headers
from tocsin.channels.webhook import event_body
from tocsin.delivery.channel_name import ChannelKind
from tocsin.delivery.notification import MESSAGE_LIMIT

every_page = pytest.mark.parametrize("path", pages(), ids=name_of)
CONNECTORS = page("docs/connectors.md")


def test_the_readme_is_short() -> None:
    """At most 90 lines."""
    assert len(page("README.md").read_text().splitlines()) <= 90


def test_the_newest_release_of_the_changelog_is_the_projects_version() -> None:
    newest = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", page("CHANGELOG.md").read_text(), re.MULTILINE)[
        0
    ]
    assert newest == tomllib.loads(page("pyproject.toml").read_text())["project"]["version"]


@every_page
def test_links_lead_somewhere(path: Path) -> None:
    """Relative links name a file, and an anchor in it; others are https."""
    for link in links(path):
        target, _, anchor = link.partition("#")
        if link.startswith("https://"):
            continue
        there = path.parent / target if target else path
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@every_page
def test_nothing_of_the_workshop_is_mentioned(path: Path) -> None:
    """Paths of one machine, addresses of one network and the tracker mean nothing to a reader."""
    machine = r"/(?:root|home|tmp)/"
    elsewhere = r"(?i:\bissue #?\d+)|https?://(?:10|192\.168)\.[\d.]+"
    assert re.findall(f"{machine}|{elsewhere}", path.read_text()) == []


@every_page
def test_json_can_be_read(path: Path) -> None:
    for block in blocks(path, "json"):
        json.loads(block.text)


def test_every_decision_is_in_the_index() -> None:
    index = page("docs/decisions/README.md")
    written = {path.name for path in index.parent.glob("*.md")} - {"README.md"}
    assert set(links(index)) == written, "docs/decisions/README.md lists every page of its directory"


def test_decisions_that_the_code_names_exist() -> None:
    """A comment that says "docs/decisions/x.md" leads to a page."""
    places = ("template.yaml", "Makefile", "local", "build", "demo", "functions", "layers/tocsin/tocsin", "tests")
    files = [file for place in places for file in [ROOT / place, *(ROOT / place).rglob("*")] if file.is_file()]
    texts = [
        file.read_text() for file in files if file.suffix in (".py", ".yaml", "") and file.name != Path(__file__).name
    ]
    named = {name for text in texts for name in re.findall(r"docs/[\w/-]+\.md", text)}
    assert not [name for name in named if not page(name).exists()]


def test_a_decision_has_one_page_and_one_title() -> None:
    for path in page("docs/decisions").glob("*.md"):
        assert len(headings(path)) >= 1, path
        assert len(path.read_text().splitlines()) <= 60, path


# ── Connectors ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_signature_example_trusts_what_tocsin_signs_and_nothing_else() -> None:
    """The Python of the page, run on a request that is signed as the channel signs it."""
    scope: dict[str, Any] = {}
    exec(blocks(CONNECTORS, "python")[0].text, scope)  # noqa: S102 - the example is ours
    body = event_body(a_notification())
    headers = dict(signed_headers("an id", datetime.now(UTC), body, [key_of(SECRET)]))
    assert scope["event_of"](body, headers, SECRET)["data"]["severity"] == "warning"
    assert scope["event_of"](body + b" ", headers, SECRET) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_that_the_page_shows_is_valid(kind: ChannelKind) -> None:
    """The first block of JSON in the section of each kind is what to store."""
    shown = blocks(CONNECTORS, "json", under=section_of(kind))[0].text
    KINDS[kind].document.model_validate_json(shown)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_document_is_described(kind: ChannelKind) -> None:
    """The first table in the section of each kind has its own fields; those of all kinds stand once."""
    described = [row["field"].strip("`") for row in tables(CONNECTORS, section_of(kind))[0]]
    assert set(described) == KINDS[kind].document.model_fields.keys() - ChannelDocument.model_fields.keys()


def test_the_fields_of_every_document_are_described() -> None:
    described = [row["field"].strip("`") for row in tables(CONNECTORS, "What every document may say")[0]]
    assert set(described) == ChannelDocument.model_fields.keys()


def section_of(kind: ChannelKind) -> str:
    """Give the heading that names a kind: one section may be about two."""
    return next(heading for heading in headings(CONNECTORS) if kind in re.split(r"\W+", heading))


def test_the_event_of_the_page_has_the_form_of_a_real_one() -> None:
    shown = json.loads(blocks(CONNECTORS, "json", under="Webhook")[1].text)
    real = json.loads(event_body(a_notification()))
    assert list(shown) == list(real)
    assert list(shown["data"]) == list(real["data"])


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    assert MESSAGE_LIMIT == 32 * 1024
    assert "at most 32 KB" in page("docs/api.md").read_text()
