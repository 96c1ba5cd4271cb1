"""What `make up` and `make deploy` hand to CloudFormation."""

import subprocess
from pathlib import Path

import pytest

from build import deploy
from build.deploy import parameters
from build.release import parameters_from, release_digest
from build.template import parameter_defaults, template
from build.toolchain import ROOT


def test_parameters_are_named_in_upper_snake_case() -> None:
    assert parameters_from({"BACKOFF_BASE_SECONDS": "1", "HOME": "/x"}) == {"BackoffBaseSeconds": "1"}


@pytest.mark.parametrize("name", ["ENVIRONMENT", "RELEASE"])
def test_common_variables_of_the_caller_are_not_parameters(name: str) -> None:
    """Many a CI sets them, and means something else."""
    assert parameters_from({name: "production"}) == {}


def test_every_parameter_has_a_default() -> None:
    """Design 4: the stack deploys as it stands."""
    assert parameter_defaults()["MaxAttempts"] == "5"
    assert parameter_defaults()["AlarmEmail"] == ""


def test_a_new_parameter_makes_a_new_release() -> None:
    """Otherwise the alias would go on with the old value (docs/decisions/published-versions.md)."""
    digests = {release_digest({"MaxAttempts": attempts, "Release": "x"}) for attempts in ("5", "7")}
    assert len(digests) == 2
    assert release_digest({"MaxAttempts": "5"}) in digests
    assert all(len(digest) >= 10 for digest in digests)


def test_a_real_deployment_gives_only_what_is_said_now() -> None:
    """What is not given keeps the value of the deployment before."""
    given = parameters("production", {"ALARM_EMAIL": "ops@customer.example"})
    assert given.keys() == {"Environment", "AlarmEmail", "Release"}
    assert given["Environment"] == "production"


def layer_commands(layer: str = "tocsin", **given: str) -> str:
    """What a layer's Makefile would run."""
    given = {"UV": "uv", "ARTIFACTS_DIR": "there", "TOCSIN_LAYER_TARGET": "lambda"} | given
    told = [f"{name}={value}" for name, value in given.items()]
    command = ["make", "-n", "-C", str(ROOT / "layers" / layer), f"build-{layer.title()}Layer", *told]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return str(done.stdout)


def test_the_layer_for_lambda_has_bytecode_of_lambda_s_own_version() -> None:
    """Without it each cold start compiles all that it imports. Wheels are Lambda's either way."""
    commands = layer_commands(TOCSIN_LAYER_PYTHON="/somewhere/python3.13")
    assert '/somewhere/python3.13 -m compileall -q -j 0 --invalidation-mode unchecked-hash "there/python"' in commands
    version = template()["Globals"]["Function"]["Runtime"].removeprefix("python")
    assert f"--python-version {version} --python-platform aarch64-manylinux2014" in commands
    assert "compileall" not in layer_commands()


def test_the_package_is_in_its_own_layer_only() -> None:
    """Both layers are made by one Makefile; what runs Apprise has nothing of ours but its function."""
    assert "cp -R tocsin" in layer_commands()
    assert "cp -R tocsin" not in layer_commands("apprise")
    assert "--require-hashes" in layer_commands("apprise")


def test_an_interpreter_of_the_runtime_is_found_or_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv finds one, or fetches one, or says so: a deployment goes on without bytecode."""
    uv, calls = tmp_path / "uv", tmp_path / "calls"
    uv.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        f'case "$*" in *install*) touch {tmp_path}/it;; *find*) test -e {tmp_path}/it && echo /its/python;; esac\n'
    )
    uv.chmod(0o755)
    monkeypatch.setattr(deploy, "UV", uv)
    assert deploy.runtime_python() == "/its/python"
    assert [line.split()[1] for line in calls.read_text().splitlines()] == ["find", "install", "find"]
    uv.write_text("#!/bin/sh\nexit 2\n")
    assert deploy.runtime_python() == ""
