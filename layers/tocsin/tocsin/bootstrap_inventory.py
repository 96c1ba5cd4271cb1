"""The wiring of the inventory, and of the expiry check. `bootstrap` wires the rest."""

from functools import cache

from tocsin import bootstrap
from tocsin.change import Change
from tocsin.delivery import Event
from tocsin.expiry_check import Checked, expiry_check
from tocsin.expiry_stores import Stores
from tocsin.renewal import Books
from tocsin.resolution import Resolver
from tocsin.storage.inventory import Inventory
from tocsin.storage.inventory_lists import InventoryLists
from tocsin.storage.lease import Lease
from tocsin.storage.source_states import SourceStates
from tocsin.storage.watchlist import Watchlist


@cache
def inventory() -> Inventory:
    """Open the inventory's shelves."""
    return Inventory(bootstrap.dynamodb(), bootstrap.settings().inventory_table, bootstrap.audit_trail())


@cache
def lists() -> InventoryLists:
    """Open the inventory's lists."""
    return InventoryLists(bootstrap.dynamodb(), bootstrap.settings().inventory_table)


@cache
def source_states() -> SourceStates:
    """Open the sources' states."""
    return SourceStates(bootstrap.dynamodb(), bootstrap.settings().inventory_table)


@cache
def books() -> Books:
    """Open all that a change of a certificate touches."""
    return Books(inventory().certificates, bootstrap.alert_book(), bootstrap.table(), _superseded)


def resolver() -> Resolver:
    """Make what looks up policies and people; it remembers them, so make one a run."""
    shelves = inventory()
    fallback = bootstrap.settings().fallback_email
    return Resolver(shelves.policies, shelves.owners, shelves.teams, fallback_email=fallback)


def run_expiry_check(context: bootstrap.LambdaContext) -> Checked | None:
    """Check once, unless another check is at it."""
    worker = bootstrap.worker(context)
    return expiry_check(
        lease("expiry_check", context),
        Stores(
            Watchlist(bootstrap.dynamodb(), bootstrap.settings().inventory_table),
            inventory().certificates,
            bootstrap.alert_book(),
        ),
        resolver(),
        bootstrap.settings().delivery,
        clock=bootstrap.now,
        remaining=worker.remaining,
        created=bootstrap.recorder().created,
    )


def lease(job: str, context: bootstrap.LambdaContext) -> Lease:
    """Make the lease of one job, for this invocation."""
    table = bootstrap.settings().notifications_table
    return Lease(bootstrap.dynamodb(), table, job, holder=context.aws_request_id)


def _superseded(change: Change) -> None:
    bootstrap.recorder().observe(Event.SETTLED, change)
