"""The retry sweep: every few minutes, deliver what is due. The schedule's next tick is the retry.

It starts itself once more for each circuit that is to be looked at, for each part of a large backlog, and to ask
services what became of what they took. Where dead letters are being requeued in bulk, it starts what goes on with that.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tocsin.bootstrap import delivery, inquiry, requeueing, resources
from tocsin.bootstrap.tick import tick
from tocsin.delivery.drain import Drained
from tocsin.delivery.inquiry import Inquired
from tocsin.delivery.sweep import Swept
from tocsin.observability import Metric

delivery.prepare()


def handler(event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Sweep: a schedule's event the whole table, `{"shards": [0, 1]}` a part of it. Returns the counts.

    `{"circuit": "Slack:payments"}` sends what waits for one circuit; `{"ask": true}` asks services what became of what
    they took.
    """
    resources.begin(context)
    if event.get("ask"):
        return _aside("inquired", lambda: inquiry.run_inquiry(context))
    if name := event.get("circuit"):
        return _aside("drained", lambda: delivery.run_drain(context, name), circuit=name)
    if not event.get("shards"):
        requeueing.go_on()  # paused or not: what is requeued waits with all else
    return tick(
        "sweep",
        "swept",
        lambda: delivery.run_sweep(context, event.get("shards")),
        skipped=Metric.SWEEP_SKIPPED,
        duration=Metric.SWEEP_DURATION,
        measured=_measured,
        watched=None if "shards" in event else "retry_sweep",
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


def _aside(said: str, job: Callable[[], Drained | Inquired | None], **named: str) -> dict[str, Any]:
    """Do what is no sweep, and log its counts. It has only the metrics of its rows: the sweep's are of what is due."""
    try:
        done = job()
        counts = {**named, "skipped": True} if done is None else asdict(done)
        resources.logger().info(said, extra=counts)
        return counts
    finally:
        resources.finish()
