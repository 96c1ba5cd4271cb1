"""`make up DEMO=1`: the organisation is put into the stack that is up, and what is there is said.

The past is written by the layer's own code (`history`). What happens now happens by the real ways: alerts are created
by the API and delivered by the functions, certificates are imported by the API or read by the sync from ACM and from
TLS endpoints. All of it counts from one instant, which is kept in the stack: doing it again adds nothing.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from build.toolchain import LOCAL, ROOT, ToolError
from demo import organisation as about
from demo.destinations import Destinations, started
from demo.graphs import put_metrics
from demo.history import History, Tables
from demo.organisation import Origin
from local.certificate import self_signed
from local.loopback import HOST
from local.seed import webhook_secret
from local.stack import Answer, Stack

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_ssm import SSMClient

PATIENCE = 60.0
"""Seconds that the functions may take for what is created now."""
PARTS = ("source-sync", "expiry-check", "retry-sweep")
"""The scheduled functions, in the order in which one gives the next something to do."""


def fill(stack: Stack, state_dir: Path, now: datetime) -> bool:
    """Put the organisation into the stack, unless it is there; tell whether that was done. Its receivers listen then.

    What an interrupted filling has left is gone on with.
    """
    begun, is_done = _begun(stack, now)
    destinations = started(state_dir, _endpoint_certificates(begun))
    if is_done:
        return False
    _configure(stack, destinations)
    history = History(tables_of(stack), begun)
    history.write()
    _bring_certificates(stack, history, begun)
    for number, alert in enumerate(about.NOW):
        _create(stack, alert, f"harbour {number} {begun.isoformat()}")
    for part in PARTS[:2]:
        _run(stack, part)
    _until(lambda: not _in_flight(stack), "the functions did not deliver what was created")
    _run(stack, PARTS[2])  # it says how many are dead, and its alarm hears of it
    put_metrics(stack.client("cloudwatch"), stack.name, history.rows, begun)
    _remember(stack, begun, is_done=True)
    return True


def tables_of(stack: Stack) -> Tables:
    """Name the stack's tables."""
    names = (stack.outputs[f"{table}Table"] for table in ("Notifications", "Inventory", "Audit"))
    return Tables(stack.client("dynamodb"), *names)


# ── When it was filled ───────────────────────────────────────────────────────────────────────────────────────────────


def _mark(stack: Stack) -> str:
    return f"/{stack.name}/demo"


def _begun(stack: Stack, now: datetime) -> tuple[datetime, bool]:
    """Say since when the stack is being filled, from now on if it was not; and whether that was finished."""
    ssm: SSMClient = stack.client("ssm")
    try:
        kept = json.loads(ssm.get_parameter(Name=_mark(stack))["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        _remember(stack, now, is_done=False)
        return now, False
    return datetime.fromisoformat(kept["begun"]), kept["is_done"]


def _remember(stack: Stack, begun: datetime, *, is_done: bool) -> None:
    ssm: SSMClient = stack.client("ssm")
    value = json.dumps({"begun": begun.isoformat(), "is_done": is_done})
    ssm.put_parameter(Name=_mark(stack), Value=value, Type="String", Overwrite=True)


# ── What happens now ─────────────────────────────────────────────────────────────────────────────────────────────────


def _configure(stack: Stack, destinations: Destinations) -> None:
    """Store the documents of the channels with a name, and the list of TLS endpoints."""
    ssm: SSMClient = stack.client("ssm")
    for channel in about.RECEIVERS:
        document: dict[str, Any] = {"url": destinations.url(channel)}
        if channel.startswith("Webhook"):
            document["secrets"] = [webhook_secret(stack.name)]
        name = f"/{stack.name}/channels/{channel.replace(':', '/')}"
        ssm.put_parameter(Name=name, Value=json.dumps(document), Type="SecureString", Overwrite=True)
    endpoints = "\n".join(f"{HOST}:{port}#{name}" for name, port in destinations.endpoints.items())
    ssm.put_parameter(Name=f"/{stack.name}/sources/tls", Value=endpoints, Type="String", Overwrite=True)


def _endpoint_certificates(now: datetime) -> dict[str, str]:
    sites = (site for site in about.SITES if site.origin is Origin.ENDPOINT)
    return {site.name: self_signed(site.name, site.left, now) for site in sites}


def _bring_certificates(stack: Stack, history: History, now: datetime) -> None:
    """Import what comes from a file, and put what comes from ACM there."""
    for site in about.SITES:
        if site.origin is Origin.FILE and not _is_known(stack, site.name):
            pem, _, _key = self_signed(site.name, site.left, now).partition("-----BEGIN PRIVATE KEY")
            said = {name: id_ for name, id_ in asdict(history.owned(site)).items() if id_}
            _call(stack, "POST", "/certificates/import", {"pem": pem, **said})
        if site.origin is Origin.ACM:
            _into_acm(stack, site.name)


def _is_known(stack: Stack, name: str) -> bool:
    found = _call(stack, "GET", "/certificates?limit=100").json()["items"]
    return any(one["common_name"] == name for one in found)


def _into_acm(stack: Stack, name: str) -> None:
    """Have ACM issue it: the embedded one does at once, for as long as it likes."""
    acm: ACMClient = stack.client("acm")
    known = acm.list_certificates()["CertificateSummaryList"]
    if not any(summary.get("DomainName") == name for summary in known):
        acm.request_certificate(DomainName=name, ValidationMethod="DNS")


def _create(stack: Stack, alert: about.Now, key: str) -> None:
    said = {"message": f"{alert.subject}. {alert.message}"}
    fields = {name: value for name, value in vars(alert).items() if value} | said
    _call(stack, "POST", "/notifications", fields, {"Idempotency-Key": key})


def _in_flight(stack: Stack) -> list[str]:
    """Give the ids of what nobody has tried yet."""
    found = _call(stack, "GET", "/notifications?status=pending&limit=100").json()["items"]
    return [row["id"] for row in found if not row["deferred"]]


def _run(stack: Stack, part: str) -> None:
    client: LambdaClient = stack.client("lambda")
    answer = client.invoke(FunctionName=f"{stack.name}-{part}:live")
    if "FunctionError" in answer:
        raise ToolError(f"{stack.name}-{part} failed: {answer['Payload'].read()[:500]!r}")


def _until(is_done: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_done():
        if time.monotonic() > deadline:
            raise ToolError(f"Within {PATIENCE:g} s {problem}.")
        time.sleep(0.2)


def _call(stack: Stack, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
    route, _, query = path.partition("?")
    asked = dict(part.split("=") for part in query.split("&")) if query else None
    answer = stack.api.request(method, f"/api/v1{route}", query=asked, json_body=body, headers=headers)
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise ToolError(f"{method} {path} answered {answer.status}: {answer.body[:300]!r}")
    return answer


# ── What is said ─────────────────────────────────────────────────────────────────────────────────────────────────────


def told(stack: Stack, state_dir: Path) -> str:
    """Say what is there, as the API shows it, and what to do next."""
    rows = everything(stack, "/notifications")
    certificates = Counter(one["status"] for one in everything(stack, "/certificates"))
    states = Counter("deferred" if row["deferred"] else row["status"] for row in rows)
    groups = Counter((row["channel"], row["last_error"].split(":")[0]) for row in rows if row["status"] == "dead")
    most = ", ".join(f"{count} by {channel}" for (channel, _), count in groups.most_common(3))
    env = os.path.relpath(state_dir / "stack.env", ROOT)
    who = f"{len(about.TEAMS)} teams, {len(about.OWNERS)} owners, {len(about.POLICIES)} renewal policies"
    return f"""
In it is Harbour, which books freight: {who}.
  certificates   {_counted(certificates)}
  notifications  {_counted(states)}
  dead letters   {most}, and others

Its receivers listen as well, so what you requeue arrives, or fails again. What next, in a shell:
  . {env}
  .venv/bin/tocsin groups     what is dead, by what it died of
  .venv/bin/tocsin list       all of it, newest first
  .venv/bin/tocsin console    the same in a browser: look, requeue, read
"""


def _counted(found: Counter[str]) -> str:
    return f"{found.total()}: " + ", ".join(f"{count} {name}" for name, count in found.most_common())


def everything(stack: Stack, path: str) -> list[dict[str, Any]]:
    """Read all pages of a list."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = stack.api.request("GET", f"/api/v1{path}", query=query).json()
        found += page["items"]
        if not (cursor := page["next_cursor"]):
            return found


def main() -> int:
    """Fill the stack of `make up`, and say so."""
    try:
        stack = Stack.read(LOCAL)
        began = time.monotonic()
        is_new = fill(stack, LOCAL, datetime.now(UTC))
        what = f"Filled in {time.monotonic() - began:.1f} s." if is_new else "It was filled before: nothing is added."
        sys.stdout.write(f"{what}\n{told(stack, LOCAL)}")
    except FileNotFoundError:
        sys.stderr.write("No stack is up: make up DEMO=1\n")
        return 1
    except (ToolError, ClientError, BotoCoreError, HTTPError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
