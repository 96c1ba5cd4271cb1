"""`make demo`: the stack on this machine, and a story in it. Receivers fail, recover or stay away; nothing is lost.

Ends with Ctrl-C, or with `--once` when the story is told; either way it stops all that it started.
"""

import argparse
import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from ops.embedded import running
from ops.receiver import Behaviour, Exchange, Receiver, answers, in_turn
from ops.stack import Stack
from ops.toolchain import LOCAL, ToolError

PARAMETERS = {"BackoffBaseSeconds": "1"}  # waits of 1, 2, 4 and 8 s instead of 1, 2, 4 and 8 minutes
PATIENCE = 120.0  # seconds the story may take
FINAL = {"sent", "dead", "read", "superseded"}
COLOURS = {"sent": "green", "failed": "yellow", "dead": "red", "pending": "cyan"}


@dataclass(frozen=True)
class Chapter:
    """One notification of the story, and what is to be seen."""

    channel: str
    recipient: str
    subject: str
    moral: str


def chapters(receiver: Receiver) -> list[Chapter]:
    """The story, told to a receiver that behaves by path."""
    return [
        Chapter("Webhook", receiver.url("/recovers"), "shop.example expires in 7 days", "fails twice, then recovers"),
        Chapter("Webhook", receiver.url("/down"), "api.example expires in 1 day", "stays down until it is repaired"),
        Chapter("Webhook", receiver.url("/gone"), "old.example expires in 14 days", "is gone: no use in trying again"),
        Chapter("Email", "ops@customer.example", "mail.example was renewed", "just works"),
        Chapter("Slack", "#alerts", "vpn.example expires in 30 days", "is not configured, and says so"),
    ]


class Outside:
    """The world outside: three webhook receivers behind one port."""

    def __init__(self) -> None:
        """Down, gone, and about to recover."""
        self._behaviours: dict[str, Behaviour] = {
            "/recovers": in_turn([answers(503, b"restarting")] * 2, answers(204)),
            "/down": answers(503, b"down for maintenance"),
            "/gone": answers(410, b"this hook was removed"),
        }

    async def behave(self, exchange: Exchange) -> None:
        """Answer as the path says."""
        await self._behaviours[exchange.request.path](exchange)

    def repair(self) -> None:
        """Bring the receiver that is down back."""
        self._behaviours["/down"] = answers(204)


@contextmanager
def listening(outside: Outside) -> Iterator[Receiver]:
    """The receivers, in a thread of their own for as long as the block runs."""
    loop, receiver = asyncio.new_event_loop(), Receiver(outside.behave)
    thread = threading.Thread(target=loop.run_forever, name="receiver")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(receiver.__aenter__(), loop).result()
        yield receiver
        asyncio.run_coroutine_threadsafe(receiver.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Story:
    """The notifications of the demo, and what has become of them."""

    def __init__(self, stack: Stack, told: list[Chapter]) -> None:
        """Nothing is sent yet."""
        self._api = stack.api
        self._told = told
        self._ids: list[str] = []
        self.rows: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Create every notification."""
        for chapter in self._told:
            body = {
                "type": "ExpirationWarning",
                "channel": chapter.channel,
                "recipient": chapter.recipient,
                "subject": chapter.subject,
                "message": f"Certificate notice: {chapter.subject}.",
                "severity": "warning",
            }
            self._ids.append(self._call("POST", "/notifications", body)["id"])

    def look(self) -> None:
        """Read every notification again."""
        self.rows = [self._call("GET", f"/notifications/{id_}") for id_ in self._ids]

    def requeue(self, row: dict[str, Any]) -> None:
        """Give a dead one a new life."""
        self._call("POST", f"/notifications/{row['id']}/requeue")

    def is_over(self) -> bool:
        """Tell whether nothing is owed to anybody any more."""
        return all(row["status"] in FINAL for row in self.rows)

    def table(self) -> Table:
        """Show where every notification stands."""
        table = Table("Channel", "Subject", "Its receiver", "Status", "Attempts", "Last error", title="Notifications")
        for chapter, row in zip(self._told, self.rows, strict=True):
            colour = COLOURS.get(row["status"], "white")
            status = row["status"] if row["outcome"] in (None, "delivered") else f"{row['status']}: {row['outcome']}"
            tries = f"{len(row['attempts'])}"
            error = escape(row["last_error"] or "")
            table.add_row(chapter.channel, chapter.subject, chapter.moral, f"[{colour}]{status}", tries, error)
        return table

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self._api.request(method, f"/api/v1{path}", json_body=body)
        if answer.status >= 400:  # noqa: PLR2004 - where HTTP's errors begin
            raise ToolError(f"{method} {path} was answered {answer.status}: {answer.body.decode()}")
        row: dict[str, Any] = answer.json()
        return row


def tell(story: Story, outside: Outside, console: Console) -> None:
    """Let the story run to its end: what dies of an outage is requeued once the outage is over."""
    story.begin()
    story.look()
    deadline, repaired = time.monotonic() + PATIENCE, False
    with Live(story.table(), console=console, refresh_per_second=4) as live:
        while not (repaired and story.is_over()):
            if time.monotonic() > deadline:
                raise ToolError(f"the story did not end within {PATIENCE:.0f} s")
            time.sleep(0.5)
            story.look()
            dead = [row for row in story.rows if row["status"] == "dead" and row["recipient"].endswith("/down")]
            if dead and not repaired:
                console.print("One is dead: its receiver was down for all attempts. It is repaired now; requeueing.")
                outside.repair()
                story.requeue(dead[0])
                story.look()
                repaired = True
            live.update(story.table())


def main(arguments: list[str] | None = None) -> int:
    """Start everything, tell the story, wait for Ctrl-C, stop everything."""
    parser = argparse.ArgumentParser(prog="python -m ops.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the story is told")
    once = parser.parse_args(arguments).once
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console, outside = Console(), Outside()
    console.print("Starting an AWS on this machine and deploying the template to it: about 20 seconds.")
    try:
        with listening(outside) as receiver, running(LOCAL / "demo", parameters=PARAMETERS) as stack:
            console.print(f"Up: {stack.api_url}")
            tell(Story(stack, chapters(receiver)), outside, console)
            console.print("All is settled: every notification was delivered, or died where somebody sees it.")
            if not once:
                console.print(f"The stack stays up until Ctrl-C. In another shell: . {LOCAL / 'demo' / 'stack.env'}")
                threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped.")
    except ToolError as problem:
        console.print(str(problem), markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
