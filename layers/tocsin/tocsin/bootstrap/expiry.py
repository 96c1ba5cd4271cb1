"""The wiring of the expiry check, and of the explanation of what it did and will do."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tocsin.bootstrap import inventory, renewals, resources
from tocsin.delivery.notification import Notification
from tocsin.delivery.record import Event
from tocsin.delivery.store import Change
from tocsin.expiry.alert import Mark, MarkKind
from tocsin.expiry.check import Checked, expiry_check
from tocsin.expiry.compliance import Compliance
from tocsin.expiry.deployment import DeploymentWatch
from tocsin.expiry.explanation import Explanation, explain
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.stores import Stores
from tocsin.inventory.certificate import Certificate
from tocsin.storage.inventory.indexing import IndexingTable
from tocsin.storage.inventory.pointers import Pointers
from tocsin.storage.inventory.watchlist import Watchlist

_MARKS = 100
"""Decisions that an explanation goes back: several cycles of most policies."""
_LOOKS = 8
"""Certificates that a check looks at at once; botocore keeps ten connections."""


def explanation_of(certificate: Certificate) -> Explanation:
    """Say whether anybody was alerted about a certificate, and whether it arrived; what comes next; and why not."""
    resolved = inventory.resolver().resolve(certificate)
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
        renewal=renewals.job_of(certificate),
    )


def _marks(certificate: Certificate) -> list[Mark]:
    """Give what was decided: all of the present cycle, however many routes its policy has, and some of the others."""
    alerts = resources.alerts()
    latest = {mark.id: mark for mark in alerts.marks(certificate.id, _MARKS, None).rows}
    return [*(latest | alerts.marks_of_cycle(certificate)).values()]


def run_expiry_check(context: resources.LambdaContext) -> Checked | None:
    """Check once, unless another check is at it."""
    watchlist = Watchlist(resources.dynamodb(), resources.settings().inventory_table)
    made: list[Notification] = []  # told when the threads are done: counting is for one of them
    ended: list[Change] = []  # the same
    changes = replace(inventory.lifecycle(), created=made.append, ended=ended.append)
    with ThreadPoolExecutor(_LOOKS) as threads:
        checked = expiry_check(
            inventory.lease("expiry_check", context),
            Stores(watchlist, inventory.records().certificates, resources.alerts()),
            inventory.resolver(),
            resources.settings().delivery,
            clock=resources.now,
            remaining=resources.worker(context).remaining,
            created=resources.recorder().created,
            end_again=inventory.lifecycle().end_again,
            each=threads.map,
            watches=[_deployments(watchlist, changes), renewals.renewals(made.append, changes)],
            rules=Compliance(inventory.records().rules, changes),
            indexer=IndexingTable(
                resources.dynamodb(), resources.settings().inventory_table, inventory.records().certificates
            ),
        )
    for row in made:
        resources.recorder().created(row)
    for change in ended:
        resources.recorder().observe(Event.SETTLED, change)
    return checked


def _deployments(watchlist: Watchlist, changes: Lifecycle) -> DeploymentWatch:
    """Open what watches that renewed certificates are served."""
    pointers = Pointers(resources.dynamodb(), resources.settings().inventory_table)
    return DeploymentWatch(pointers, inventory.records().certificates, watchlist, changes)
