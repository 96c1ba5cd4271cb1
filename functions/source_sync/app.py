"""The source sync: every hour, bring the inventory up to what TLS endpoints and ACM show."""

from dataclasses import asdict
from typing import Any

from tocsin.bootstrap import resources, sources
from tocsin.observability import Metric


def handler(_event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Sync once, and return the counts; `{"skipped": true}` while another sync is at it."""
    metrics = resources.recorder().metrics
    begun = resources.now()
    try:
        synced = sources.run_source_sync(context)
        if synced is None:
            metrics.gauge(Metric.SOURCE_SYNC_SKIPPED, 1)
            resources.logger().info("source sync skipped: another one is running")
            return {"skipped": True}
        metrics.gauge(Metric.SOURCE_SYNC_DURATION, (resources.now() - begun).total_seconds())
        metrics.gauge(Metric.SOURCES_FAILING, len(synced.failing))
        resources.logger().info("synced", extra=asdict(synced))
    finally:
        metrics.flush()
    return {"skipped": False, **asdict(synced)}
