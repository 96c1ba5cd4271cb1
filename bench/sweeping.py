"""The sweep beside a loop that does a row at a time, over the same rows, store and receivers.

Both claim, sign, post and record each row. What is compared is processor time, which a noisy machine changes little:
the loop is what a team would write in an afternoon (boto3, urllib3, the standardwebhooks library, eight threads).
"""

import base64
import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from subprocess import PIPE, Popen
from typing import Any

import boto3
import urllib3

from bench.first_call import Context
from bench.servers import IMPORTS, due_rows
from build.template import environment
from tocsin.bootstrap import delivery, expiry, resources
from tocsin.expiry.check import Seen

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
THREADS = 8


@dataclass(frozen=True)
class Measured:
    """What some rows cost one process."""

    rows: int
    seconds: float
    cpu: float

    @property
    def microseconds(self) -> float:
        """Of processor time, a row."""
        return self.cpu / self.rows * 1e6

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def told(store: int) -> dict[str, str]:
    """What the function is told, on this machine."""
    return environment(
        ENVIRONMENT="local",
        TOCSIN_STACK="bench",
        NOTIFICATIONS_TABLE="notifications",
        INVENTORY_TABLE="inventory",
        AUDIT_TABLE="audit",
        CHANNEL_PREFIX="/bench/channels",
        FALLBACK_EMAIL="ops@example.com",
        ALERT_TOPIC_ARN="arn:aws:sns:us-east-1:123456789012:alerts",
        ENDPOINTS_PARAMETER="/bench/sources/tls",
        HEARTBEAT_PARAMETER="",
        ALLOWED_PRIVATE_RANGES="127.0.0.0/8",
        ALLOW_PLAIN_HTTP="yes",
        POWERTOOLS_SERVICE_NAME="bench",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{store}",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",  # noqa: S106 - nobody checks it
        AWS_DEFAULT_REGION="us-east-1",
    )


class _Parameter:
    """What Credentials needs of SSM: the parameter is there, and is not what is measured."""

    def get_parameter(self, **_: object) -> dict[str, dict[str, str]]:
        return {"Parameter": {"Value": json.dumps({"secrets": [SECRET]})}}


def sweep(rows: int, shards: list[int] | None = None) -> Measured:
    """Sweep in this process, as the function does: logs and metrics too. The environment names the store."""
    delivery.prepare()
    delivery.credentials()._client = _Parameter()  # type: ignore[assignment]  # noqa: SLF001 - see there
    begun, cpu = time.perf_counter(), time.process_time()
    with redirect_stdout(io.StringIO()):  # log lines are written all the same
        swept = delivery.run_sweep(Context(), shards)
        resources.recorder().metrics.flush()
    found = Measured(rows, time.perf_counter() - begun, time.process_time() - cpu)
    if swept is None or (shards is None and swept.settled != rows):
        raise RuntimeError(swept)
    return Measured(swept.settled, found.seconds, found.cpu)


def check(count: int) -> Measured:
    """Check certificates in this process, all of them inside the window."""
    resources.dynamodb()
    begun, cpu = time.perf_counter(), time.process_time()
    with redirect_stdout(io.StringIO()):
        checked = expiry.run_expiry_check(Context())
        resources.recorder().metrics.flush()
    found = Measured(count, time.perf_counter() - begun, time.process_time() - cpu)
    if checked is None or checked.counts[Seen.RAISED] != count:
        raise RuntimeError(checked)
    return found


def loop(count: int) -> Measured:
    """Do the same a row at a time."""
    from standardwebhooks import Webhook  # noqa: PLC0415 - a tool of this one measurement

    client: Any = boto3.client("dynamodb")
    pool, webhook = urllib3.PoolManager(num_pools=64, maxsize=THREADS), Webhook(SECRET)
    key = {
        "TableName": "notifications",
        "ConditionExpression": "#s = :failed",
        "ExpressionAttributeNames": {"#s": "status"},
    }

    def one(id_: str) -> None:
        item = client.get_item(TableName="notifications", Key={"id": {"S": id_}}, ConsistentRead=True)["Item"]
        now = datetime.now(UTC)
        until = {":failed": {"S": "failed"}, ":until": {"N": str(int(now.timestamp() * 1000))}}
        client.update_item(
            **key,
            Key={"id": {"S": id_}},
            UpdateExpression="SET claimed_until = :until",
            ExpressionAttributeValues=until,
        )
        body = json.dumps({"type": item["type"]["S"], "data": {"id": id_, "message": item["message"]["S"]}})
        headers = {
            "webhook-id": id_,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": webhook.sign(id_, now, body),
        }
        answer = pool.request("POST", item["recipient"]["S"], body=body, headers=headers)
        sent = {":failed": {"S": "failed"}, ":sent": {"S": "sent" if answer.status < 300 else "failed"}}  # noqa: PLR2004
        client.update_item(
            **key, Key={"id": {"S": id_}}, UpdateExpression="SET #s = :sent", ExpressionAttributeValues=sent
        )

    ids = [row.id for row in due_rows(count, 1)]
    one(ids[0])
    begun, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, ids))
    return Measured(count, time.perf_counter() - begun, time.process_time() - cpu)


def measured(kind: str, rows: int, *, store: int, shards: str = "") -> Measured:
    """Measure in a process of its own."""
    finished = started(kind, rows, store=store, shards=shards)
    return result_of(finished)


def started(kind: str, rows: int, *, store: int, shards: str = "") -> "Popen[str]":
    """Start a measurement."""
    command = [sys.executable, "-m", "bench.sweeping", kind, str(rows), shards]
    return Popen(command, stdout=PIPE, text=True, env=os.environ | IMPORTS | told(store))


def result_of(process: "Popen[str]") -> Measured:
    """Wait for a measurement."""
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(out)
    return Measured(**json.loads(out.splitlines()[-1]))


def main(kind: str, rows: str, shards: str) -> None:
    """Measure here, and print it."""
    parts = [int(one) for one in shards.split(",")] if shards else None
    match kind:
        case "sweep":
            found = sweep(int(rows), parts)
        case "check":
            found = check(int(rows))
        case _:
            found = loop(int(rows))
    print(json.dumps({"rows": found.rows, "seconds": found.seconds, "cpu": found.cpu}))


if __name__ == "__main__":
    main(*sys.argv[1:])
