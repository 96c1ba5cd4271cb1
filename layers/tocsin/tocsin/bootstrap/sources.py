"""The wiring of the source sync: what reads TLS endpoints and ACM. `bootstrap_inventory` wires what they update."""

import asyncio
import re
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import boto3
from botocore.config import Config

from tocsin.bootstrap import inventory, resources
from tocsin.delivery.notification import ChannelName, Notification
from tocsin.delivery.send import Worker
from tocsin.expiry.lifecycle import take
from tocsin.network.address import AddressGuard
from tocsin.network.blocking import Blocking
from tocsin.sources.acm import observe_account
from tocsin.sources.merge import Outdated, Unchanged
from tocsin.sources.observed import ObservedCertificate
from tocsin.sources.sync import AlarmRoute, Sync, Synced
from tocsin.sources.tls import Dialer, observe_all, system_resolver

STOP_BEFORE = 25.0
"""Seconds before the end of its time at which a sync starts no further endpoint or certificate: one takes 10."""
_ACTOR = "source_sync"
_DNS_THREADS = 16
_PATIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "adaptive", "max_attempts": 8})
"""ACM describes few certificates a second; `adaptive` slows down instead of failing (boto3 guide, "Retries")."""


def run_source_sync(context: resources.LambdaContext) -> Synced | None:
    """Sync once, unless another sync is at it."""
    worker = resources.worker(context)
    lease = inventory.lease("source_sync", context)
    now = resources.now()
    if not lease.take(now, now + timedelta(seconds=worker.remaining())):
        return None
    try:
        return asyncio.run(_sync(worker))
    finally:
        lease.release()


async def _sync(worker: Worker) -> Synced:
    """Read all sources."""

    def may_start() -> bool:
        return worker.remaining() > STOP_BEFORE

    settings = resources.settings()
    synced = Synced()
    sync = Sync(
        _take,
        inventory.source_states(),
        _insert,
        _alarm_route(),
        settings.delivery,
        resources.now,
    )
    try:
        await _read_endpoints(sync, may_start, synced)
    finally:  # a list of endpoints that can't be read must not keep ACM unread
        if settings.reads_acm:
            client = boto3.client("acm", config=_PATIENT)
            sync.account(f"acm:{client.meta.region_name}", observe_account(client, may_start), synced)
    return synced


async def _read_endpoints(sync: Sync, may_start: Callable[[], bool], synced: Synced) -> None:
    guard = AddressGuard.allowing(resources.settings().allowed_private_ranges)
    with closing(Blocking(_DNS_THREADS, "dns")) as blocking:
        dialer = Dialer(guard, system_resolver(blocking))
        await sync.endpoints(
            _endpoints(),
            guard,
            lambda endpoints: observe_all(endpoints, dialer, resources.now(), may_start=may_start),
            synced,
        )


def _take(seen: ObservedCertificate) -> bool:
    return not isinstance(take(inventory.books(), seen, _ACTOR, resources.now()), Unchanged | Outdated)


def _insert(alarm: Notification) -> Notification:
    """Write an alarm, and count it, unless it is there already."""
    stored = resources.table().insert(alarm)
    if stored is alarm:
        resources.recorder().created(alarm)
    return stored


def _endpoints() -> list[str]:
    """Read the list of TLS endpoints, one a line or between commas; a stack without the parameter has none."""
    client = boto3.client("ssm", config=resources.FAST)
    try:
        found = client.get_parameter(Name=resources.settings().endpoints_parameter)
    except client.exceptions.ParameterNotFound:
        return []
    return [text for text in re.split(r"[,\s]+", found["Parameter"]["Value"]) if text]


def _alarm_route() -> AlarmRoute:
    """Tell the stack's own address of failing sources, or else the subscribers of its topic."""
    fallback = resources.settings().fallback_email
    return AlarmRoute(ChannelName.EMAIL, fallback) if fallback else AlarmRoute(ChannelName.SNS, "")
