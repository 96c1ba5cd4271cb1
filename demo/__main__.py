"""`make demo`: start the embedded AWS with the stack in it, tell the story, and stop whatever was started.

With ONCE=1 it ends with the story, and the exit code says whether all of it was seen. Else it stays up until Ctrl-C.
"""

import os
import sys
import time
from contextlib import nullcontext, suppress

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from urllib3.exceptions import HTTPError

from build.toolchain import LOCAL, ROOT, ToolError
from demo.facts import facts
from demo.hook import ALWAYS_DOWN, Hook
from demo.process import alone, interruptible
from demo.story import Story
from demo.teller import Teller, Verdict
from demo.view import View
from demo.world import Aws, World
from local.embedded import down, up
from local.seed import webhook_secret
from local.stack import Stack

HOME = LOCAL / "demo"
PARAMETERS = {"BackoffBaseSeconds": "1", "ExpiryCheckInterval": "4 minutes"}
SPEED = 60.0
"""With these a minute lasts a second, in the backoff and in the schedules."""
READING = 3.0
"""Seconds that a reader is given for an act's heading."""
IDLE = 1.0
"""Seconds between two looks at the API once the story is told."""
INTERRUPTED = 130
"""The exit code that shells give for Ctrl-C."""
INTRODUCTION = (
    "Tocsin delivers alerts, and never drops one silently. This is the real stack: template.yaml, deployed "
    "by sam deploy, to an AWS that runs on this machine and enforces IAM."
)
INVITATION = """
It stays up until Ctrl-C. In another terminal, at the top of the checkout:

  . {env}
  tocsin() {{ curl -sS "$TOCSIN_API_URL/api/v1$@" \\
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\
    --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:execute-api"; }}
  tocsin /stats/summary
  tocsin /notifications -H 'Content-Type: application/json' -d '{{
    "type": "Custom:try", "channel": "Webhook", "message": "Hello",
    "recipient": "{good}"}}'

With {bad} as its recipient it dies, in about 20 s.
"""


def main() -> int:
    """Tell the story; with ONCE=1 only that."""
    console = Console(highlight=False)
    once = os.environ.get("ONCE", "") not in ("", "0")
    moves = sys.stdout.isatty() and not console.is_dumb_terminal
    try:
        with alone(HOME):
            return _demo(console, once=once, moves=moves)
    except HTTPError as problem:
        _complain(f"The embedded AWS does not answer any more: {problem}. Its log: {_shown('aws.log')}")
    except (ToolError, ClientError, BotoCoreError, OSError) as problem:
        _complain(str(problem))
    return 1


def _demo(console: Console, *, once: bool, moves: bool) -> int:
    """Start, tell, stop."""
    down(HOME)  # what a demo that was killed has left
    code = INTERRUPTED
    try:
        with interruptible():
            stack = _started(console, moves=moves)
            with Hook() as hook, View(console, time.monotonic, moves=moves) as view:
                world = World(stack.api, hook, Aws(stack), webhook_secret(stack.name))
                teller = Teller(world, view, time.monotonic, time.sleep, reading=0.0 if once else READING)
                code = _told(teller, view)
                if code == 0 and not once:
                    _stay(teller, view, hook)
    except KeyboardInterrupt:
        pass
    finally:
        with suppress(OSError):  # the terminal may be gone
            console.print("Stopping.")
        down(HOME)
    return code


def _started(console: Console, *, moves: bool) -> Stack:
    """The stack in an AWS of the demo's own."""
    console.print(INTRODUCTION, soft_wrap=not moves)
    text = "Starting and deploying: about half a minute ..."
    if not moves:
        console.print(text)
    began = time.monotonic()
    with console.status(text) if moves else nullcontext():
        stack = up(HOME, parameters=PARAMETERS, scheduler_speed=SPEED)
    console.print(f"Up after {time.monotonic() - began:.0f} s: {stack.api_url}", soft_wrap=True)
    return stack


def _told(teller: Teller, view: View) -> int:
    """Tell the story and its end; the exit code."""
    began = time.monotonic()
    all_seen = teller.tell(Story(teller.world).acts())
    seen = sum(finding.verdict is Verdict.SEEN for finding in teller.findings)
    view.say("", *facts(teller.world))
    view.say(f"Checks     {seen} of {len(teller.findings)} ok, in {time.monotonic() - began:.0f} s")
    if not all_seen:
        view.say(f"Logs       {_shown('*.log')}")
    return 0 if all_seen else 1


def _stay(teller: Teller, view: View, hook: Hook) -> None:
    """Keep the picture moving for whoever tries something, until Ctrl-C."""
    view.say(INVITATION.format(env=_shown("stack.env"), good=hook.url(), bad=hook.url(ALWAYS_DOWN)))
    while True:
        teller.watch(IDLE)


def _shown(name: str) -> str:
    """A path of ours as whoever stands at the top of the checkout writes it."""
    return str((HOME / name).relative_to(ROOT))


def _complain(sentence: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
