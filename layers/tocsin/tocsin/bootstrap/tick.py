"""What scheduled functions have in common: run once, unless another run is at it; measure, log, give a sign of life."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tocsin.bootstrap import heartbeat, resources
from tocsin.observability import Metric

Done = TypeVar("Done")


def tick(
    job: str,
    finished: str,
    run: Callable[[], Done | None],
    *,
    skipped: Metric,
    duration: Metric,
    measured: Callable[[Done], tuple[Mapping[Metric, float], dict[str, Any]]],
    watched: str | None,
) -> dict[str, Any]:
    """Run once, and return the counts; `{"skipped": true}` while another run is at it, and `run` gives null.

    `job` and `finished` are the words of the log. `measured` gives the gauges of a run and its counts. The schedule's
    next tick is the retry. A gauge of 0 is not written: a metric costs what it costs for each hour that it has data.
    The watcher outside knows the job as `watched`, and hears of a run only when it finished; null: it is not told.
    """
    metrics, logger = resources.recorder().metrics, resources.logger()
    begun = resources.now()
    try:
        done = run()
        if done is None:
            metrics.gauge(skipped, 1)
            logger.info("%s skipped: another one is running", job)
            return {"skipped": True}
        seconds = (resources.now() - begun).total_seconds()
        gauges, counts = measured(done)
        for metric, value in {**{name: value for name, value in gauges.items() if value}, duration: seconds}.items():
            metrics.gauge(metric, value)
        logger.info(finished, extra=counts | {"seconds": round(seconds, 3)})
    finally:
        resources.finish()
    if watched and heartbeat.give(watched) is False:
        metrics.gauge(Metric.HEARTBEAT_FAILED, 1)
        metrics.flush()
    return {"skipped": False, **counts}
