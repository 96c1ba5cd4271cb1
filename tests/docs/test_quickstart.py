"""The commands of the quickstart and of operations, run as they are written, against the embedded AWS."""

import re
import shutil
from collections.abc import Iterator, Mapping

import pytest

from local.loopback import free_port
from tests.docs.checkout import Shell, a_shell, copied
from tests.docs.markdown import SHELL, Block, blocks, page

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

QUICKSTART = [block for block in blocks(page("docs/quickstart.md")) if block.language in (*SHELL, "text")]
OPERATIONS = blocks(page("docs/operations.md"), *SHELL)
START = 3
"""Blocks of the quickstart that bring the stack up and define what all others use."""
NEEDS_AN_ACCOUNT = ("make deploy", "delete-stack", "delete-table", "delete-parameters")
API_URL = re.compile(r"^TOCSIN_API_URL=.*$", re.MULTILINE)
AN_ID = re.compile(r"^id=\w+$", re.MULTILINE)
A_CHANNEL = ("Slack.payments", "SNS")
"""The channel that the text names, and one that the stack has."""
ATTACH = "aws iam attach-role-policy"
A_ROLE = "aws iam create-role --role-name on-call --assume-role-policy-document '{}'\n"
"""Makes the role that the text gives a policy: in an account somebody has it."""
NEWEST = "id=$(tocsin '/notifications?limit=1' | grep -o '[0-7][0-9A-Z]\\{25\\}' | head -n 1)"


@pytest.fixture(scope="module")
def ports() -> dict[str, str]:
    """Free ports for what the quickstart starts on 9099 and 9443."""
    return {"9099": str(free_port()), "9443": str(free_port())}


@pytest.fixture
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in a copy of the checkout, after the quickstart's section "Start".

    Each page has its own: restoring exports the names of the restored tables, which the next `make up` would adopt.
    """
    with a_shell(copied(tmp_path_factory.mktemp("checkout"))) as opened:
        for block in QUICKSTART[: START - 1]:
            opened.run(block.text)
        yield opened


def test_the_commands_of_operations(shell: Shell) -> None:
    """All but those that deploy to an account or remove a stack from it; the API and the channels are this stack's."""
    for block in OPERATIONS:
        if not any(word in block.text for word in NEEDS_AN_ACCOUNT):
            here = API_URL.sub(r"\g<0>\n. .local/stack.env", block.text)
            there = here.replace(ATTACH, A_ROLE + ATTACH)
            shell.run(AN_ID.sub(lambda _: NEWEST, there).replace(*A_CHANNEL))


def test_the_quickstart(shell: Shell, ports: Mapping[str, str]) -> None:
    """Every command, in order; what a `text` block shows is printed, in this order, by the commands before it."""
    printed = ""
    for block in QUICKSTART[START - 1 :]:
        if block.language == "text":
            missing = first_missing(moved(block.text, ports), printed)
            assert missing is None, f"{block}: {missing!r} is not in what was printed:\n{printed}"
        else:
            printed = shell.run(moved(block.text, ports))


def moved(text: str, ports: Mapping[str, str]) -> str:
    """Write other ports where a text names its own."""
    for own, other in ports.items():
        text = text.replace(own, other)
    return text


def first_missing(expected: str, printed: str) -> str | None:
    """Give the first expected line that no line behind the one before it is like.

    "…" stands for anything in a line, and alone for any lines. A comma at the end of what was printed may be left out.
    """
    lines = iter(printed.splitlines())
    for wanted in (line for line in expected.splitlines() if line != "…"):
        pattern = ".*".join(map(re.escape, wanted.split("…")))
        if not any(re.fullmatch(pattern, line.rstrip(",") if wanted[-1:] != "," else line) for line in lines):
            return wanted
    return None


def test_a_line_that_was_not_printed_is_found() -> None:
    assert first_missing("a\n…\nd", "a\nb\nc\nd") is None
    assert first_missing("a\n…\nd", "a\nd") is None
    assert first_missing("x…z", "xyz") is None
    assert first_missing("b\na", "a\nb") == "a"


def test_every_block_is_one_that_this_test_runs_or_compares() -> None:
    """A fence without a language would be neither."""
    for name in ("docs/quickstart.md", "docs/operations.md", "README.md"):
        for block in blocks(page(name)):
            assert isinstance(block, Block)
            assert block.language in (*SHELL, "text", "json", "python", "yaml"), block
