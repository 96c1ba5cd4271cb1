"""What all commands have in common: where they connect, what they end with, what help says, what they load."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from build.toolchain import ROOT
from local.loopback import HOST, free_port
from tests.support.cli_api import ID, REQUEST_ID, RecordedApi, a_notification, a_page
from tests.support.waiting import until
from tocsin_cli.exits import Exit
from tocsin_cli.main import COMMANDS, SUMMARIES, main

HEAVY = ("boto3", "botocore", "mcp", "starlette", "uvicorn", "rich")


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Give every command by what one types, those within others too."""
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None, name
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())


every_name = pytest.mark.parametrize(("name", "command"), list(every_command()))


def in_a_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "cli")} | environment
    return subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=False)


# ── Help ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@every_name
def test_help_has_an_example_and_names_each_options_variable(name: str, command: click.Command) -> None:
    help_ = CliRunner().invoke(main, [*name.split(), "--help"], env={"COLUMNS": "200"}).output
    assert f"tocsin {name}" in help_.partition("Example")[2], help_
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden and option.name != "help":
            assert option.envvar, option
            named = [option.envvar] if isinstance(option.envvar, str) else option.envvar
            assert all(variable.startswith("TOCSIN_") and variable in help_ for variable in named), option


def test_the_list_of_commands_has_a_line_for_each() -> None:
    """Written beside the list, so that help need not load them to know it."""
    assert COMMANDS.keys() <= SUMMARIES.keys()
    listed = CliRunner().invoke(main, ["--help"], env={"COLUMNS": "200"}).output
    assert [name for name in COMMANDS if f"  {name} " not in listed or SUMMARIES[name] not in listed] == []


def test_help_loads_nothing_that_takes_time() -> None:
    """Half a second of imports between somebody and one line of help."""
    code = (
        "import sys\nfrom tocsin_cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    assert "LOADED []" in in_a_process(code).stdout


def test_completion_loads_no_command_to_know_its_name() -> None:
    code = (
        "import sys\nfrom tocsin_cli.main import main\n"
        "try: main(prog_name='tocsin', complete_var='_TOCSIN_COMPLETE')\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    said = in_a_process(code, _TOCSIN_COMPLETE="bash_complete", COMP_WORDS="tocsin re", COMP_CWORD="1").stdout
    assert said.splitlines() == [
        *("plain,requeue", "plain,read", "plain,renew", "plain,renewals", "plain,report"),
        "LOADED []",
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_each_shell(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_TOCSIN_COMPLETE={shell}_complete" in done.output


def test_an_option_can_be_completed() -> None:
    code = "from tocsin_cli.main import main\nmain(prog_name='tocsin', complete_var='_TOCSIN_COMPLETE')"
    said = in_a_process(code, _TOCSIN_COMPLETE="bash_complete", COMP_WORDS="tocsin list --status de", COMP_CWORD="3")
    assert said.stdout.split() == ["plain,dead"]


# ── Where it connects ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_option_may_stand_before_the_command_or_behind_it(api: RecordedApi) -> None:
    api.answers["GET /notifications"] = a_page(a_notification())
    for arguments in (
        ["--url", api.url, "list"],
        ["list", "--url", api.url],
        ["list", "--url", api.url, "--stack", "x"],
    ):
        done = api.run(*arguments, TOCSIN_API_URL="http://127.0.0.1:9/another")
        assert done.exit_code == 0, done.output
    assert len(api.asked) == 3


@pytest.mark.parametrize("arguments", [["--stack", "other", "list"], ["list", "--stack", "other"]])
def test_another_stack_is_not_looked_for_at_the_environments_address(api: RecordedApi, arguments: list[str]) -> None:
    """`--stack production` in a shell that has sourced a trial's variables must not act on the trial."""
    nowhere = f"http://{HOST}:{free_port()}"
    done = api.run(*arguments, AWS_ENDPOINT_URL=nowhere, AWS_MAX_ATTEMPTS="1")
    assert done.exit_code == Exit.NO_ACCESS
    assert "The stack other can't be looked up" in done.output
    assert api.asked == []


def test_a_variable_stands_for_an_option(api: RecordedApi) -> None:
    api.answers["GET /notifications"] = a_page()
    api.run("list", TOCSIN_LIST_STATUS="dead", TOCSIN_LIST_LIMIT="7")
    assert api.asked[0].query == {"status": "dead", "limit": "8"}


# ── What it ends with ────────────────────────────────────────────────────────────────────────────────────────────────

ENDS = [
    ((200, {}), Exit.OK),
    ((409, {"detail": "can't requeue: it is sent"}), Exit.REFUSED),
    ((422, {"detail": "type: String should match"}), Exit.REFUSED),
    ((500, {"detail": "This is a defect of Tocsin; its log says more."}), Exit.REFUSED),
    ((404, {"detail": "There is nothing by this id."}), Exit.NOT_FOUND),
    ((403, {"message": "User: kim is not authorized"}), Exit.NO_ACCESS),
    ((403, {"message": "Missing Authentication Token"}), Exit.NO_ACCESS),
    ((429, {"message": "Too Many Requests"}), Exit.UNREACHABLE),
    ((503, {"detail": "The storage did not answer. Try again."}), Exit.UNREACHABLE),
    ((504, {"message": "Endpoint request timed out"}), Exit.UNREACHABLE),
]


@pytest.mark.parametrize(("answer", "code"), ENDS)
def test_what_the_api_says_is_an_exit_code(api: RecordedApi, answer: tuple[int, dict[str, str]], code: Exit) -> None:
    api.answers[f"POST /notifications/{ID}/read"] = answer if answer[0] != 200 else a_notification(status="read")
    done = api.run("read", ID)
    assert done.exit_code == code, done.output
    assert api.lines == [f"POST /notifications/{ID}/read"]  # a change is sent once
    for said in answer[1].values():
        assert said in done.stderr or said == "Missing Authentication Token"


def test_a_read_is_tried_again_where_the_api_could_not_answer(api: RecordedApi) -> None:
    api.answers["GET /notifications"] = [(503, {"detail": "Try again."}), (429, {"message": "Slow down"}), a_page()]
    assert api.run("list").exit_code == Exit.OK
    assert len(api.asked) == 3


def test_a_defect_names_the_request_that_its_log_knows(api: RecordedApi) -> None:
    api.answers["GET /stats/summary"] = (500, {"detail": "This is a defect of Tocsin; its log says more."})
    assert f"(request {REQUEST_ID})" in api.run("stats").stderr


def test_nothing_listens(api: RecordedApi) -> None:
    done = api.run("--url", f"http://{HOST}:{free_port()}", "list")
    assert done.exit_code == Exit.UNREACHABLE
    assert "does not answer" in done.stderr


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION"])
def test_without_credentials_or_a_region(api: RecordedApi, missing: str) -> None:
    environment = {name: value for name, value in api.environment().items() if name != missing}
    told = {**dict.fromkeys((missing, "AWS_PROFILE", "AWS_REGION")), **environment}
    if missing == "AWS_ACCESS_KEY_ID":
        told["AWS_SECRET_ACCESS_KEY"] = None
    done = CliRunner().invoke(main, ["list"], env=told)
    assert done.exit_code == Exit.NO_ACCESS
    assert api.asked == []


def test_an_unknown_profile(api: RecordedApi) -> None:
    done = api.run("list", "--profile", "nobody")
    assert done.exit_code == Exit.NO_ACCESS
    assert "nobody" in done.stderr


@pytest.mark.parametrize("arguments", [["lst"], ["list", "--statu", "dead"], ["list", "--status", "died"], ["show"]])
def test_wrong_usage(api: RecordedApi, arguments: list[str]) -> None:
    assert api.run(*arguments).exit_code == Exit.USAGE
    assert api.asked == []


def test_what_stands_in_the_way_may_answer_anything(api: RecordedApi) -> None:
    """A proxy's page is no crash of ours."""
    api.answers["GET /stats/summary"] = (502, "<html>\x1b[2J</html>")
    done = api.run("stats")
    assert done.exit_code == Exit.UNREACHABLE
    assert "\x1b" not in done.output


def test_ctrl_c_ends_quietly(api: RecordedApi) -> None:
    api.answers |= {"GET /notifications": a_page(), "GET /stats/summary": {}}
    command = [sys.executable, "-c", "from tocsin_cli.main import main; main()", "watch", "--interval", "60"]
    environment = api.environment(PYTHONPATH=str(ROOT / "cli"), PATH=os.environ["PATH"])
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: len(api.asked) == 3)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)
    assert (process.returncode, said) == (Exit.INTERRUPTED, ("", ""))


def test_a_pipe_that_closes_is_no_crash(api: RecordedApi, tmp_path: Path) -> None:
    """`tocsin list --all | head -n 1`."""
    rows = [a_notification(message="x" * 1000) for _ in range(100)]
    api.answers["GET /notifications"] = [a_page(*rows, next_cursor="more")] * 20 + [a_page()]
    listed = f"{sys.executable} -c 'from tocsin_cli.main import main; main()' list --all"
    script = f"{listed} | head -n 1; echo ${{PIPESTATUS[0]}}"
    environment = api.environment(PYTHONPATH=str(ROOT / "cli"), PATH=os.environ["PATH"])
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[0].startswith(ID)
    assert (done.stdout.splitlines()[-1], done.stderr) == (str(Exit.BROKEN_PIPE.value), "")
