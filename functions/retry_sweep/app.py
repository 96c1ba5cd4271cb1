"""The retry sweep: every few minutes, deliver what is due. The schedule's next tick is the retry."""

from dataclasses import asdict
from typing import Any

from tocsin.bootstrap import delivery, resources
from tocsin.bootstrap.tick import tick
from tocsin.delivery.sweep import Swept
from tocsin.observability import Metric

delivery.prepare()


def handler(event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Sweep: a schedule's event the whole table, `{"shards": [0, 1]}` a part of it. Returns the counts."""
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
    }
    return gauges, asdict(swept)
