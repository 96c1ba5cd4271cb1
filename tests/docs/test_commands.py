"""Every command of the documents: make knows its target, AWS knows its options, and what it sends is signed well."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from build.template import parameter_defaults
from build.toolchain import ROOT
from tests.docs.aws_cli import CUSTOM, understood
from tests.docs.markdown import SHELL, Block, blocks, commands, page, pages
from tests.docs.signatures import REGION, SECRET_KEY, a_gateway
from tests.docs.template import routes

ALL = [block for path in pages() for block in blocks(path, *SHELL)]
every_block = pytest.mark.parametrize("block", ALL, ids=str)

OF_MAKE = {"ARGS", "CONFIG", "CONFIRM", "DEMO", "ONCE", "PYTHON", "TOCSIN_AWS_PORT"}
"""What the targets take besides the template's parameters."""
OF_THE_SHELL = {
    "make",
    "aws",
    "curl",
    "awscurl",
    "sam",
    "pipx",
    "cat",
    "echo",
    "cd",
    "kill",
    "wait",
    "export",
    "until",
    "while",
    "for",
    ".",
    "printf",
    "eval",
}
OF_THE_PAGES = {"tocsin", "logs", "pretty", "fields", "follow", "json", "rows", "in_days"}
"""Functions that a page defines before it uses them."""
ASSIGNMENT = re.compile(r"^\w+=")


def upper_snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


ENDS = "|;&<>)\n"


def calls(text: str, tool: str) -> list[list[str]]:
    """Give the words behind each use of `tool` in a shell text, up to where the command ends."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"\$\(\(.*?\)\)", "1", text))
    uses = re.finditer(rf"(?:^|[;&|(]|\bdo\b|\buntil\b)\s*{tool} ", text, re.MULTILINE)
    return [list(_words(text[use.end() :])) for use in uses]


def _words(text: str) -> Iterator[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=ENDS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    while (word := lexer.get_token()) is not None and word.strip(ENDS):
        yield word


def test_there_are_commands() -> None:
    assert len(ALL) > 20


@every_block
def test_the_shell_can_read_it(block: Block) -> None:
    for shell in ("sh", "bash"):
        done = subprocess.run([shell, "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@every_block
def test_each_command_is_known(block: Block) -> None:
    for command in commands(block):
        first = command.split()[0]
        known = first in OF_THE_SHELL | OF_THE_PAGES or ASSIGNMENT.match(first) or first.endswith("()")
        assert known or (ROOT / first).exists() or first.startswith(".venv/bin/"), command


@every_block
def test_make_knows_the_target_and_its_parameters(block: Block) -> None:
    settable = OF_MAKE | {upper_snake(name) for name in parameter_defaults()}
    for words in calls(block.text, "make"):
        target, *given = words
        assert _is_target(target), target
        assert {word.partition("=")[0] for word in given} <= settable, words


def test_make_knows_what_the_prose_says() -> None:
    """In code spans too: `make demo ONCE=1`."""
    for path in pages():
        for target in re.findall(r"`make ([a-z]+)", path.read_text()):
            assert _is_target(target), (path, target)


def test_every_deployment_names_its_configuration() -> None:
    """A plain one is a trial: where a page means production, it says so."""
    for path in pages():
        uses = re.findall(r"(?<!`)make deploy (?!`)[^`\n]*|`make deploy [^`]*`", path.read_text())
        assert [use for use in uses if "CONFIG=" not in use] == [], path


def _is_target(name: str) -> bool:
    return re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE) is not None


@every_block
def test_aws_knows_the_command_and_its_options(block: Block) -> None:
    """By the service's own description, so that no account is needed."""
    for words in calls(block.text, "aws"):
        if tuple(words[:2]) in CUSTOM:
            continue
        understood(words)


def test_what_aws_does_not_know_is_found() -> None:
    with pytest.raises(AssertionError, match="no command"):
        understood(["ssm", "put-parameters"])
    with pytest.raises(AssertionError, match="no option"):
        understood(["ssm", "put-parameter", "--nam", "x"])
    with pytest.raises(AssertionError, match="needs"):
        understood(["ssm", "put-parameter", "--name", "x"])


# ── What is sent to the API ──────────────────────────────────────────────────────────────────────────────────────────

OPERATIONS = page("docs/operations.md")
SENDING = [block for block in ALL if re.search(r"\btocsin ['\"/]", block.text)]


SET_BEFORE = """
id=01JZ8W3T5N6V0QJ4X2M7C9K1RB cursor=abc_-9 expires=2026-03-01T12:00:00Z pem=x
owner=$id policy=$id certificate=$id yesterday=$expires next_week=$expires
json() { echo '{}'; }
in_days() { echo "$1"; }
"""
"""What the pages have set or defined before they send."""


def definition_of_tocsin() -> str:
    """Give the function with which operators sign."""
    text = next(block.text for block in blocks(OPERATIONS, *SHELL) if "tocsin() {" in block.text)
    return text[text.index("tocsin() {") : text.index("\n}\n") + 3]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("token", ["", "a session token"])
@pytest.mark.parametrize("page_name", sorted({block.page for block in SENDING}))
def test_requests_are_signed_as_aws_wants_and_lead_to_routes(page_name: str, token: str, tmp_path: Path) -> None:
    """Each request of the page, alone: parameters sorted and encoded, for curl up to 8.2 does neither."""
    requests = [words for block in SENDING if block.page == page_name for words in calls(block.text, "tocsin")]
    lines = [f"tocsin {' '.join(_quoted(word) for word in words)} > answer.json" for words in requests]
    script = "\n".join(["set -eu", SET_BEFORE, definition_of_tocsin(), *lines])
    with a_gateway() as gateway:
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": "AKID",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "TOCSIN_API_URL": gateway.url,
        } | ({"AWS_SESSION_TOKEN": token} if token else {})
        done = subprocess.run(
            ["bash"], input=script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert not gateway.problems
    assert len(gateway.requests) == len(lines) > 0
    for method, path in gateway.requests:
        route = path.replace("01JZ8W3T5N6V0QJ4X2M7C9K1RB", "{id}")
        route = re.sub(r"^/channels/[\w.-]+/", "/channels/{name}/", route)
        assert f"{method} {route}" in routes()


def test_the_readmes_python_sends_an_alert() -> None:
    """As it stands there, in an interpreter of its own, to a gateway that checks the signature."""
    (example,) = blocks(page("README.md"), "python")
    with a_gateway() as gateway:
        environment = {
            "AWS_ACCESS_KEY_ID": "AKID",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "TOCSIN_API_URL": gateway.url,
        }
        command = [sys.executable, "-c", example.text]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (gateway.requests, gateway.problems) == ([("POST", "/notifications")], [])


def test_the_readmes_alerts_are_accepted() -> None:
    """The bodies of both examples, as the API reads them."""
    (python,), (shell, *_) = blocks(page("README.md"), "python"), blocks(page("README.md"), *SHELL)
    in_python = re.findall(r"^alert = (\{.*\})$", python.text, re.MULTILINE)
    in_shell = re.findall(r"-d '(\{.*\})'", shell.text)
    assert [json.loads(text) for text in in_python] == [json.loads(text) for text in in_shell] != []


def _quoted(word: str) -> str:
    """Quote a word again, so that the shell still fills in its variables."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`") + '"'
