"""The source sync: every hour, bring the inventory up to what TLS endpoints and ACM show."""

from dataclasses import asdict
from typing import Any

from tocsin.bootstrap import resources, sources
from tocsin.bootstrap.tick import tick
from tocsin.observability import Metric
from tocsin.sources.sync import Synced


def handler(_event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Sync once, and return the counts."""
    resources.begin(context)
    return tick(
        "source sync",
        "synced",
        lambda: sources.run_source_sync(context),
        skipped=Metric.SOURCE_SYNC_SKIPPED,
        duration=Metric.SOURCE_SYNC_DURATION,
        measured=_measured,
        watched="source_sync",
    )


def _measured(synced: Synced) -> tuple[dict[Metric, float], dict[str, Any]]:
    return {Metric.SOURCES_FAILING: len(synced.failing)}, asdict(synced)
