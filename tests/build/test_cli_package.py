"""The command line installs as a package of its own: `pipx install .`, without the functions and the tools."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

from build.toolchain import ROOT, VENVS

UV = VENVS / "uv" / "bin" / "uv"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LOAD_ALL = """
import importlib, pkgutil, tocsin_cli
for module in pkgutil.walk_packages(tocsin_cli.__path__, "tocsin_cli."):
    print(importlib.import_module(module.name).__name__)
"""
PRINT = "import tocsin_cli, importlib.util as found; print(tocsin_cli.__file__, found.find_spec('tocsin'))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it with the backend that is installed: no network is needed for that."""
    to = tmp_path_factory.mktemp("wheel")
    code = f"import hatchling.build as backend; print(backend.build_wheel({str(to)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return to / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel and what it says it needs, at the versions that are locked here.

    They come from the installer's cache, where `make install` has put them; from the index only if that was emptied.
    """
    to = tmp_path_factory.mktemp("environment")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, "--clear", to], check=True)
    locked = ROOT / "requirements" / "dev.txt"
    install: list[str | Path] = [
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        to / "bin" / "python",
        "--constraints",
        locked,
        wheel,
    ]
    subprocess.run(install, check=True)
    return to


def run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath}
    return subprocess.run(
        [installed / "bin" / command[0], *command[1:]],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_the_command_line_and_nothing_else(wheel: Path) -> None:
    """The layer's package is called `tocsin`; the command line's must not be, or it would stand in for it."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"tocsin_cli", f"tocsin-{VERSION}.dist-info"}
    assert "tocsin_cli/console/static/index.html" in names
    assert not [name for name in names if name.endswith((".pyc", ".map"))]


def test_it_needs_what_it_imports_and_no_tool(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"tocsin-{VERSION}.dist-info/METADATA").decode()
    needed = {line.split()[1].split(">")[0] for line in metadata.splitlines() if line.startswith("Requires-Dist:")}
    assert needed == {"boto3", "click", "cryptography", "mcp", "rich", "starlette", "uvicorn"}


def test_the_installed_command_answers(installed: Path) -> None:
    version = run(installed, "tocsin", "--version")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"tocsin {VERSION}\n", "")
    help_ = run(installed, "tocsin", "--help")
    assert (help_.returncode, help_.stderr) == (0, "")
    assert "requeue" in help_.stdout


@pytest.mark.parametrize("command", ["list", "console", "mcp", "watch"])
def test_each_command_loads_without_the_checkout(installed: Path, command: str) -> None:
    """Those with most to load among them: nothing of the layer, the functions or the tests is needed."""
    done = run(installed, "tocsin", command, "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_module_loads_where_nothing_else_is_installed(installed: Path) -> None:
    """Whatever the commands import at their top comes with what the wheel says it needs."""
    done = run(installed, "python", "-W", "error", "-c", LOAD_ALL)
    assert (done.returncode, done.stderr) == (0, ""), done
    loaded = set(done.stdout.split())
    files = [path.relative_to(ROOT / "cli").with_suffix("") for path in (ROOT / "cli").rglob("*.py")]
    assert loaded == {".".join(path.parts).removesuffix(".__init__") for path in files} - {"tocsin_cli"}


def test_nothing_is_imported_that_a_fresh_installation_would_not_have() -> None:
    """Whatever the commands import comes with what the wheel says it needs; the developers' tools do not count."""
    providers = packages_distributions()
    allowed = closure({"boto3", "click", "cryptography", "mcp", "rich", "starlette", "uvicorn"})
    imported = {name for file in (ROOT / "cli").rglob("*.py") for name in imports_of(file)}
    foreign = imported - sys.stdlib_module_names - {"tocsin_cli"}
    assert {name for name in foreign if not {_plain(one) for one in providers.get(name, ())} & allowed} == set()
    assert {"boto3", "click", "starlette"} <= foreign


def imports_of(file: Path) -> set[str]:
    """Give the packages that a module imports when it runs, wherever in it."""
    every = list(ast.walk(ast.parse(file.read_text())))
    of_types = [node for node in every if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    unused = {id(inner) for node in of_types for inner in ast.walk(node)}
    nodes = [node for node in every if id(node) not in unused]
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    from_ = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | from_}


def closure(names: set[str]) -> set[str]:
    """Give the distributions that come with some, those of no extra."""
    found: set[str] = set()
    while names:
        found |= names
        lines = [line for name in names for line in _required(name)]
        names = {_plain(re.split(r"[^\w.-]", line)[0]) for line in lines if "extra ==" not in line} - found
    return found


def _required(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another system
        return []


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_it_is_not_the_checkout_that_answers(installed: Path) -> None:
    done = run(installed, "python", "-c", PRINT)
    assert done.stdout.startswith(str(installed)), done
    assert done.stdout.strip().endswith(" None"), done
