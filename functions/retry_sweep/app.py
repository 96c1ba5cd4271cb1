"""The retry sweep: every few minutes, deliver what is due. The schedule's next tick is the retry."""

from dataclasses import asdict
from typing import Any

from tocsin.bootstrap import delivery, resources
from tocsin.delivery.sweep import Swept
from tocsin.observability import Metric, StackMetrics


def handler(event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Sweep once, and return the counts; `{"skipped": true}` while another sweep is at it.

    A schedule's event sweeps the whole table, `{"shards": [0, 1]}` a part of it.
    """
    metrics = resources.recorder().metrics
    begun = resources.now()
    try:
        swept = delivery.run_sweep(context, event.get("shards"))
        if swept is None:
            metrics.gauge(Metric.SWEEP_SKIPPED, 1)
            resources.logger().info("sweep skipped: another one is running")
            return {"skipped": True}
        _measure(swept, (resources.now() - begun).total_seconds(), metrics)
    finally:
        metrics.flush()
    return {"skipped": False, **asdict(swept)}


def _measure(swept: Swept, seconds: float, metrics: StackMetrics) -> None:
    metrics.gauge(Metric.SWEEP_DURATION, seconds)
    metrics.gauge(Metric.DUE_BACKLOG, swept.backlog)
    metrics.gauge(Metric.OLDEST_DUE_AGE, swept.oldest_due_age)
    metrics.gauge(Metric.OLDEST_PENDING_AGE, swept.oldest_pending_age)
    metrics.gauge(Metric.DEAD_LETTER_DEPTH, resources.table().count_dead())
    resources.logger().info("swept", extra=asdict(swept) | {"seconds": round(seconds, 3)})
