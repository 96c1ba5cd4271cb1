"""`make demo`: start the embedded AWS with the stack in it, tell the story, and stop whatever was started.

With ONCE=1 it ends with the story, and the exit code says whether all of it was seen. Else it opens the console then,
and stays up until Ctrl-C.
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from urllib3.exceptions import HTTPError

from build.toolchain import LOCAL, ROOT, ToolError
from demo.evidence import NotSeenError
from demo.picture import Picture
from demo.receiver import ALWAYS_DOWN, Hook
from demo.story import CHECKS, Story
from demo.world import UnexpectedAnswerError, World
from local.embedded import down, up
from local.seed import webhook_secret
from local.stack import Stack
from tocsin_cli.connection import Connection
from tocsin_cli.console import opened, serving

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
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTRODUCTION = (
    "Tocsin delivers alerts, and never drops one silently. This is the real stack: template.yaml, deployed "
    "by sam deploy, to an AWS that runs on this machine and enforces IAM."
)
INVITATION = """
It stays up until Ctrl-C. To look and act in a browser:

  {url}

In another terminal, at the top of the checkout:

  . {env}
  .venv/bin/tocsin list
  .venv/bin/tocsin stats
  curl -sS "$TOCSIN_API_URL/api/v1/notifications" \\
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\
    --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:execute-api" \\
    -H 'Content-Type: application/json' -d '{{
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


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Have the directory for ourselves, or say who has it. The lock goes with the process, however that ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ToolError(f"A demo is running here already. To end it: kill {lock.read()}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _demo(console: Console, *, once: bool, moves: bool) -> int:
    """Start, tell, stop. SIGTERM and a closed terminal end it as Ctrl-C does; nothing interrupts the clearing up."""
    down(HOME)  # what a demo that was killed has left
    code = INTERRUPTED
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
            signal.signal(number, signal.default_int_handler)
    try:
        stack = _started(console, moves=moves)
        with closing(Hook()) as hook, closing(Picture(console, moves=moves)) as picture:
            reading = 0.0 if once else READING
            story = Story(World(stack), hook, picture, webhook_secret(stack.name), reading=reading)
            code = told(story, picture)
            if code == 0 and not once:
                _stay(stack, story, picture, hook)
    except KeyboardInterrupt:
        pass
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
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


def told(story: Story, picture: Picture) -> int:
    """Tell the story and its end; the exit code."""
    began, code = time.monotonic(), 0
    try:
        story.tell()
    except (NotSeenError, UnexpectedAnswerError) as why:
        picture.say("", f"It ended early: {why}", f"Logs       {_shown('*.log')}")
        code = 1
    picture.say("", *story.facts())
    picture.say(f"Checks     {story.seen} of {CHECKS} ok, in {time.monotonic() - began:.0f} s")
    return code


def _stay(stack: Stack, story: Story, picture: Picture, hook: Hook) -> None:
    """Serve the console, open it, and keep the picture up to date, until Ctrl-C."""
    _take_credentials(stack)
    with serving(Connection(stack.name, url=stack.api_url)) as url:
        env = _shown("stack.env")
        picture.say(INVITATION.format(url=url, env=env, good=hook.url(), bad=hook.url(ALWAYS_DOWN)))
        opened(url)
        while True:
            story.watch(IDLE)


def _take_credentials(stack: Stack) -> None:
    """Let what this process asks of AWS from now on go to the stack's own, with nobody else's profile or session."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(stack.variables)


def _shown(name: str) -> str:
    """A path of ours as whoever stands at the top of the checkout writes it."""
    return str((HOME / name).relative_to(ROOT))


def _complain(sentence: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
