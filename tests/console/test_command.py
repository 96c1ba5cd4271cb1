"""`tocsin console` as an operator starts and ends it, and what its package brings."""

import os
import re
import signal
import socket
import subprocess
import sys
import webbrowser
import zipfile
from pathlib import Path

import pytest
import urllib3
from click.testing import CliRunner

from build.toolchain import ROOT
from tests.support.fake_aws import FakeAws
from tocsin_cli.commands import console as command
from tocsin_cli.console import opened, serving
from tocsin_cli.console.app import STATIC
from tocsin_cli.console.browser import WINDOWS
from tocsin_cli.main import main


def test_it_says_its_address_and_ctrl_c_ends_it() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from tocsin_cli.main import main; main()", "console", "--no-open", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "cli"), "PYTHONUNBUFFERED": "1", "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.fullmatch(r"The console of tocsin: (http://127\.0\.0\.1:\d+/)#token=[\w-]{43}\n", said)
        assert found is not None, said
        assert urllib3.request("GET", found[1], retries=False).status == 200
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=20)
    assert (process.returncode, complaint) == (0, "")


@pytest.fixture
def ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console that gets Ctrl-C when it begins to wait."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_wait", interrupted)


def without_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux machine with no display and no browser that somebody chose."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in WINDOWS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("ends_at_once")
@pytest.mark.parametrize(("option", "opens"), [("--open", True), ("--no-open", False)])
def test_the_browser_is_opened_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, option: str, opens: bool) -> None:
    asked: list[str] = []

    def opening(url: str) -> bool:
        asked.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", opening)
    monkeypatch.setenv("DISPLAY", ":0")
    found = CliRunner().invoke(main, ["console", "--port", "0", option])
    assert found.exit_code == 0, found.output
    assert [url in found.output for url in asked] == [True] * opens
    assert "follow the link" not in found.output


@pytest.mark.usefixtures("ends_at_once")
def test_no_browser_takes_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 9, 2: without a display only a text browser would be found; the console says to follow its link."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", asked.append)
    without_a_window(monkeypatch)
    found = CliRunner().invoke(main, ["console", "--port", "0"])
    assert (found.exit_code, asked) == (0, [])
    assert "#token=" in found.stdout
    assert "follow the link" in found.stderr


@pytest.mark.parametrize("has_window", [True, False])
def test_opening_does_not_fail_without_a_browser(monkeypatch: pytest.MonkeyPatch, has_window: bool) -> None:
    """Issue 9, 2: nothing fails where there is no browser, and none takes the terminal."""
    asked: list[str] = []

    def refuses(url: str) -> bool:
        asked.append(url)
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "open", refuses)
    without_a_window(monkeypatch)
    if has_window:
        monkeypatch.setenv("DISPLAY", ":0")
    assert opened("http://127.0.0.1:1/") is False
    assert asked == ["http://127.0.0.1:1/"] * has_window


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = CliRunner().invoke(main, ["console", "--no-open", "--port", port])
    assert found.exit_code == 1
    assert f"Port {port} can't be had" in found.output
    assert "--port 0" in found.output


def test_two_consoles_don_t_know_each_other_s_secrets(aws: FakeAws) -> None:
    with serving(aws.connection()) as one, serving(aws.connection()) as other:
        assert one.partition("#token=")[2] != other.partition("#token=")[2]
        assert one.partition("/#")[0] != other.partition("/#")[0]


def test_nothing_answers_once_it_has_ended(aws: FakeAws) -> None:
    with serving(aws.connection()) as url:
        origin = url.partition("/#")[0]
        assert urllib3.request("GET", origin, retries=False).status == 200
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", origin, retries=False)


def test_the_wheel_has_the_pages_files(tmp_path: Path) -> None:
    """`pipx install .` is enough."""
    from hatchling.builders.wheel import WheelBuilder

    builder = WheelBuilder(str(ROOT))
    (wheel,) = builder.build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = {each.relative_to(ROOT / "cli").as_posix() for each in STATIC.rglob("*") if each.is_file()}
    assert len(files) > 10
    assert files <= names
