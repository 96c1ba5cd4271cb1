"""`python -m demo.advanced`: from an organisation to a renewal that a server shows, on an AWS of this machine.

It starts an embedded AWS with the stack in it, plays everybody else (the operator, whoever renews, a server), and looks
at each step until it is seen. Then, unless ONCE=1, it stays up until Ctrl-C. It takes away what it started.
"""

import json
import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from urllib3.exceptions import HTTPError

from build.toolchain import LOCAL, ToolError
from demo.__main__ import SPEED, alone
from demo.evidence import NotSeenError, Seen, look_for
from demo.picture import Picture
from demo.world import UnexpectedAnswerError, World
from local.certificate import Authority
from local.embedded import down, up
from local.loopback import HOST
from local.stack import Stack

HOME = LOCAL / "advanced"
PARAMETERS = {
    "BackoffBaseSeconds": "1",
    "ExpiryCheckInterval": "3 minutes",
    "SourceSyncInterval": "4 minutes",
    "FallbackEmail": "ops@shop.example",
}
"""A minute of a schedule lasts a second."""
NAME, LEFT, RENEWED = "www.shop.example", timedelta(days=20), timedelta(days=90)
CA = Authority("Shop CA")
POLL = 0.5
"""Seconds between two looks."""
STEPS = 14


class Server(ThreadingTCPServer):
    """A server that shows a certificate to whoever connects; another one once it is reloaded."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, pem: str) -> None:
        """Show the certificate in `pem`, behind which is its key."""
        super().__init__((HOST, 0), BaseRequestHandler)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.reload(pem)
        threading.Thread(target=self.serve_forever, name="server", daemon=True).start()

    @property
    def address(self) -> str:
        """Name it as the list of endpoints does: where to connect, and which name to ask for."""
        return f"{HOST}:{self.server_address[1]}#{NAME}"

    def reload(self, pem: str) -> None:
        """Show another certificate from now on."""
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            self._context.load_cert_chain(file.name)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - socketserver's signature
        """Do the handshake, and hang up."""
        with suppress(OSError), self._context.wrap_socket(request, server_side=True):
            pass

    def close(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()


@dataclass
class Renewer:
    """Whoever renews: a queue behind a rule on the stack's bus, as a program of your own would have it."""

    stack: Stack
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to what is asked for."""
        sqs, events, bus = self.stack.client("sqs"), self.stack.client("events"), self.stack.outputs["EventBusName"]
        self.url = sqs.create_queue(QueueName="renewer")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = {"source": [f"tocsin.{self.stack.name}"], "detail-type": ["Renewal Requested"]}
        events.put_rule(Name="renewer", EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule="renewer", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    def look(self) -> list[dict[str, Any]]:
        """Give the details of all that was asked for so far."""
        found = self.stack.client("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        self.asked += [json.loads(message["Body"])["detail"] for message in found.get("Messages", [])]
        return self.asked


class Tour:
    """One telling. Each step says what it saw, and ends the tour where it does not see it."""

    def __init__(self, world: World, stack: Stack, server: Server, picture: Picture, old: str) -> None:
        """`old` is what `server` shows: PEM, then its key."""
        self._world = world
        self._stack = stack
        self._server = server
        self._picture = picture
        self._old = old
        self._renewer = Renewer(stack)
        self._acts = 0
        self.seen = 0
        """Steps that came true."""

    def tell(self) -> None:
        """Tell it; raise NotSeenError at the first thing that is not observed."""
        for act in (self._organisation, self._certificate, self._rule, self._request, self._renewal):
            act()
        for act in (self._deployment, self._trail):
            act()

    # ── The acts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _organisation(self) -> None:
        self._act("An organisation", "A team, an owner in it, and how their certificates alert and are renewed.")
        post = self._world.post
        team = post("/teams", {"name": "Platform", "email": "platform@shop.example"})
        self._owner = post("/owners", {"name": "Kim", "email": "kim@shop.example", "team_id": team})
        policy = {"name": "web", "alert_thresholds_days": [30, 14, 7, 0], "renew_before": "33%"}
        self._policy = post("/renewal-policies", policy)

        def kept() -> Seen:
            said = self._read(f"/renewal-policies/{self._policy}")
            return f"alerts at {said['alert_thresholds_days']} days, has renewals asked for at {said['renew_before']}"

        self.check("the renewal policy", kept)

    def _certificate(self) -> None:
        self._act(
            "A certificate, in a file and at a server",
            "The file is imported, without its key. The server is listed, and looked at by the scheduled sync.",
        )
        said = {"pem": self._old, "owner_id": self._owner, "policy_id": self._policy}
        self._file = self._import(said)
        name = f"/{self._stack.name}/sources/tls"
        self._stack.client("ssm").put_parameter(Name=name, Value=self._server.address, Type="String", Overwrite=True)

        def served() -> Seen:
            found = [one for one in self._list("/certificates") if one["source"] == "tls"]
            if not found:
                return False
            self._place = found[0]["id"]
            same = found[0]["serial"] == self._read(f"/certificates/{self._file}")["serial"]
            return same and f"the server shows the certificate of the file, serial {found[0]['serial'][:12]}…"

        def alerted() -> Seen:
            return self._told(self._file, "ExpirationWarning")

        self.check("the server is seen", served)
        self.check("its owner is told that it expires", alerted)

    def _rule(self) -> None:
        self._act("A rule", "Certificates of this policy must say which service they are for. This one does not.")
        rule = {
            "name": "names its service",
            "type": "RequiredMetadata",
            "config": {"tags": ["service"]},
            "scope": {"policy_id": self._policy},
        }
        id_ = self._world.post("/policies", rule)

        def violated() -> Seen:
            found = self._list(f"/policies/{id_}/violations")
            return bool(found) and f"{found[0]['common_name']}: {found[0]['detail']}"

        def resolved() -> Seen:
            return not self._list(f"/policies/{id_}/violations") and "nothing violates it any more"

        self.check("the violation is found", violated)
        self.check("and told", lambda: self._told(self._file, "PolicyViolation"))
        shown = self._read(f"/certificates/{self._file}")
        names = ("common_name", "names", "serial", "fingerprint_sha256", "issuer", "not_before", "expires_at")
        more = ("owner_id", "policy_id", "key_kind", "key_size", "signature_algorithm")
        body = {name: shown[name] for name in (*names, *more)} | {"tags": {"service": "shop"}}
        self._world.call("PUT", f"/certificates/{self._file}", json_body=body, headers={"If-Match": "*"})
        self.check("Kim adds the tag", resolved)

    def _request(self) -> None:
        self._act(
            "A renewal is asked for",
            "Less than a third of its life is left. Tocsin renews nothing: it asks, once, on the stack's event bus.",
        )

        def asked() -> Seen:
            found = [one for one in self._renewer.look() if one["certificate_id"] == self._file]
            if not found:
                return False
            self._job = found[0]["job_id"]
            return f"Renewal Requested for {found[0]['common_name']}, by {found[0]['deadline'][:16]}"

        self.check("the event arrives", asked)
        self._world.call("POST", f"/renewal-jobs/{self._job}/report", json_body={"state": "started"})
        self.check("the renewer says that it began", lambda: f"job {self._job[-6:]}: {self._state()}")

    def _renewal(self) -> None:
        self._act(
            "It is renewed",
            "Whoever renews can't say that it worked. It has when a source sees the new certificate.",
        )
        self._new = CA.issued(NAME, RENEWED, datetime.now(UTC))
        self._import({"pem": self._new})

        def succeeded() -> Seen:
            job = self._read(f"/renewal-jobs/{self._job}")
            return job["state"] == "succeeded" and str(job["last_report"])

        self.check("the job", succeeded)
        self.check("its owner is told", lambda: self._told(self._file, "RenewalSuccess"))

    def _deployment(self) -> None:
        self._act(
            "The server still shows the old one",
            "The commonest outage. Would it do so for six hours more, that were a DeploymentFailure. It is reloaded.",
        )
        file, place = (self._read(f"/certificates/{id_}") for id_ in (self._file, self._place))
        if place["serial"] != file["serial"]:
            days = (datetime.fromisoformat(place["expires_at"]) - datetime.now(UTC)).days
            self._picture.say(
                f"        file: serial {file['serial'][:12]}…   server: {place['serial'][:12]}…, {days} days"
            )
        self._server.reload(self._new)
        self.check("the server shows the new one", lambda: self._told(self._place, "DeploymentSuccess"))
        self.check("nothing of the old one is owed", self._nothing_owed)

    def _trail(self) -> None:
        self._act("Who did what", "The audit trail of the renewal job, and which certificates the file has had.")
        lines = self._list("/audit-events", resource=f"renewal_job/{self._job}")
        for line in reversed(lines):
            self._picture.say(f"        {line['at'][11:19]}  {line['action']:20} {line['actor'].rpartition('/')[2]}")
        actions = {line["action"] for line in lines}
        wanted = {"renewal_requested", "renewal_reported", "renewal_succeeded"}
        self.check("the trail has each step", lambda: wanted <= actions and f"{len(lines)} lines")

        def versions() -> Seen:
            found = self._list(f"/certificates/{self._file}/versions")
            serials = " then ".join(f"{one['serial'][:8]}…" for one in reversed(found))
            return len(found) > 1 and serials

        self.check("both certificates are remembered", versions)

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self, name: str, evidence: Callable[[], Seen]) -> None:
        """Look for evidence; raise NotSeenError if there is none in time."""
        look_for(self._picture, name, evidence, self._watch)
        self.seen += 1

    def _watch(self) -> None:
        self._world.look()
        self._picture.draw([*self._world.rows.values()], "")
        time.sleep(POLL)

    def _told(self, certificate_id: str, type_: str) -> Seen:
        """Say who was sent a notification of this type, once it is."""
        found = self._list(f"/certificates/{certificate_id}/notifications")
        sent = [one for one in found if one["type"] == type_ and one["status"] == "sent"]
        return bool(sent) and f'{sent[0]["recipient"]}: "{sent[0]["subject"].removeprefix("[Tocsin] ")}"'

    def _nothing_owed(self) -> Seen:
        found = [one for id_ in (self._file, self._place) for one in self._list(f"/certificates/{id_}/notifications")]
        owed = [one for one in found if one["status"] not in ("sent", "superseded")]
        return not owed and f"{len(found)} notifications, each sent once"

    def _state(self) -> str:
        return str(self._read(f"/renewal-jobs/{self._job}")["state"])

    def _act(self, title: str, text: str) -> None:
        self._acts += 1
        self._picture.act(self._acts, title, text)

    def _read(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._world.call("GET", path).json()
        return found

    def _list(self, path: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._world.call("GET", path, query=query).json()["items"]
        return found

    def _import(self, said: dict[str, str]) -> str:
        pem, _, _key = said["pem"].partition("-----BEGIN PRIVATE KEY")
        answer = self._world.call("POST", "/certificates/import", json_body=said | {"pem": pem}).json()
        return str(answer["items"][0]["certificate"]["id"])


def tour(console: Console, *, once: bool) -> int:
    """Start, tell, and take everything away; the exit code says whether all of it was seen."""
    down(HOME)  # what a demo that was killed has left
    try:
        console.print("Starting an AWS on this machine, and deploying the stack to it: about half a minute ...")
        stack = up(HOME, parameters=PARAMETERS, scheduler_speed=SPEED)
        old = CA.issued(NAME, LEFT, datetime.now(UTC))
        picture = Picture(console, moves=False)
        with closing(Server(old)) as server, closing(picture):
            told = Tour(World(stack), stack, server, picture, old)
            code = _told(told, picture)
            if code == 0 and not once:
                picture.say("", "It stays up until Ctrl-C. In another terminal, at the top of the checkout:", "")
                picture.say(f"  . {(HOME / 'stack.env').relative_to(LOCAL.parent)}", "  .venv/bin/tocsin list", "")
                threading.Event().wait()
            return code
    except KeyboardInterrupt:
        return 0
    finally:
        console.print("Stopping.")
        down(HOME)


def _told(told: Tour, picture: Picture) -> int:
    """Tell it and its end; the exit code."""
    began, code = time.monotonic(), 0
    try:
        told.tell()
    except (NotSeenError, UnexpectedAnswerError) as why:
        picture.say("", f"It ended early: {why}")
        code = 1
    picture.say("", f"{told.seen} of {STEPS} steps seen, in {time.monotonic() - began:.0f} s")
    return code


def main() -> int:
    """Give the tour; with ONCE=1 only that."""
    try:
        with alone(HOME):
            return tour(Console(highlight=False), once=os.environ.get("ONCE", "") not in ("", "0"))
    except (ToolError, ClientError, BotoCoreError, HTTPError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
