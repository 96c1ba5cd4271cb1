"""docs/cli.md against the command line. Its commands are run by tests/e2e/test_cli.py."""

import click

from tests.docs.markdown import codes, page, tables
from tocsin_cli.exits import Exit
from tocsin_cli.main import COMMANDS, main

PAGE = page("docs/cli.md")


def test_every_exit_code_is_described() -> None:
    (rows,) = [table for table in tables(PAGE) if "exit code" in table[0]]
    assert [int(row["exit code"]) for row in rows] == [code.value for code in Exit]


def test_every_way_to_the_stack_is_described_with_its_variables() -> None:
    (rows,) = tables(PAGE, "Which stack")
    own = {option.opts[0]: option for option in main.params if isinstance(option, click.Option)}
    described = {codes(row["option"])[0]: set(codes(row["variable"])) for row in rows}
    assert described.keys() == own.keys() - {"--version"}
    for name, variables in described.items():
        wanted = own[name].envvar or f"TOCSIN_{name.removeprefix('--').upper()}"
        assert set([wanted] if isinstance(wanted, str) else wanted) <= variables, name


def test_every_command_stands_on_some_page() -> None:
    """Those of the dashboard and of assistants have pages of their own."""
    text = "".join(path.read_text() for path in PAGE.parent.glob("*.md"))
    assert [name for name in COMMANDS if f"tocsin {name}" not in text] == []
