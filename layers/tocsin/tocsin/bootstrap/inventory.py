"""The wiring of the inventory, and of the expiry check."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from tocsin.bootstrap import resources
from tocsin.delivery.notification import Notification
from tocsin.delivery.record import Event
from tocsin.delivery.store import Change
from tocsin.expiry.alert import Mark, MarkKind
from tocsin.expiry.check import Checked, expiry_check
from tocsin.expiry.compliance import Compliance
from tocsin.expiry.deployment import DeploymentWatch
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.stores import Stores
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Resolver
from tocsin.sources.silence import Watch
from tocsin.storage.inventory.agents import AgentTable
from tocsin.storage.inventory.endings import EndingTable
from tocsin.storage.inventory.indexing import IndexingTable
from tocsin.storage.inventory.issuers import Issuers
from tocsin.storage.inventory.lists import InventoryLists
from tocsin.storage.inventory.pointers import Pointers
from tocsin.storage.inventory.source_states import SourceStates
from tocsin.storage.inventory.tables import Inventory
from tocsin.storage.inventory.watchlist import Watchlist
from tocsin.storage.lease import Lease

if TYPE_CHECKING:
    from tocsin.expiry.explanation import Explanation

Heard = TypeVar("Heard")
_MARKS = 100
"""Decisions that an explanation goes back: several cycles of most policies."""
_LOOKS = 8
"""Certificates that a check looks at at once; botocore keeps ten connections."""


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
        in_turn(partial(resources.recorder().observe, Event.SETTLED)),
        EndingTable(resources.dynamodb(), settings.inventory_table),
        settings.delivery,
        in_turn(resources.recorder().created),
    )


def in_turn(hear: Callable[[Heard], None]) -> Callable[[Heard], None]:
    """Let one thread be heard at a time: a check looks at several certificates at once, and counting is for one."""
    turn = Lock()

    def heard(what: Heard) -> None:
        with turn:
            hear(what)

    return heard


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


def explanation_of(certificate: Certificate) -> "Explanation":
    """Say whether anybody was alerted about a certificate, and whether it arrived; what comes next; and why not."""
    from tocsin.bootstrap.renewals import job_of  # noqa: PLC0415 - it is wired of this
    from tocsin.expiry.explanation import explain  # noqa: PLC0415 - the API rarely asks

    resolved = resolver().resolve(certificate)
    marks = _marks(certificate)
    found = resources.table().fetch([mark.id for mark in marks if mark.kind is MarkKind.RAISED])
    rows = {row.id: row for row in (*found.rows, *(broken.row for broken in found.malformed))}
    return explain(
        certificate,
        resolved.policy,
        resolved.people,
        marks=marks,
        notifications=rows,
        now=resources.now(),
        problems=[f"{problem.kind} {problem.id} {problem.detail}" for problem in resolved.problems],
        renewal=job_of(certificate),
    )


def _marks(certificate: Certificate) -> list[Mark]:
    """Give what was decided: all of the present cycle, however many routes its policy has, and some of the others."""
    alerts = resources.alerts()
    latest = {mark.id: mark for mark in alerts.marks(certificate.id, _MARKS, None).rows}
    return [*(latest | alerts.marks_of_cycle(certificate)).values()]


def run_expiry_check(context: resources.LambdaContext) -> Checked | None:
    """Check once, unless another check is at it."""
    from tocsin.bootstrap.renewals import renewals  # noqa: PLC0415 - it is wired of this

    watchlist = Watchlist(resources.dynamodb(), resources.settings().inventory_table)
    made: list[Notification] = []  # told when the threads are done: counting is for one of them
    ended: list[Change] = []  # the same
    changes = replace(lifecycle(), created=made.append, ended=ended.append)
    with ThreadPoolExecutor(_LOOKS) as threads:
        checked = expiry_check(
            lease("expiry_check", context),
            Stores(watchlist, records().certificates, resources.alerts()),
            resolver(),
            resources.settings().delivery,
            clock=resources.now,
            remaining=resources.worker(context).remaining,
            created=resources.recorder().created,
            end_again=lifecycle().end_again,
            each=threads.map,
            watches=[_deployments(watchlist, changes), renewals(made.append)],
            rules=Compliance(records().rules, changes),
            indexer=IndexingTable(resources.dynamodb(), resources.settings().inventory_table, records().certificates),
        )
    for row in made:
        resources.recorder().created(row)
    for change in ended:
        resources.recorder().observe(Event.SETTLED, change)
    return checked


def _deployments(watchlist: Watchlist, changes: Lifecycle) -> DeploymentWatch:
    """Open what watches that renewed certificates are served."""
    pointers = Pointers(resources.dynamodb(), resources.settings().inventory_table)
    return DeploymentWatch(pointers, records().certificates, watchlist, changes)


def lease(job: str, context: resources.LambdaContext) -> Lease:
    """Make the lease of one job, for this invocation."""
    table = resources.settings().notifications_table
    return Lease(resources.dynamodb(), table, job, holder=context.aws_request_id)
