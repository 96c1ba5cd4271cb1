"""The wiring of the inventory, and of the expiry check."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

from tocsin.bootstrap import resources
from tocsin.delivery.record import Event
from tocsin.expiry.check import Checked, expiry_check
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.stores import Stores
from tocsin.inventory.lookup import Resolver
from tocsin.storage.inventory.endings import EndingTable
from tocsin.storage.inventory.lists import InventoryLists
from tocsin.storage.inventory.source_states import SourceStates
from tocsin.storage.inventory.tables import Inventory
from tocsin.storage.inventory.watchlist import Watchlist
from tocsin.storage.lease import Lease

_LOOKS = 8
"""Certificates that a check looks at at once; botocore keeps ten connections."""


@cache
def records() -> Inventory:
    """Open the records of the inventory: certificates, policies, owners, teams."""
    return Inventory(resources.dynamodb(), resources.settings().inventory_table, resources.audit_trail())


@cache
def lists() -> InventoryLists:
    """Open the inventory's lists."""
    return InventoryLists(resources.dynamodb(), resources.settings().inventory_table)


@cache
def source_states() -> SourceStates:
    """Open the sources' states."""
    return SourceStates(resources.dynamodb(), resources.settings().inventory_table)


@cache
def lifecycle() -> Lifecycle:
    """Open what changes certificates, with all that this means for their alerts."""
    settings = resources.settings()
    return Lifecycle(
        records().certificates,
        resources.alerts(),
        resources.table(),
        partial(resources.recorder().observe, Event.SETTLED),
        EndingTable(resources.dynamodb(), settings.inventory_table),
        settings.delivery,
        resources.recorder().created,
    )


def resolver() -> Resolver:
    """Make what looks up policies and people; it remembers them, so make one a run."""
    kept = records()
    fallback = resources.settings().fallback_email
    return Resolver(kept.policies, kept.owners, kept.teams, fallback_email=fallback)


def run_expiry_check(context: resources.LambdaContext) -> Checked | None:
    """Check once, unless another check is at it."""
    watchlist = Watchlist(resources.dynamodb(), resources.settings().inventory_table)
    with ThreadPoolExecutor(_LOOKS) as threads:
        return expiry_check(
            lease("expiry_check", context),
            Stores(watchlist, records().certificates, resources.alerts()),
            resolver(),
            resources.settings().delivery,
            clock=resources.now,
            remaining=resources.worker(context).remaining,
            created=resources.recorder().created,
            end_again=lifecycle().end_again,
            each=threads.map,
        )


def lease(job: str, context: resources.LambdaContext) -> Lease:
    """Make the lease of one job, for this invocation."""
    table = resources.settings().notifications_table
    return Lease(resources.dynamodb(), table, job, holder=context.aws_request_id)
