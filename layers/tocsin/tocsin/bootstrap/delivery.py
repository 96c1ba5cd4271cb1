"""The wiring of the ways out, of first deliveries and of the retry sweep."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.bootstrap import resources
from tocsin.channels.aws import client_config
from tocsin.channels.channel import ChannelSettings, Clients
from tocsin.channels.credentials import Credentials
from tocsin.channels.wording import Links
from tocsin.delivery import linked
from tocsin.delivery.admission import Admission
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import Circuit
from tocsin.delivery.drain import Drained, drain, due_first
from tocsin.delivery.gate import Drain, Gate
from tocsin.delivery.hand_off import is_hand_off
from tocsin.delivery.notification import Notification
from tocsin.delivery.record import Tally
from tocsin.delivery.send import ATTEMPT_DEADLINE, Delivery, Limits, Verdict, Worker
from tocsin.delivery.store import Fetched
from tocsin.delivery.sweep import Swept, sweep
from tocsin.network.blocking import Blocking
from tocsin.storage.codec import Item
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.circuits import CircuitTable
from tocsin.storage.notifications.item import SHARDS, read_all

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

    from tocsin.channels.registry import Channels
    from tocsin.channels.templates import Templates, TemplateWords


_CIRCUITS = 1000
"""Circuits that a sweep looks after."""


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

    of_incidents = linked.reviewer(resources.table(), resources.now)(rows)
    handed_off = [row for row in rows if is_hand_off(row)]
    others = [row for row in rows if row.id not in of_incidents and row.about is None and row.certificate_id]
    alerts = [row for row in others if not is_hand_off(row)]
    return {
        **of_incidents,
        **(reviewer(resources.alerts(), resources.now)(alerts) if alerts else {}),
        **(_review_hand_offs(handed_off) if handed_off else {}),
    }


def _review_hand_offs(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
    """Say which of the hand-offs of renewals are for nothing by now."""
    from tocsin.bootstrap.renewals import review_hand_offs  # noqa: PLC0415 - there rarely are any

    return review_hand_offs(rows)


@cache
def circuits() -> CircuitTable:
    """Open the circuits."""
    return CircuitTable(resources.dynamodb(), resources.settings().notifications_table)


@cache
def gate() -> Gate:
    """Make what this process knows of its destinations."""
    return Gate(circuits())


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
                event_bus=settings.event_bus,
                links=Links(settings.link_base),
            ),
            words=words,
        ) as channels,
    ):
        yield channels


async def deliver(found: Fetched, worker: Worker, limits: Limits, errand: Drain | None = None) -> Tally:
    """Claim, send and record with all that is real; make dead letters of what can't be read."""
    policy, recorder = resources.settings().delivery, resources.recorder()
    async with open_channels() as channels:
        admission = Admission(
            gate(), channels, policy, worker.clock, waits=limits.waits, drain=errand, changed=recorder.circuit
        )
        run = Delivery(
            resources.table(),
            channels,
            policy,
            worker,
            recorder.observe,
            review=review,
            limits=limits,
            admission=admission,
        )
        return await run.run(found.rows, found.malformed)


async def learn(channels: "Channels", row: Notification, result: SendResult) -> None:
    """Take the result of a test for what it says of the circuit: one that is mended closes, and what waits goes out."""
    name, now = channels.destination(row), resources.now()
    admission = Admission(gate(), channels, resources.settings().delivery, resources.now, waits=False)
    gate().enter({name: 0}, {name: await channels.terms(row)}, now, drain=Drain(name, 0))
    await admission.learn(name, result)
    await admission.leave()


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
        lease(job, context),
        resources.table(),
        deliver_unless_paused,
        shards=range(SHARDS) if shards is None else shards,
        hand_over=(lambda part: _invoke({"shards": list(part)})) if will_hand_over else None,
        look_after=_look_after if will_hand_over else lambda _now: (),
        now=resources.now(),
        seconds=worker.remaining(),
    )


def _look_after(now: datetime) -> Sequence[Circuit]:
    """Start a drain of each circuit that is to be looked at; give these, and all that are not closed.

    Start an inquiry as well, where a service is to be asked what became of what it took.
    """
    try:
        known = circuits().to_look_at(now, _CIRCUITS)
        for circuit in due_first(known, now):
            _invoke({"circuit": circuit.name})
        if resources.table().to_ask(now, 1):
            _invoke({"ask": True})
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
        lease(f"drain#{name}", context),
        resources.table(),
        circuits(),
        deliver_waiting,
        name,
        now=resources.now(),
        seconds=worker.remaining(),
    )


def lease(job: str, context: resources.LambdaContext) -> Lease:
    """Open the lease that keeps two workers from doing the same job at once."""
    table = resources.settings().notifications_table
    return Lease(resources.dynamodb(), table, job, holder=context.aws_request_id)


def _invoke(event: Mapping[str, object]) -> None:
    """Start the sweep once more, for a part of the work; one that still runs keeps it from being done twice."""
    client = resources.client("lambda", resources.FAST)
    name = f"{resources.settings().stack}-retry-sweep:live"
    client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))


def configured_channels() -> set[ChannelName]:
    """Name the channels that could send now. SNS always could: the stack has a topic of its own."""
    return {*credentials().configured(), ChannelName.SNS}
