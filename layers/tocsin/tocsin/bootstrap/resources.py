"""The only wiring: everything real is chosen here, once a process, and nothing at import."""

import asyncio
import json
import random
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Protocol

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters import SSMProvider
from botocore.config import Config

from tocsin.channels.aws import client_config
from tocsin.channels.channel import IMPLEMENTED
from tocsin.channels.credentials import Credentials
from tocsin.delivery.notification import ChannelName, Notification
from tocsin.delivery.reading import Item, Malformed
from tocsin.delivery.send import ATTEMPT_DEADLINE, Delivery, Tally, Verdict, Worker
from tocsin.delivery.store import Write
from tocsin.delivery.sweep import Swept, sweep
from tocsin.errors import MalformedRowError
from tocsin.expiry.review import reviewer
from tocsin.observability import MetricsBook, Recorder
from tocsin.settings import Settings, read_settings
from tocsin.storage.audit import AuditTrail
from tocsin.storage.cursor import Cursors, shared_key
from tocsin.storage.inventory.alerts import AlertBook
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import SHARDS, decode, salvage
from tocsin.storage.notifications.lists import NotificationLists
from tocsin.storage.notifications.table import NotificationTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

FAST = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 4})
"""Well inside every function's time; `standard` retries throttling with jitter (boto3 guide, "Retries")."""


SHARDS_A_SWEEP = 2
"""Index shards that each of the sweeps beside each other takes, when the backlog is too large for one."""


class LambdaContext(Protocol):
    """What a worker needs of Lambda's context object."""

    aws_request_id: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Give the milliseconds until Lambda stops this invocation."""
        ...


def now() -> datetime:
    """Give the present, aware and in UTC."""
    return datetime.now(UTC)


@cache
def settings() -> Settings:
    """Read the environment."""
    return read_settings()


@cache
def logger() -> Logger:
    """Give the stack's structured logger."""
    return Logger()


@cache
def dynamodb() -> "DynamoDBClient":
    """Connect to DynamoDB."""
    return boto3.client("dynamodb", config=FAST)


@cache
def table() -> NotificationTable:
    """Open the Notifications table."""
    return NotificationTable(dynamodb(), settings().notifications_table, settings().retention)


@cache
def audit_trail() -> AuditTrail:
    """Open the audit trail."""
    return AuditTrail(dynamodb(), settings().audit_table)


@cache
def alert_book() -> AlertBook:
    """Open the alerts that the expiry check raised."""
    here = settings()
    return AlertBook(dynamodb(), here.inventory_table, here.notifications_table, audit_trail(), here.retention)


@cache
def lists() -> NotificationLists:
    """Open the lists of the Notifications table."""
    return NotificationLists(dynamodb(), settings().notifications_table)


@cache
def cursors() -> Cursors:
    """Make the codec of this stack's cursors."""
    return Cursors(shared_key(dynamodb(), settings().notifications_table))


@cache
def credentials() -> Credentials:
    """Open the channels' stored configuration."""
    return Credentials(SSMProvider(boto_config=FAST), settings().channel_prefix, now)


@cache
def recorder() -> Recorder:
    """Make what turns events into log lines and metrics."""
    return Recorder(logger(), MetricsBook(settings().stack))


def worker(context: LambdaContext) -> Worker:
    """Give this invocation its clock, its time, its dice."""
    return Worker(
        clock=now,
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
        dice=random.SystemRandom().random,
        new_token=lambda: secrets.token_urlsafe(9),
    )


@cache
def _sesv2() -> "SESV2Client":
    return boto3.client("sesv2", config=client_config(ATTEMPT_DEADLINE))


@cache
def _sns() -> "SNSClient":
    return boto3.client("sns", config=client_config(ATTEMPT_DEADLINE))


def review(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
    """Say which of `rows` are true no more, and which need other words; see `delivery`."""
    return reviewer(alert_book(), now)(rows)


async def deliver(rows: Sequence[Notification], worker: Worker) -> Tally:
    """Claim, send and record `rows` with all that is real."""
    from tocsin.channels.registry import Channels  # noqa: PLC0415 - aiohttp would cost the API's cold start

    async with Channels(
        credentials(),
        sesv2=_sesv2,
        sns=_sns,
        now=now,
        allowed_networks=settings().allowed_private_ranges,
        default_topic_arn=settings().alert_topic_arn,
        deadline=ATTEMPT_DEADLINE,
    ) as channels:
        run = Delivery(table(), channels, settings().delivery, worker, recorder().observe, review=review)
        return await run.run(rows)


def bury(found: Malformed) -> bool:
    """Make a dead letter of an item that can't be read; tell whether this call did it."""
    verdict = table().bury(found, now())
    if verdict is Write.DONE:
        recorder().buried(salvage(found.item), found.reason)
    elif verdict is not Write.LOST:
        logger().error("a row can't be read, nor made dead now; it stays due", extra={"reason": found.reason})
    return verdict is Write.DONE


def _readable(items: Sequence[Item]) -> list[Notification]:
    """Read items from the stream; those that can't be read become dead letters."""
    rows: list[Notification] = []
    for item in items:
        try:
            rows.append(decode(item))
        except MalformedRowError as error:
            bury(Malformed(item, error.detail))
    return rows


def dispatch(items: Sequence[Item], context: LambdaContext) -> Tally:
    """Deliver for the first time what the table's stream brought."""
    return asyncio.run(deliver(_readable(items), worker(context)))


def run_sweep(context: LambdaContext, shards: Sequence[int] | None) -> Swept | None:
    """Sweep once, unless another sweep is at it: the whole table, or the part of it that another sweep handed over."""
    this = worker(context)
    job = "retry_sweep" if shards is None else f"retry_sweep#{min(shards)}"
    return asyncio.run(
        sweep(
            Lease(dynamodb(), settings().notifications_table, job, holder=context.aws_request_id),
            table(),
            lambda rows: deliver(rows, this),
            bury,
            shards=range(SHARDS) if shards is None else shards,
            hand_over=None if shards else lambda: _hand_over(context.invoked_function_arn),
            now=now(),
            seconds=this.remaining(),
        )
    )


def _hand_over(function_arn: str) -> None:
    """Start a sweep of each part of the table; those that still run are kept from doing it twice by their leases."""
    client = boto3.client("lambda", config=FAST)
    for first in range(0, SHARDS, SHARDS_A_SWEEP):
        part = {"shards": list(range(first, first + SHARDS_A_SWEEP))}
        client.invoke(FunctionName=function_arn, InvocationType="Event", Payload=json.dumps(part))


def configured_channels() -> set[ChannelName]:
    """Name the channels that could send now. SNS always could: the stack has a topic of its own."""
    return {*credentials().configured(IMPLEMENTED), ChannelName.SNS}
