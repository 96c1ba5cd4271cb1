"""A state machine's definition, walked by the embedded AWS's interpreter with functions that a test gives.

A program for the interpreter of the embedded AWS: it reads what is to be walked, and writes what happened, as JSON. No
server is started.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from build.toolchain import AWS_PYTHON, ROOT, clean_environment

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"


@dataclass(frozen=True)
class Walk:
    """What happened in one execution."""

    status: str
    error: str | None
    calls: list[tuple[str, Any]]
    """Each function that was called, with its event."""
    events: list[dict[str, Any]]
    """What was put on buses."""

    @property
    def names(self) -> list[str]:
        """Name the functions in the order of their calls."""
        return [name for name, _ in self.calls]


def walked(
    definition: str,
    given: object,
    answers: Mapping[str, Sequence[object]],
    failures: Mapping[str, Mapping[int, str]],
) -> Walk:
    """Walk a definition whose functions are `FUNCTION` and a name.

    `answers`: what a function's calls give, one after the other, the last one for all further ones. `failures`: with
    what error a function's n-th call ends, from 1.
    """
    asked = {"definition": definition, "given": given, "answers": answers, "failures": failures}
    done = subprocess.run(
        [AWS_PYTHON, "-P", "-m", "tests.support.state_machine"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=clean_environment({"PYTHONPATH": str(ROOT), "SFN_WAIT_SCALE": "0", "PYTHONDONTWRITEBYTECODE": "1"}),
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return Walk(said["status"], said["error"], [(name, event) for name, event in said["calls"]], said["events"])


def main() -> None:
    """Walk what standard input says."""
    from ministack.services import eventbridge, stepfunctions

    asked = json.loads(sys.stdin.read())
    calls: list[tuple[str, Any]] = []
    events: list[dict[str, Any]] = []

    def call(reference: str, event: object) -> object:
        name = reference.removeprefix(FUNCTION)
        calls.append((name, event))
        number = sum(1 for called, _ in calls if called == name)
        if error := asked["failures"].get(name, {}).get(str(number)):
            raise stepfunctions._ExecutionError(error, json.dumps({"errorType": error, "errorMessage": "why"}))
        answers = asked["answers"][name]
        return answers[min(number, len(answers)) - 1]

    def put(given: dict[str, Any], **of_aws: object) -> tuple[int, dict[str, str], bytes]:
        if not of_aws:  # those tell of executions
            events.extend(given["Entries"])
        return 200, {}, b'{"FailedEntryCount": 0}'

    stepfunctions._call_lambda, eventbridge._put_events = call, put
    machine = {"name": "machine", "definition": asked["definition"], "roleArn": "arn:aws:iam::000000000000:role/any"}
    made = json.loads(stepfunctions._create_state_machine(machine)[2])
    begun = {"stateMachineArn": made["stateMachineArn"], "input": json.dumps(asked["given"])}
    arn = json.loads(stepfunctions._start_execution(begun)[2])["executionArn"]
    while (execution := stepfunctions._executions[arn])["status"] == "RUNNING":
        time.sleep(0.01)
    said = {"status": execution["status"], "error": execution.get("error"), "calls": calls, "events": events}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
