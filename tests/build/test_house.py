"""The linter holds the house: one direction between packages, and a pure domain, for modules that are yet to come."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from build.toolchain import ROOT

LAYER = ROOT / "layers" / "tocsin"
BIN = Path(sys.executable).parent
UPWARD = [
    ("storage", "bootstrap.resources"),
    ("sources", "storage.codec"),
    ("expiry", "sources.intake"),
    ("inventory", "expiry.plan"),
    ("inventory", "channels.webhook"),
    ("channels", "inventory.policy"),
    ("delivery", "channels.channel"),
    ("network", "delivery.retry"),
]
"""A package, and a module above or beside it."""
PURE = ("delivery", "inventory", "expiry")
IMPURE = ("boto3", "botocore", "aws_lambda_powertools", "aiohttp", "os", "random", "secrets", "socket", "uuid")


def imports(tmp_path: Path, planted: str, text: str) -> str:
    """Plant a module into a copy of the package; give what the linter says, or nothing where it is content."""
    shutil.copytree(LAYER, tmp_path / "layer", ignore=shutil.ignore_patterns("__pycache__"))
    module = tmp_path / "layer" / "tocsin" / planted
    module.parent.mkdir(exist_ok=True)
    (module.parent / "__init__.py").touch()
    module.write_text(text)
    done = subprocess.run(
        [BIN / "lint-imports", "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=tmp_path / "layer",
        env={"PYTHONPATH": str(tmp_path / "layer"), "PATH": os.defpath, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_the_package_as_it_is_keeps_the_order(tmp_path: Path) -> None:
    assert imports(tmp_path, "delivery/planted.py", "") == ""


@pytest.mark.parametrize(("package", "above"), UPWARD)
def test_an_import_upwards_is_refused(tmp_path: Path, package: str, above: str) -> None:
    said = imports(tmp_path, f"{package}/planted.py", f"import tocsin.{above}\n")
    assert f"tocsin.{package}.planted -> tocsin.{above}" in said


def test_a_new_package_is_refused_until_it_has_its_place(tmp_path: Path) -> None:
    assert "tocsin.attic" in imports(tmp_path, "attic/planted.py", "")


@pytest.mark.parametrize("package", PURE)
def test_the_domain_imports_nothing_that_is_not_pure(tmp_path: Path, package: str) -> None:
    said = imports(tmp_path, f"{package}/planted.py", "".join(f"import {name}\n" for name in IMPURE))
    assert all(f"tocsin.{package}.planted -> {name} " in said for name in IMPURE), said


@pytest.mark.parametrize("package", PURE)
@pytest.mark.parametrize("call", ["datetime.datetime.now(datetime.UTC)", "datetime.date.today()", "time.time()"])
def test_the_domain_reads_no_clock(package: str, call: str) -> None:
    text = f"import {call.partition('.')[0]}\n\n{call}\n"
    planted = LAYER / "tocsin" / package / "planted.py"
    command: list[str | Path] = [
        BIN / "ruff",
        "check",
        "--no-cache",
        "--select",
        "TID251",
        "--stdin-filename",
        planted,
        "-",
    ]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "TID251" in done.stdout
