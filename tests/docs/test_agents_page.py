"""docs/agents.md: its commands run, its units and profiles are taken by what reads them, its tables are the code's."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from build.toolchain import ROOT
from tests.docs.markdown import SHELL, blocks, codes, commands, page, tables
from tests.support.certificates import Authority
from tests.support.cli_api import AGENT as WEB_1
from tests.support.cli_api import RecordedApi, a_page, recorded_api
from tests.support.people import AGENT, document
from tests.support.stores import PASSWORD, p12
from tocsin_cli.agent.opened import SIZE_LIMIT
from tocsin_cli.agent.walk import MOST_FILES, SUFFIXES
from tocsin_cli.main import main

PAGE = page("docs/agents.md")
TOCSIN = [sys.executable, "-c", 'from tocsin_cli.main import main; main(prog_name="tocsin")']
SERVICE, TIMER, PROFILE, VARIABLES = (
    next(block.text for block in blocks(PAGE, "ini") if mark in block.text)
    for mark in ("[Service]", "[Timer]", "[profile tocsin]", "TOCSIN_REPORT_PATHS")
)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with what the page names: its `/etc` and `/opt` are below a directory."""
    made = Authority().issued()
    for path in ("etc/letsencrypt/live/shop/cert.pem", "etc/nginx/ssl/mail.pem"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(made.pem)
        (tmp_path / path).with_name("privkey.pem").write_text(made.key_pem)
    (tmp_path / "opt/app").mkdir(parents=True)
    (tmp_path / "opt/app/server.p12").write_bytes(p12(made))
    (tmp_path / "etc/tocsin").mkdir()
    (tmp_path / "etc/tocsin/passwords").write_text(PASSWORD)
    (tmp_path / "etc/tocsin/passwords").chmod(0o600)
    return tmp_path


def here(text: str, host: Path) -> str:
    """Move a text of the page to where its files are."""
    return re.sub(r"(?<![\w.])/(etc|opt)/", rf"{host}/\1/", text)


@pytest.fixture
def api() -> Iterator[RecordedApi]:
    with recorded_api() as recorded:
        recorded.answers |= {
            "GET /agents": a_page(WEB_1),
            "GET /agents/web-1": WEB_1 | {"problems": []},
            "DELETE /agents/web-1": {},
        }
        for name in ("web-1", os.uname().nodename):
            recorded.answers[f"POST /agents/{name}/reports"] = {"items": []}
        yield recorded


def ran(command: list[str], api: RecordedApi, **environment: str) -> None:
    told = api.environment(PATH=os.environ["PATH"], PYTHONPATH=str(ROOT / "cli")) | environment
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_its_commands_run(api: RecordedApi, host: Path) -> None:
    """In the page's order, each in a process of its own."""
    found = [command for block in blocks(PAGE, *SHELL) for command in commands(block)]
    ours = [command for command in found if command.startswith("tocsin ")]
    assert len(ours) >= 6
    for command in ours:
        ran([*TOCSIN, *shlex.split(here(command, host))[1:]], api)
    reports = [asked.body for asked in api.asked if asked.method == "POST"]
    assert [len(body["certificates"]) for body in reports] == [2, 1]


def test_the_cron_line_runs(api: RecordedApi, host: Path) -> None:
    (text,) = [block.text for block in blocks(PAGE, "text") if "root /usr/local/bin/tocsin" in block.text]
    *variables, line = text.splitlines()
    assert [one.partition("=")[0] for one in variables] == ["TOCSIN_API_URL", "AWS_DEFAULT_REGION"]
    found = re.fullmatch(r"(\S+ ){5}root /usr/local/bin/tocsin (.*)", line)
    assert found
    ran([*TOCSIN, *shlex.split(here(found[2], host))], api)
    (asked,) = api.asked
    assert len(asked.body["certificates"]) == 2


def test_the_unit_runs_by_its_file_of_variables(api: RecordedApi, host: Path) -> None:
    variables = dict(line.split("=", 1) for line in VARIABLES.splitlines())
    known = {option.envvar for option in _report().params} | {"TOCSIN_API_URL", "AWS_DEFAULT_REGION"}
    assert variables.keys() <= known
    told = {name: here(value, host) for name, value in variables.items() if name != "TOCSIN_API_URL"}
    (start,) = re.findall(r"^ExecStart=/usr/local/bin/tocsin (.*)$", SERVICE, re.MULTILINE)
    ran([*TOCSIN, *shlex.split(start)], api, **told)
    (asked,) = api.asked
    assert (len(asked.body["certificates"]), asked.body["period_seconds"]) == (2, 6 * 3_600)


def _report() -> click.Command:
    found = main.get_command(click.Context(main), "report")
    assert found
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = tmp_path / "tocsin"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "tocsin-report.service").write_text(SERVICE.replace("/usr/local/bin/tocsin", str(program)))
    (tmp_path / "tocsin-report.timer").write_text(TIMER)
    units = [str(tmp_path / f"tocsin-report.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "tocsin-report" in line]) == (0, [])


def test_the_units_are_of_one_name_and_the_timer_as_often_as_the_period() -> None:
    """A timer starts the service of its own name."""
    assert set(re.findall(r"`/etc/systemd/system/([\w-]+)\.(?:service|timer)`", PAGE.read_text())) == {"tocsin-report"}
    assert "OnCalendar=*-*-* 00/6:00:00" in TIMER
    assert "TOCSIN_REPORT_PERIOD=6h" in VARIABLES


def test_a_profile_of_roles_anywhere_gives_the_credentials(api: RecordedApi, host: Path) -> None:
    """Its helper, played here, is asked as the page says, and what it gives signs the report."""
    helper = host / "aws_signing_helper"
    given = {"Version": 1, "AccessKeyId": "AKIDANYWHERE", "SecretAccessKey": "s", "SessionToken": "t"}
    helper.write_text(f"#!/bin/sh\necho \"$@\" > {host}/asked\necho '{json.dumps(given)}'\n")
    helper.chmod(0o755)
    config = host / "aws.ini"
    config.write_text(PROFILE.replace("/usr/local/bin/aws_signing_helper", str(helper)))
    read = configparser.ConfigParser()
    read.read(config)
    assert read.sections() == ["profile tocsin"]
    told = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "tocsin", "TOCSIN_API_URL": api.url}
    told |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "cli"), "HOME": str(host)}
    command = [*TOCSIN, "report", str(host / "etc/nginx")]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = (host / "asked").read_text().split()
    assert words[0] == "credential-process"
    assert {word for word in words if word.startswith("--")} == {
        *("--certificate", "--private-key", "--trust-anchor-arn", "--profile-arn", "--role-arn")
    }
    assert len(api.asked) == 1


def test_the_policy_of_one_host_is_the_stacks_with_its_name() -> None:
    (shown,) = [json.loads(block.text) for block in blocks(PAGE, "json")]
    of_stack: dict[str, Any] = document(AGENT)
    resource = of_stack["Statement"][0]["Resource"]
    filled = {"AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012", "Api": "abc123"}
    for name, value in filled.items():
        resource = resource.replace(f"${{{name}}}", value)
    assert shown == of_stack | {"Statement": [of_stack["Statement"][0] | {"Resource": resource.replace("*", "web-1")}]}


def test_what_files_are_called_and_the_limits_are_the_codes() -> None:
    rows = tables(PAGE, "What it passes over")[0]
    assert tuple(codes(rows[0]["what"])) == SUFFIXES
    text = PAGE.read_text()
    assert f"{MOST_FILES:,} files" in text
    assert SIZE_LIMIT == 1024 * 1024
    assert "files over 1 MiB" in text
