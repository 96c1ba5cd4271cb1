"""The wiring of the ways out, of first deliveries and of the retry sweep."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import cache
from typing import TYPE_CHECKING

from tocsin.bootstrap import resources
from tocsin.channels.aws import client_config
from tocsin.channels.channel import ChannelSettings, Clients
from tocsin.channels.credentials import Credentials
from tocsin.channels.wording import Links
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification
from tocsin.delivery.record import Tally
from tocsin.delivery.send import ATTEMPT_DEADLINE, Delivery, Limits, Verdict, Worker
from tocsin.delivery.store import Fetched
from tocsin.delivery.sweep import Swept, sweep
from tocsin.network.blocking import Blocking
from tocsin.storage.codec import Item
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import SHARDS, read_all

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

    from tocsin.channels.registry import Channels
    from tocsin.channels.templates import Templates, TemplateWords


@cache
def credentials() -> Credentials:
    """Open the channels' stored configuration."""
    return Credentials(resources.client("ssm", resources.FAST), resources.settings().channel_prefix, resources.now)


def template_prefix() -> str:
    """Give the path of the stack's templates."""
    return f"/{resources.settings().stack}/templates"


@cache
def _templates() -> "Templates":
    from tocsin.channels.templates import Templates  # noqa: PLC0415 - the API never says anything by a channel

    return Templates(resources.client("ssm", resources.FAST), template_prefix(), resources.now)


@asynccontextmanager
async def open_words() -> "AsyncIterator[TemplateWords]":
    """Open what finds the words of notifications, for one invocation."""
    from tocsin.channels.templates import TemplateWords  # noqa: PLC0415 - see `_templates`

    with closing(Blocking(1, "templates")) as reading:
        yield TemplateWords(
            _templates(), reading, Links(resources.settings().link_base), resources.recorder().template_failed
        )


@cache
def _sesv2() -> "SESV2Client":
    made: SESV2Client = resources.client("sesv2", client_config(ATTEMPT_DEADLINE))
    return made


@cache
def _sns() -> "SNSClient":
    made: SNSClient = resources.client("sns", client_config(ATTEMPT_DEADLINE))
    return made


@cache
def _events() -> "EventBridgeClient":
    made: EventBridgeClient = resources.client("events", client_config(ATTEMPT_DEADLINE))
    return made


@cache
def _lambda() -> "LambdaClient":
    made: LambdaClient = resources.client("lambda", client_config(ATTEMPT_DEADLINE))
    return made


def prepare() -> None:
    """Load what sending needs, before the first event: Lambda starts a process with more than its share of the CPU."""
    from tocsin.channels import registry, templates  # noqa: F401, PLC0415 - loading them is the point; see `open_channels`
    from tocsin.expiry import still_true  # noqa: F401, PLC0415 - the same

    resources.dynamodb()


def review(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
    """Say which of `rows` are true no more, and which need other words; see `delivery`."""
    from tocsin.expiry.still_true import reviewer  # noqa: PLC0415 - the API rarely asks; `prepare` loads it for others

    return reviewer(resources.alerts(), resources.now)(rows)


@asynccontextmanager
async def open_channels() -> "AsyncIterator[Channels]":
    """Open all channels, with all that is real, for one invocation."""
    from tocsin.channels.registry import Channels  # noqa: PLC0415 - aiohttp would cost the API's cold start

    settings = resources.settings()
    async with (
        open_words() as words,
        Channels(
            credentials(),
            clients=Clients(sesv2=_sesv2, sns=_sns, events=_events, lambda_=_lambda),
            now=resources.now,
            settings=ChannelSettings(
                reach=settings.reach,
                deadline=ATTEMPT_DEADLINE,
                default_topic_arn=settings.alert_topic_arn,
                configuration_set=settings.configuration_set,
                apprise_function=settings.apprise_function,
                stack=settings.stack,
                links=Links(settings.link_base),
            ),
            words=words,
        ) as channels,
    ):
        yield channels


async def deliver(found: Fetched, worker: Worker, limits: Limits) -> Tally:
    """Claim, send and record with all that is real; make dead letters of what can't be read."""
    async with open_channels() as channels:
        observe, policy = resources.recorder().observe, resources.settings().delivery
        run = Delivery(resources.table(), channels, policy, worker, observe, review=review, limits=limits)
        return await run.run(found.rows, found.malformed)


def dispatch(images: Iterable[Item], context: resources.LambdaContext) -> Tally:
    """Deliver for the first time what the table's stream brought. A paused stack leaves that to a later sweep."""
    if resources.settings().is_paused:
        return Tally()
    at_once = Limits(waits=False)  # what is not taken now is the sweep's: a lane of the stream must not wait for it
    return asyncio.run(deliver(read_all(images), resources.worker(context), at_once))


def run_sweep(context: resources.LambdaContext, shards: Sequence[int] | None) -> Swept | None:
    """Sweep once, unless another sweep is at it: the whole table, or the part of it that another sweep handed over.

    The sweep of a paused stack measures what waits, and leaves it.
    """
    worker = resources.worker(context)
    is_paused = resources.settings().is_paused
    will_hand_over = not shards and not is_paused

    async def deliver_unless_paused(found: Fetched) -> Tally:
        return Tally(left=list(found.rows)) if is_paused else await deliver(found, worker, Limits())

    job = "retry_sweep" if shards is None else f"retry_sweep#{min(shards)}"
    return asyncio.run(
        sweep(
            Lease(resources.dynamodb(), resources.settings().notifications_table, job, holder=context.aws_request_id),
            resources.table(),
            deliver_unless_paused,
            shards=range(SHARDS) if shards is None else shards,
            hand_over=(lambda part: _invoke_for(part, context.invoked_function_arn)) if will_hand_over else None,
            now=resources.now(),
            seconds=worker.remaining(),
        )
    )


def _invoke_for(shards: Sequence[int], function_arn: str) -> None:
    """Start a sweep of some shards; one that still runs keeps it from doing the work twice, by its lease."""
    client = resources.client("lambda", resources.FAST)
    client.invoke(FunctionName=function_arn, InvocationType="Event", Payload=json.dumps({"shards": list(shards)}))


def configured_channels() -> set[ChannelName]:
    """Name the channels that could send now. SNS always could: the stack has a topic of its own."""
    return {*credentials().configured(), ChannelName.SNS}
