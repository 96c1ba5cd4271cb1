"""The wiring of the inventory: what is kept of it, and what changes it."""

from functools import cache, partial

from tocsin.bootstrap import resources
from tocsin.delivery.record import Event
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.inventory.lookup import Resolver
from tocsin.sources.silence import Watch
from tocsin.storage.inventory.agents import AgentTable
from tocsin.storage.inventory.endings import EndingTable
from tocsin.storage.inventory.issuers import Issuers
from tocsin.storage.inventory.lists import InventoryLists
from tocsin.storage.inventory.source_states import SourceStates
from tocsin.storage.inventory.tables import Inventory
from tocsin.storage.lease import Lease


@cache
def records() -> Inventory:
    """Open the records of the inventory: certificates, renewal policies, rules, owners, teams."""
    return Inventory(resources.dynamodb(), resources.settings().inventory_table, resources.audit_trail())


@cache
def lists() -> InventoryLists:
    """Open the inventory's lists."""
    return InventoryLists(resources.dynamodb(), resources.settings().inventory_table)


@cache
def issuers() -> Issuers:
    """Open the issuers of certificates."""
    return Issuers(resources.dynamodb(), resources.settings().inventory_table)


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


@cache
def agents() -> AgentTable:
    """Open the agents that report."""
    return AgentTable(resources.dynamodb(), resources.settings().inventory_table, resources.audit_trail())


def agent_watch() -> Watch:
    """Make what notes the reports of agents, and tells of their silence."""
    return Watch(agents(), lifecycle())


def resolver() -> Resolver:
    """Make what looks up policies and people; it remembers them, so make one a run."""
    kept = records()
    fallback = resources.settings().fallback_email
    return Resolver(kept.policies, kept.owners, kept.teams, fallback_email=fallback)


def lease(job: str, context: resources.LambdaContext) -> Lease:
    """Make the lease of one job, for this invocation."""
    table = resources.settings().notifications_table
    return Lease(resources.dynamodb(), table, job, holder=context.aws_request_id)
