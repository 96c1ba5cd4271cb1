"""The wiring of the source sync: what reads TLS endpoints and the account. `inventory` wires what they update."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.config import Config

from tocsin.bootstrap import inventory, resources, suggestions
from tocsin.delivery.channel_name import ChannelName
from tocsin.inventory.certificate import Source
from tocsin.network.blocking import Blocking
from tocsin.sources import acm, acm_pca, iam, route53_domains, secrets_manager
from tocsin.sources.account import AccountRead, Visit
from tocsin.sources.failure import SourceFailure
from tocsin.sources.state import AlarmRoute
from tocsin.sources.sync import Account, Sources, Stores, Synced, note, source_sync
from tocsin.sources.tls import Dialer, observe_all, system_resolver

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_DNS_THREADS = 16
_PATIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "adaptive", "max_attempts": 8})
"""ACM describes few certificates a second; `adaptive` slows down instead of failing (boto3 guide, "Retries")."""


class Service(NamedTuple):
    """A service of the account that has something which expires."""

    source: Source
    service: str
    """As botocore names it."""
    read: Callable[[Any, Visit], AccountRead]
    region: str | None = None
    """The only one that it is in; null: it is asked in the stack's own."""
    is_global: bool = False
    """Whether it says the same in every region."""


SERVICES = (
    Service(Source.IAM, "iam", iam.read_account, is_global=True),
    Service(Source.ACM_PCA, "acm-pca", acm_pca.read_account),
    Service(Source.SECRETS_MANAGER, "secretsmanager", secrets_manager.read_account),
    Service(Source.DOMAIN, "route53domains", route53_domains.read_account, route53_domains.REGION, is_global=True),
    Service(Source.ACM, "acm", acm.read_account),  # the last, as the only one that may take all the time there is
)
"""All that can be read of an account; the stack says which of them are."""


def run_source_sync(context: resources.LambdaContext) -> Synced | None:
    """Sync once, unless another sync is at it; and tell of agents that are silent, which takes one query."""
    silent = inventory.agent_watch().tell_silent(
        resources.table(), _alarm_route(), resources.now(), resources.recorder().created
    )
    synced = _synced(context)
    if synced is not None:
        synced.silent += silent
        _ask_authorities(context, synced)
    return synced


def _ask_authorities(context: resources.LambdaContext, synced: Synced) -> None:
    """Ask when to renew certificates whose policies leave that to their authorities."""
    stores = Stores(inventory.lifecycle(), inventory.source_states(), resources.table())

    def noted(source: str, failure: SourceFailure | None) -> None:
        note(stores, _alarm_route(), source, failure, resources.now(), synced, resources.recorder().created)

    suggestions.ask_authorities(context, noted)


def _synced(context: resources.LambdaContext) -> Synced | None:
    settings = resources.settings()
    guard = settings.reach.guard
    with closing(Blocking(_DNS_THREADS, "dns")) as blocking:
        observe = partial(observe_all, Dialer(guard, system_resolver(blocking)))
        return asyncio.run(
            source_sync(
                inventory.lease("source_sync", context),
                Sources(_listed_endpoints, guard, observe, tuple(_accounts(settings.reads))),
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


def _accounts(reads: frozenset[str]) -> Iterator[Account]:
    """Give the services that the stack reads."""
    for one in SERVICES:
        if one.source in reads:
            client = resources.client(one.service, _PATIENT, one.region)
            name = one.source if one.is_global else f"{one.source}:{client.meta.region_name}"
            yield Account(name, partial(one.read, client))


def _alarm_route() -> AlarmRoute:
    """Tell the stack's own address of failing sources, or else the subscribers of its topic."""
    settings = resources.settings()
    channel = ChannelName.EMAIL if settings.fallback_email else ChannelName.SNS
    return AlarmRoute(channel, settings.fallback_email, settings.delivery)
