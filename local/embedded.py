"""The embedded AWS with the stack in it: start, deploy, wait until it answers; stop.

`python -m local.embedded up` and `down` are `make up` and `make down`. Tests call `up` with a state directory and a
port of their own.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from build.release import deploy, parameters_from, release_digest
from build.template import parameter_defaults
from build.toolchain import AWS_PYTHON, LOCAL, ToolError, clean_environment
from local.background import Background
from local.loopback import HOST, free_port, listens
from local.seed import EMAIL_IDENTITY, seed
from local.stack import Stack

REGION = "us-east-1"
ROOT_KEY = "test"  # the embedded AWS treats this key as the account's root, under AUTH=true too
QUICK_AWS = Path(__file__).with_name("quick_aws.py")
SCRATCH = "scratch"  # it unpacks code and layer for every worker (70 MB), and leaves them when it ends
MINUTE = 60.0  # seconds; the shortest interval that a schedule knows
START_PATIENCE = 120.0  # seconds
EMBEDDED = {
    "Environment": "local",
    "AllowedPrivateRanges": "127.0.0.0/8",
    "AllowPlainHttp": "yes",
    "EmailIdentity": EMAIL_IDENTITY,
}


class PortTakenError(ToolError):
    """Something else listens on the port."""


class NotAnsweringError(ToolError):
    """The embedded AWS, or the API in it, does not answer."""


def up(
    state_dir: Path = LOCAL,
    *,
    port: int | None = None,
    parameters: Mapping[str, str] | None = None,
    stack_name: str = "tocsin",
    scheduler_speed: float | None = None,
) -> Stack:
    """Bring the stack up and return it when its API answers; what already is as wanted is left alone.

    Without a port it is the one of the embedded AWS that runs already, or a free one. A `scheduler_speed` of 60 makes
    a schedule's minute last a second (see quick_aws). Without it, a minute lasts twice as long as the backoff's base,
    if that is less: what is retried sooner is swept sooner.
    """
    wanted = parameter_defaults() | EMBEDDED | dict(parameters or {})
    wanted["Release"] = release_digest(wanted)
    aws = Background("aws", state_dir)
    port = _started(aws, port, scheduler_speed or max(1.0, MINUTE / 2 / float(wanted["BackoffBaseSeconds"])))
    deployed = state_dir / "deployed"
    mark = f"{stack_name} {wanted['Release']}"
    if deployed.exists() and deployed.read_text() == mark:
        return Stack.read(state_dir)
    deployed.unlink(missing_ok=True)
    deploy(stack_name, wanted, _credentials(port), log=state_dir / "deploy.log")
    stack = _found(stack_name, port)
    seed(stack)
    _wait_for_api(stack)
    stack.write(state_dir)
    _bridge_metrics(state_dir)
    deployed.write_text(mark)
    return stack


def down(state_dir: Path = LOCAL) -> None:
    """Stop all that `up` started there."""
    for name in ("destinations", "metrics", "aws"):
        Background(name, state_dir).stop()
    for name in ("aws.json", "deployed", "stack.env", "stack.json", "metrics-bridge.json", "destinations.json"):
        (state_dir / name).unlink(missing_ok=True)
    for pem in state_dir.glob("destinations.*.pem"):  # they hold keys
        pem.unlink()
    shutil.rmtree(state_dir / SCRATCH, ignore_errors=True)


@contextmanager
def running(
    state_dir: Path, *, parameters: Mapping[str, str] | None = None, scheduler_speed: float | None = None
) -> Iterator[Stack]:
    """The stack on a free port for as long as the block runs."""
    try:
        yield up(state_dir, parameters=parameters, scheduler_speed=scheduler_speed)
    finally:
        down(state_dir)


def _credentials(port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }


def _started(aws: Background, port: int | None, scheduler_speed: float) -> int:
    """Start the embedded AWS, unless it runs already and as wanted; its port."""
    noted = aws.state_dir / "aws.json"
    if aws.pid() is not None and noted.exists():
        running_port, running_speed = json.loads(noted.read_text())
        if port in (None, running_port) and scheduler_speed == running_speed:
            return int(running_port)
    down(aws.state_dir)
    port = port or free_port()
    _start(aws, port, scheduler_speed)
    noted.write_text(json.dumps([port, scheduler_speed]))
    return port


def _start(aws: Background, port: int, scheduler_speed: float) -> None:
    if listens(port):
        msg = f"Port {port} is in use by another program. Choose another one: TOCSIN_AWS_PORT=4567 make up"
        raise PortTakenError(msg)
    scratch = aws.state_dir / SCRATCH
    scratch.mkdir(parents=True)
    settings = {
        "AUTH": "true",  # every function runs under its own role, as on AWS
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "LAMBDA_EXECUTOR": "local",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TOCSIN_SCHEDULER_SPEED": f"{scheduler_speed:g}",
        "TMPDIR": str(scratch.resolve()),
        "STATE_DIR": str(scratch.resolve()),
    }
    aws.start([AWS_PYTHON, "-P", QUICK_AWS], clean_environment(settings))
    deadline = time.monotonic() + START_PATIENCE
    while not listens(port):
        if aws.pid() is None or time.monotonic() > deadline:
            msg = f"The embedded AWS did not start. Its output is in {aws.log}"
            raise NotAnsweringError(msg)
        time.sleep(0.05)


def _bridge_metrics(state_dir: Path) -> None:
    bridge = Background("metrics", state_dir)
    if bridge.pid() is None:
        bridge.start([sys.executable, "-m", "local.metrics_bridge", state_dir.resolve()], clean_environment({}))


def _found(stack_name: str, port: int) -> Stack:
    bare = Stack(stack_name, f"http://{HOST}:{port}", REGION, ROOT_KEY, ROOT_KEY, "", {})
    described = bare.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    api_url = f"{bare.endpoint_url}/_aws/execute-api/{outputs['ApiId']}/{outputs['ApiStage']}"
    return Stack(stack_name, bare.endpoint_url, REGION, ROOT_KEY, ROOT_KEY, api_url, outputs)


def _wait_for_api(stack: Stack) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while (problem := _api_problem(stack)) is not None:
        if time.monotonic() > deadline:
            raise NotAnsweringError(problem)
        time.sleep(0.2)


def _api_problem(stack: Stack) -> str | None:
    try:
        answer = stack.api.request("GET", "/api/v1/stats/summary")
    except HTTPError as error:
        return f"The API does not answer: {error}"
    if answer.status < HTTPStatus.BAD_REQUEST:
        return None
    return f"The API answers {answer.status} to GET /api/v1/stats/summary: {answer.body[:500]!r}"


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.embedded", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    chosen = parser.parse_args(arguments)
    if chosen.command == "down":
        down()
        return 0
    try:
        began = time.monotonic()
        speed = os.environ.get("TOCSIN_SCHEDULER_SPEED")
        stack = up(
            port=int(os.environ.get("TOCSIN_AWS_PORT", "4566")),
            parameters=parameters_from(os.environ),
            scheduler_speed=float(speed) if speed else None,
        )
    except (ToolError, ClientError, BotoCoreError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(f"{stack.name} is up after {time.monotonic() - began:.1f} s: {stack.api_url}\n")
    sys.stdout.write("For a shell: . .local/stack.env\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
