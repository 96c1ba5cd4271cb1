"""The retry sweep: every few minutes, deliver what is due. The schedule's next tick is the retry.

It starts itself once more for each circuit that is to be looked at, and for each part of a large backlog.
"""

from dataclasses import asdict
from typing import Any

from tocsin.bootstrap import delivery, inquiry, resources
from tocsin.bootstrap.tick import tick
from tocsin.delivery.sweep import Swept
from tocsin.observability import Metric

delivery.prepare()


def handler(event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Sweep: a schedule's event the whole table, `{"shards": [0, 1]}` a part of it. Returns the counts.

    `{"circuit": "Slack:payments"}` sends what waits for one circuit; `{"ask": true}` asks services what became of what
    they took.
    """
    if event.get("ask"):
        return _inquire(context)
    if name := event.get("circuit"):
        return _drain(name, context)
    return tick(
        "sweep",
        "swept",
        lambda: delivery.run_sweep(context, event.get("shards")),
        skipped=Metric.SWEEP_SKIPPED,
        duration=Metric.SWEEP_DURATION,
        measured=_measured,
    )


def _measured(swept: Swept) -> tuple[dict[Metric, float], dict[str, Any]]:
    gauges: dict[Metric, float] = {
        Metric.DUE_BACKLOG: swept.backlog,
        Metric.OLDEST_DUE_AGE: swept.oldest_due_age,
        Metric.OLDEST_PENDING_AGE: swept.oldest_pending_age,
        Metric.DEAD_LETTER_DEPTH: resources.table().count_dead(),
        Metric.CHANNELS_HELD: swept.held,
        Metric.CIRCUITS_OPEN: swept.open,
    }
    return gauges, asdict(swept)


def _drain(name: str, context: resources.LambdaContext) -> dict[str, Any]:
    """Look at one circuit. It has no metrics but those of its rows: the sweep's are of what is due."""
    try:
        drained = delivery.run_drain(context, name)
        counts = {"circuit": name, "skipped": True} if drained is None else asdict(drained)
        resources.logger().info("drained", extra=counts)
        return counts
    finally:
        resources.recorder().metrics.flush()


def _inquire(context: resources.LambdaContext) -> dict[str, Any]:
    """Ask. What is learned has the metrics of delivery feedback."""
    try:
        inquired = inquiry.run_inquiry(context)
        counts = {"skipped": True} if inquired is None else asdict(inquired)
        resources.logger().info("inquired", extra=counts)
        return counts
    finally:
        resources.recorder().metrics.flush()
