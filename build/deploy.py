"""`make deploy`: build for the template's runtime and deploy to the account that the caller's AWS credentials are for.

CONFIG names a section of samconfig.toml; the template's parameters can be given in upper snake case, as for `make up`.
Without a terminal, as in a pipeline, CONFIRM=no makes the changes without asking.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from build.release import parameters_from, release_digest
from build.template import TEMPLATE, template
from build.toolchain import LOCAL, ROOT, SAM, UV


def parameters(config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What is given now: samconfig.toml's parameters, then the environment's, then the release that follows from both.

    What is not given keeps the value of the deployment before.
    """
    section = tomllib.loads((ROOT / "samconfig.toml").read_text())[config]
    configured = dict(pair.split("=", 1) for pair in section["deploy"]["parameters"].get("parameter_overrides", []))
    given = configured | parameters_from(environment)
    return given | {"Release": release_digest(given)}


def deployed(stack: str) -> dict[str, str] | None:
    """The parameters of the stack as it is now; None where there is none, or where that can't be told."""
    try:
        (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (ClientError, BotoCoreError):  # no stack, no permission, no credentials, no region: SAM says which
        return None
    return {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])}


def runtime_python() -> str:
    """An interpreter of the template's runtime, found or fetched by uv, to write the layer's bytecode; empty: none."""
    version = template()["Globals"]["Function"]["Runtime"].removeprefix("python")
    kept = {**os.environ, "UV_PYTHON_INSTALL_DIR": str(LOCAL / "python")}
    find = [UV, "python", "find", "--no-project", version]
    for command in (find, [UV, "python", "install", "--quiet", "--no-bin", version], find):
        done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return ""


def objection(given: Mapping[str, str], now: Mapping[str, str] | None) -> str:
    """Why this must not be deployed over what is there `now`; empty if nothing is against it."""
    if now and now.get("Environment") == "production" != given["Environment"]:
        return "The stack is in production, and this would take its tables' protection away. Use CONFIG=production."
    if given["Environment"] == "production" and not given.get("AlarmEmail", (now or {}).get("AlarmEmail")):
        return "Nobody would be told of alarms in production. Give ALARM_EMAIL=you@example.com."
    return ""


def main() -> int:
    """Build, then deploy. SAM shows the changes and asks before it makes them."""
    config = os.environ.get("CONFIG", "default")
    try:
        given = parameters(config, os.environ)
    except KeyError:
        print(f"samconfig.toml has no section {config}.deploy.parameters", file=sys.stderr)
        return 1
    stack = tomllib.loads((ROOT / "samconfig.toml").read_text())[config]["global"]["parameters"]["stack_name"]
    if why := objection(given, deployed(stack)):
        print(why, file=sys.stderr)
        return 1
    overrides = [f'{name}="{value}"' for name, value in given.items()]
    common: list[str | Path] = ["--config-file", ROOT / "samconfig.toml", "--config-env", config]
    python = runtime_python()
    if not python:
        print("No Python 3.13 for the layer's bytecode: every cold start will take twice as long.", file=sys.stderr)
    environment = {**os.environ, "UV": str(UV), "TOCSIN_LAYER_TARGET": "lambda", "TOCSIN_LAYER_PYTHON": python}
    build = [SAM, "build", "--template-file", TEMPLATE, *common]
    asks = ["--no-confirm-changeset"] if os.environ.get("CONFIRM") == "no" else []
    deploy = [SAM, "deploy", *common, *asks, "--parameter-overrides", *overrides]
    for command in (build, deploy):
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
