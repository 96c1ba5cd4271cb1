"""The wiring of the source sync: what reads TLS endpoints and ACM. `inventory` wires what they update."""

import asyncio
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from botocore.config import Config

from tocsin.bootstrap import inventory, resources
from tocsin.delivery.channel_name import ChannelName
from tocsin.network.blocking import Blocking
from tocsin.sources.acm import AccountRead, observe_account
from tocsin.sources.state import AlarmRoute
from tocsin.sources.sync import MayStart, Sources, Stores, Synced, source_sync
from tocsin.sources.tls import Dialer, observe_all, system_resolver

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_DNS_THREADS = 16
_PATIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "adaptive", "max_attempts": 8})
"""ACM describes few certificates a second; `adaptive` slows down instead of failing (boto3 guide, "Retries")."""


def run_source_sync(context: resources.LambdaContext) -> Synced | None:
    """Sync once, unless another sync is at it; and tell of agents that are silent, which takes one query."""
    silent = inventory.agent_watch().tell_silent(
        resources.table(), _alarm_route(), resources.now(), resources.recorder().created
    )
    synced = _synced(context)
    if synced is not None:
        synced.silent += silent
    return synced


def _synced(context: resources.LambdaContext) -> Synced | None:
    settings = resources.settings()
    guard = settings.reach.guard
    with closing(Blocking(_DNS_THREADS, "dns")) as blocking:
        observe = partial(observe_all, Dialer(guard, system_resolver(blocking)))
        return asyncio.run(
            source_sync(
                inventory.lease("source_sync", context),
                Sources(_listed_endpoints, guard, observe, _observe_account if settings.reads_acm else None),
                Stores(inventory.lifecycle(), inventory.source_states(), resources.table()),
                _alarm_route(),
                clock=resources.now,
                remaining=resources.worker(context).remaining,
                created=resources.recorder().created,
            )
        )


def _listed_endpoints() -> str:
    """Read the list of TLS endpoints; a stack without the parameter has none."""
    client: SSMClient = resources.client("ssm", resources.FAST)
    try:
        return client.get_parameter(Name=resources.settings().endpoints_parameter)["Parameter"]["Value"]
    except client.exceptions.ParameterNotFound:
        return ""


def _observe_account(may_start: MayStart) -> AccountRead:
    return observe_account(resources.client("acm", _PATIENT), may_start)


def _alarm_route() -> AlarmRoute:
    """Tell the stack's own address of failing sources, or else the subscribers of its topic."""
    settings = resources.settings()
    channel = ChannelName.EMAIL if settings.fallback_email else ChannelName.SNS
    return AlarmRoute(channel, settings.fallback_email, settings.delivery)
