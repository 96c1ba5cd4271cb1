"""The wiring of the ways out, of first deliveries and of the retry sweep."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import boto3
from aws_lambda_powertools.utilities.parameters import SSMProvider

from tocsin.bootstrap import resources
from tocsin.channels.aws import client_config
from tocsin.channels.channel import IMPLEMENTED
from tocsin.channels.credentials import Credentials
from tocsin.delivery.notification import ChannelName, Notification
from tocsin.delivery.reading import Item, Malformed
from tocsin.delivery.send import ATTEMPT_DEADLINE, Delivery, Tally, Verdict, Worker
from tocsin.delivery.store import Write
from tocsin.delivery.sweep import Swept, sweep
from tocsin.errors import MalformedRowError
from tocsin.expiry.still_true import reviewer
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import SHARDS, decode, salvage

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

SHARDS_A_SWEEP = 2
"""Index shards that each of the sweeps beside each other takes, when the backlog is too large for one."""


@cache
def credentials() -> Credentials:
    """Open the channels' stored configuration."""
    return Credentials(SSMProvider(boto_config=resources.FAST), resources.settings().channel_prefix, resources.now)


@cache
def _sesv2() -> "SESV2Client":
    return boto3.client("sesv2", config=client_config(ATTEMPT_DEADLINE))


@cache
def _sns() -> "SNSClient":
    return boto3.client("sns", config=client_config(ATTEMPT_DEADLINE))


def review(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
    """Say which of `rows` are true no more, and which need other words; see `delivery`."""
    return reviewer(resources.alerts(), resources.now)(rows)


async def deliver(rows: Sequence[Notification], worker: Worker) -> Tally:
    """Claim, send and record `rows` with all that is real."""
    from tocsin.channels.registry import Channels  # noqa: PLC0415 - aiohttp would cost the API's cold start

    async with Channels(
        credentials(),
        sesv2=_sesv2,
        sns=_sns,
        now=resources.now,
        allowed_networks=resources.settings().allowed_private_ranges,
        default_topic_arn=resources.settings().alert_topic_arn,
        deadline=ATTEMPT_DEADLINE,
    ) as channels:
        run = Delivery(
            resources.table(),
            channels,
            resources.settings().delivery,
            worker,
            resources.recorder().observe,
            review=review,
        )
        return await run.run(rows)


def bury(found: Malformed) -> bool:
    """Make a dead letter of an item that can't be read; tell whether this call did it."""
    verdict = resources.table().bury(found, resources.now())
    if verdict is Write.DONE:
        resources.recorder().buried(salvage(found.item), found.reason)
    elif verdict is not Write.LOST:
        resources.logger().error("a row can't be read, nor made dead now; it stays due", extra={"reason": found.reason})
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


def dispatch(items: Sequence[Item], context: resources.LambdaContext) -> Tally:
    """Deliver for the first time what the table's stream brought."""
    return asyncio.run(deliver(_readable(items), resources.worker(context)))


def run_sweep(context: resources.LambdaContext, shards: Sequence[int] | None) -> Swept | None:
    """Sweep once, unless another sweep is at it: the whole table, or the part of it that another sweep handed over."""
    this = resources.worker(context)
    job = "retry_sweep" if shards is None else f"retry_sweep#{min(shards)}"
    return asyncio.run(
        sweep(
            Lease(resources.dynamodb(), resources.settings().notifications_table, job, holder=context.aws_request_id),
            resources.table(),
            lambda rows: deliver(rows, this),
            bury,
            shards=range(SHARDS) if shards is None else shards,
            hand_over=None if shards else lambda: _hand_over(context.invoked_function_arn),
            now=resources.now(),
            seconds=this.remaining(),
        )
    )


def _hand_over(function_arn: str) -> None:
    """Start a sweep of each part of the table; those that still run are kept from doing it twice by their leases."""
    client = boto3.client("lambda", config=resources.FAST)
    for first in range(0, SHARDS, SHARDS_A_SWEEP):
        part = {"shards": list(range(first, first + SHARDS_A_SWEEP))}
        client.invoke(FunctionName=function_arn, InvocationType="Event", Payload=json.dumps(part))


def configured_channels() -> set[ChannelName]:
    """Name the channels that could send now. SNS always could: the stack has a topic of its own."""
    return {*credentials().configured(IMPLEMENTED), ChannelName.SNS}
