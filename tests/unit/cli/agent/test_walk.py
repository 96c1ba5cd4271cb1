"""Which files `tocsin report` looks at: a walk is bounded, stays in its trees, and says what it passed over.

Contract 4.15 [T].
"""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tocsin_cli.agent.walk import Walk


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    return root


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def walked(*paths: Path | str, most_files: int = 100, excluded: Sequence[str] = ()) -> tuple[list[str], Walk]:
    walk = Walk(most_files, excluded)
    return list(walk.files([str(path) for path in paths])), walk


def test_below_a_directory_files_are_told_by_their_names(tree: Path) -> None:
    names = ["b.pem", "a/c.CRT", "a/d.p12", "z.jks", "x/.keystore", "x/app.keystore"]
    for name in (*names, "readme.txt", "a/server.key", "a/b.PEM.bak", "id_rsa"):
        made(tree / name)
    found, walk = walked(tree)
    assert found == [
        str(tree / name) for name in ("b.pem", "z.jks", "a/c.CRT", "a/d.p12", "x/.keystore", "x/app.keystore")
    ]
    assert walk.passed_over == {"a private key's file": 1}
    assert walk.problems == []


def test_a_named_file_is_looked_at_whatever_it_is_called_but_a_keys_file(tree: Path) -> None:
    found, walk = walked(made(tree / "odd"), made(tree / "server.key"))
    assert found == [str(tree / "odd")]
    assert walk.named == {str(tree / "odd"), str(tree / "server.key")}
    assert walk.passed_over == {"a private key's file": 1}


def test_a_pattern_is_expanded_as_by_a_shell(tree: Path) -> None:
    """Cron and systemd expand none."""
    for name in ("b/cert.pem", "a/cert.pem", "a/privkey.pem", "[x]/cert.pem"):
        made(tree / name)
    assert walked(f"{tree}/[ab]/cert.pem")[0] == [str(tree / "a/cert.pem"), str(tree / "b/cert.pem")]
    assert walked(f"{tree}/[x]/cert.pem")[0] == [str(tree / "[x]/cert.pem")]  # it is there by this very name
    found, walk = walked(f"{tree}/c*/cert.pem")
    assert found == []
    assert [one.problem for one in walk.problems] == ["nothing is there"]


def test_each_file_is_given_once(tree: Path) -> None:
    file = made(tree / "a.pem")
    assert walked(tree, file, f"{tree}/*.pem", f"{tree}/./a.pem")[0] == [str(file)]


def test_what_is_excluded_is_not_looked_at(tree: Path) -> None:
    for name in ("live/a.pem", "archive/a/1.pem", "archive/2.pem", "archive.pem"):
        made(tree / name)
    found, _walk = walked(tree, excluded=["*/archive"])
    assert found == [str(tree / "archive.pem"), str(tree / "live/a.pem")]


def test_a_walk_ends_at_its_limit_and_says_so(tree: Path) -> None:
    """Contract 4.15 [T]: bounded, and said."""
    for number in range(30):
        made(tree / f"{number:02}.pem")
    found, walk = walked(tree, most_files=10)
    assert len(found) == 10
    (problem,) = walk.problems
    assert problem.problem == "more than 10 files and directories: the others were not looked at"
    assert walked(tree, most_files=30)[1].problems == []


def test_a_huge_directory_is_not_read_to_its_end(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    scandir = os.scandir

    class Counted:
        def __init__(self, path: str) -> None:
            self._found = scandir(path)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_error: object) -> None:
            self._found.close()

        def __iter__(self) -> Self:
            return self

        def __next__(self) -> "os.DirEntry[str]":
            nonlocal read
            read += 1
            return next(self._found)

    for number in range(100):
        made(tree / f"{number}.pem")
    monkeypatch.setattr(os, "scandir", Counted)
    walked(tree, most_files=10)
    assert read <= 12


def test_links_are_followed_within_the_trees_only(tree: Path, tmp_path: Path) -> None:
    """Contract 4.15 [T]: as certbot links `live` to `archive`, but not to where nobody sent it."""
    inside, outside = made(tree / "archive/cert1.pem"), made(tmp_path / "elsewhere/secret.pem")
    (tree / "live").mkdir()
    (tree / "live/cert.pem").symlink_to(inside)
    (tree / "live/out.pem").symlink_to(outside)
    (tree / "live/nowhere.pem").symlink_to(tree / "gone")
    (tree / "live/odd").symlink_to(outside)
    (tree / "live/loop").symlink_to(tree)
    (tree / "live/away").symlink_to(outside.parent)
    (tree / "live/self.pem").symlink_to(tree / "live/self.pem")
    found, walk = walked(tree)
    assert found == [str(inside), str(tree / "live/cert.pem")]
    assert walk.passed_over == {
        "a link out of the directory": 1,
        "a link to a directory elsewhere": 1,
        "a link that leads nowhere": 2,
    }
    assert walked(tree / "live", tree / "archive")[0] == [str(tree / "live/cert.pem"), str(inside)]


def test_a_tree_beside_another_of_a_longer_name_is_another(tree: Path, tmp_path: Path) -> None:
    outside = made(tmp_path / "tree2/a.pem")
    (tree / "a.pem").symlink_to(outside)
    assert walked(tree)[0] == []


def test_a_named_link_is_followed(tree: Path, tmp_path: Path) -> None:
    """Who names it means it; a directory as well. A link to a key's file is one."""
    outside = made(tmp_path / "elsewhere/a.pem")
    (tree / "cert.pem").symlink_to(outside)
    (tree / "d").symlink_to(outside.parent)
    (tree / "e.pem").symlink_to(made(tmp_path / "elsewhere/b.key"))
    assert walked(tree / "cert.pem", tree / "d", tree / "e.pem")[0] == [str(tree / "cert.pem"), str(tree / "d/a.pem")]


def test_what_is_no_file_is_passed_over(tree: Path) -> None:
    """Contract 4.15 [T]: pipes and sockets, by whatever name."""
    os.mkfifo(tree / "pipe.pem")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(tree)  # the path of a socket is short
        try:
            listening.bind("socket.pem")
        finally:
            os.chdir(here)
        found, walk = walked(tree)
    assert found == []
    assert walk.passed_over == {"no regular file": 2}


def test_a_directory_that_can_not_be_read_is_said(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so that the system's refusal is played here; in a process of its own it is real."""
    made(tree / "closed" / "b.pem")
    made(tree / "a.pem")
    scandir = os.scandir

    def refused(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    found, walk = walked(tree)
    assert found == [str(tree / "a.pem")]
    assert [(one.path, one.problem) for one in walk.problems] == [
        (str(tree / "closed"), "can't be read: Permission denied")
    ]


def test_ten_thousand_files_are_looked_at_and_no_more(tree: Path) -> None:
    """Contract 4.15 [T]: by default."""
    for number in range(10_050):
        (tree / f"{number}.pem").touch()
    walk = Walk()
    assert len(list(walk.files([str(tree)]))) == 10_000
    assert [one.problem for one in walk.problems] == [
        "more than 10,000 files and directories: the others were not looked at"
    ]
