"""The wiring of the ways out, of first deliveries and of the retry sweep."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.bootstrap import resources
from tocsin.channels.aws import client_config
from tocsin.channels.channel import ChannelSettings, Clients
from tocsin.channels.credentials import Credentials
from tocsin.channels.wording import Links
from tocsin.delivery import linked
from tocsin.delivery.admission import Admission
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import Circuit
from tocsin.delivery.drain import Drained, drain, due_first
from tocsin.delivery.gate import Drain, Gate
from tocsin.delivery.notification import Notification
from tocsin.delivery.record import Tally
from tocsin.delivery.send import ATTEMPT_DEADLINE, Delivery, Limits, Verdict, Worker
from tocsin.delivery.store import Fetched
from tocsin.delivery.sweep import Swept, sweep
from tocsin.storage.codec import Item
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.circuits import CircuitTable
from tocsin.storage.notifications.item import SHARDS, read_all

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient


_CIRCUITS = 1000
"""Circuits that a sweep looks after."""


@cache
def credentials() -> Credentials:
    """Open the channels' stored configuration."""
    return Credentials(resources.client("ssm", resources.FAST), resources.settings().channel_prefix, resources.now)


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
    from tocsin.channels import registry  # noqa: F401, PLC0415 - loading it is the point; see `deliver`
    from tocsin.expiry import still_true  # noqa: F401, PLC0415 - the same

    resources.dynamodb()


def review(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
    """Say which of `rows` are true no more, and which need other words; see `delivery`."""
    from tocsin.expiry.still_true import reviewer  # noqa: PLC0415 - the API rarely asks; `prepare` loads it for others

    of_incidents = linked.reviewer(resources.table(), resources.now)(rows)
    others = [row for row in rows if row.id not in of_incidents and row.about is None and row.certificate_id]
    return {**of_incidents, **(reviewer(resources.alerts(), resources.now)(others) if others else {})}


@cache
def circuits() -> CircuitTable:
    """Open the circuits."""
    return CircuitTable(resources.dynamodb(), resources.settings().notifications_table)


@cache
def gate() -> Gate:
    """Make what this process knows of its destinations."""
    return Gate(circuits())


async def deliver(found: Fetched, worker: Worker, limits: Limits, drain_: Drain | None = None) -> Tally:
    """Claim, send and record with all that is real; make dead letters of what can't be read."""
    from tocsin.channels.registry import Channels  # noqa: PLC0415 - aiohttp would cost the API's cold start

    settings = resources.settings()
    async with Channels(
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
    ) as channels:
        run = Delivery(
            resources.table(),
            channels,
            settings.delivery,
            worker,
            resources.recorder().observe,
            review=review,
            limits=limits,
            admission=Admission(
                gate(),
                channels,
                settings.delivery,
                worker.clock,
                waits=limits.waits,
                drain=drain_,
                changed=resources.recorder().circuit,
            ),
        )
        return await run.run(found.rows, found.malformed)


def dispatch(images: Iterable[Item], context: resources.LambdaContext) -> Tally:
    """Deliver for the first time what the table's stream brought. A paused stack leaves that to a later sweep."""
    return asyncio.run(dispatch_once(images, context))


async def dispatch_once(images: Iterable[Item], context: resources.LambdaContext) -> Tally:
    """Dispatch, in a running event loop."""
    if resources.settings().is_paused:
        return Tally()
    at_once = Limits(waits=False)  # what is not taken now is the sweep's: a lane of the stream must not wait for it
    return await deliver(read_all(images), resources.worker(context), at_once)


def run_sweep(context: resources.LambdaContext, shards: Sequence[int] | None) -> Swept | None:
    """Sweep once, unless another sweep is at it."""
    return asyncio.run(sweep_once(context, shards))


async def sweep_once(context: resources.LambdaContext, shards: Sequence[int] | None) -> Swept | None:
    """Sweep the whole table, or the part of it that another sweep handed over.

    The sweep of a paused stack measures what waits, and leaves it.
    """
    worker = resources.worker(context)
    is_paused = resources.settings().is_paused
    will_hand_over = not shards and not is_paused

    async def deliver_unless_paused(found: Fetched) -> Tally:
        return Tally(left=list(found.rows)) if is_paused else await deliver(found, worker, Limits())

    job = "retry_sweep" if shards is None else f"retry_sweep#{min(shards)}"
    return await sweep(
        _lease(job, context),
        resources.table(),
        deliver_unless_paused,
        shards=range(SHARDS) if shards is None else shards,
        hand_over=(lambda part: _invoke(context, {"shards": list(part)})) if will_hand_over else None,
        look_after=partial(_look_after, context) if will_hand_over else lambda _now: (),
        now=resources.now(),
        seconds=worker.remaining(),
    )


def _look_after(context: resources.LambdaContext, now: datetime) -> Sequence[Circuit]:
    """Start a drain of each circuit that is to be looked at; give these, and all that are not closed."""
    try:
        known = circuits().to_look_at(now, _CIRCUITS)
        for circuit in due_first(known, now):
            _invoke(context, {"circuit": circuit.name})
    except (ClientError, BotoCoreError):  # the due rows of all others must not wait for it
        resources.logger().exception("the circuits could not be looked after")
        return ()
    return known


def run_drain(context: resources.LambdaContext, name: str) -> Drained | None:
    """Drain once, unless another worker does."""
    return asyncio.run(drain_once(context, name))


async def drain_once(context: resources.LambdaContext, name: str) -> Drained | None:
    """Look at one circuit, and send what waits for it as far as it lets that through."""
    if resources.settings().is_paused:
        return None
    worker = resources.worker(context)
    credentials().forget(Circuit(name=name).channel)  # what is mended shall be seen now

    async def deliver_waiting(found: Fetched, errand: Drain) -> Tally:
        return await deliver(found, worker, Limits(), errand)

    return await drain(
        _lease(f"drain#{name}", context),
        resources.table(),
        circuits(),
        deliver_waiting,
        name,
        now=resources.now(),
        seconds=worker.remaining(),
    )


def _lease(job: str, context: resources.LambdaContext) -> Lease:
    table = resources.settings().notifications_table
    return Lease(resources.dynamodb(), table, job, holder=context.aws_request_id)


def _invoke(context: resources.LambdaContext, event: Mapping[str, object]) -> None:
    """Start this function once more, for a part of the work; one that still runs keeps it from being done twice."""
    client = resources.client("lambda", resources.FAST)
    client.invoke(FunctionName=context.invoked_function_arn, InvocationType="Event", Payload=json.dumps(event))


def configured_channels() -> set[ChannelName]:
    """Name the channels that could send now. SNS always could: the stack has a topic of its own."""
    return {*credentials().configured(), ChannelName.SNS}
