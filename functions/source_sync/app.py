"""The source sync: every hour, bring the inventory up to what TLS endpoints and ACM show."""

from dataclasses import asdict
from typing import Any

from tocsin import bootstrap, bootstrap_sources
from tocsin.observability import Metric


def handler(_event: dict[str, Any], context: bootstrap.LambdaContext) -> dict[str, Any]:
    """Sync once, and return the counts; `{"skipped": true}` while another sync is at it."""
    metrics = bootstrap.recorder().metrics
    begun = bootstrap.now()
    try:
        synced = bootstrap_sources.run_source_sync(context)
        if synced is None:
            metrics.gauge(Metric.SOURCE_SYNC_SKIPPED, 1)
            bootstrap.logger().info("source sync skipped: another one is running")
            return {"skipped": True}
        metrics.gauge(Metric.SOURCE_SYNC_DURATION, (bootstrap.now() - begun).total_seconds())
        metrics.gauge(Metric.SOURCES_FAILING, len(synced.failing))
        bootstrap.logger().info("synced", extra=asdict(synced))
    finally:
        metrics.flush()
    return {"skipped": False, **asdict(synced)}
