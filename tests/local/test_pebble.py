"""Pebble: found, pinned, and missed aloud."""

import subprocess
from pathlib import Path

import pytest

from local import pebble


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    home = tmp_path / "pebble" / pebble.VERSION
    monkeypatch.setattr(pebble, "HOME", home)
    monkeypatch.setattr(pebble, "PROGRAM", home / "pebble")
    return home / "pebble"


def a_go(directory: Path, script: str) -> Path:
    """Put a program named go into a directory."""
    program = directory / "go"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_go_is_found_where_it_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A clean environment's PATH doesn't have it."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(pebble, "GO_HOMES", (tmp_path,))
    with pytest.raises(pebble.UnavailableError, match="go is not installed"):
        pebble.go()
    assert not pebble.is_go_there()
    program = a_go(tmp_path, "exit 0")
    assert pebble.go() == str(program)


def test_what_is_not_the_pinned_module_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, not_installed: Path
) -> None:
    """The program says which module it was built from, by its checksum."""
    script = f'case "$1" in install) cp /bin/true "$GOBIN/pebble";; *) echo "mod {pebble.MODULE} $SAID";; esac'
    a_go(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("SAID", f"{pebble.VERSION} h1:another")
    with pytest.raises(pebble.UnavailableError, match="not what was pinned"):
        pebble.install()
    assert not not_installed.exists()
    monkeypatch.setenv("SAID", f"{pebble.VERSION} {pebble.SUM}")
    pebble.install()
    assert subprocess.run([not_installed], check=False).returncode == 0


@pytest.mark.parametrize(("ci", "go", "code"), [("true", True, 1), ("true", False, 0), ("", True, 0)])
def test_ci_takes_no_excuse_where_go_is_there(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    not_installed: Path,
    capsys: pytest.CaptureFixture[str],
    ci: str,
    go: bool,
    code: int,
) -> None:
    if go:
        a_go(tmp_path, "echo the proxy is away >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(pebble, "GO_HOMES", ())
    monkeypatch.setenv("CI", ci)
    assert pebble.main() == code
    said = capsys.readouterr().err
    assert ("the proxy is away" if go else "go is not installed") in said
    assert "Its tests will be skipped." in said
