"""The wiring of renewal information: which ACME servers are asked, by what, and who hears of one that fails."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.bootstrap import inventory, resources
from tocsin.network.blocking import Blocking
from tocsin.sources.ari import directories, source_of
from tocsin.sources.failure import SourceFailure
from tocsin.sources.state import ARI
from tocsin.sources.suggestions import Asking
from tocsin.storage.inventory.suggestions import SuggestionList

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_DNS_THREADS = 4
STOP_BEFORE = 30.0
"""Seconds before the end of the sync's time at which no further certificate is asked about: one takes 20."""
Note = Callable[[str, SourceFailure | None], None]


def ask_authorities(context: resources.LambdaContext, note: Note) -> None:
    """Ask about all that is due. Never raises for what the world does: certificates are renewed without it too."""
    try:
        listed = _listed()
        _forget_all_but({source_of(one) for one in listed})
        if listed:
            advised = asyncio.run(_asked(context, listed, note))
            resources.logger().info("authorities were asked when to renew", extra={"suggested": advised})
    except (ClientError, BotoCoreError):
        resources.logger().exception("authorities could not be asked when to renew")


def _forget_all_but(names: set[str]) -> None:
    """Forget the states of directories that are listed no more."""
    states = inventory.source_states()
    for state in states.every():
        if state.source.startswith(ARI) and state.source not in names:
            states.forget(state.source)


async def _asked(context: resources.LambdaContext, listed: tuple[str, ...], note: Note) -> int:
    from tocsin.channels.connection import guarded_session  # noqa: PLC0415 - aiohttp, for few stacks
    from tocsin.sources.ari_reader import AriReader  # noqa: PLC0415 - the same

    settings, resolver = resources.settings(), inventory.resolver()
    remaining: Callable[[], float] = resources.worker(context).remaining
    now: Callable[[], datetime] = resources.now
    asking = Asking(
        SuggestionList(resources.dynamodb(), settings.inventory_table),
        inventory.records().certificates.read,
        lambda certificate: resolver.resolve(certificate).policy,
        listed,
        note,
        now,
        lambda: remaining() > STOP_BEFORE,
    )
    with closing(Blocking(_DNS_THREADS, "dns")) as dns:
        async with guarded_session(settings.reach.guard, dns) as session:
            return await asking.run(AriReader(session, settings.reach, now))


def _listed() -> tuple[str, ...]:
    """Read the list of ACME directories; a stack without the parameter has none."""
    client: SSMClient = resources.client("ssm", resources.FAST)
    try:
        name = f"/{resources.settings().stack}/sources/ari"
        return directories(client.get_parameter(Name=name)["Parameter"]["Value"])
    except client.exceptions.ParameterNotFound:
        return ()
