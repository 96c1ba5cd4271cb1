"""The expiry check: every hour, alert on the certificates that have crossed a threshold."""

from typing import Any

from tocsin.bootstrap import inventory, resources
from tocsin.expiry.check import Checked, Seen
from tocsin.observability import Metric, StackMetrics


def handler(_event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Check once, and return the counts; `{"skipped": true}` while another check is at it."""
    metrics = resources.recorder().metrics
    begun = resources.now()
    try:
        checked = inventory.run_expiry_check(context)
        if checked is None:
            metrics.gauge(Metric.EXPIRY_CHECK_SKIPPED, 1)
            resources.logger().info("expiry check skipped: another one is running")
            return {"skipped": True}
        _measure(checked, (resources.now() - begun).total_seconds(), metrics)
    finally:
        metrics.flush()
    return {"skipped": False, "is_complete": checked.is_complete, **_counts(checked)}


def _measure(checked: Checked, seconds: float, metrics: StackMetrics) -> None:
    for problem in checked.problems:
        resources.logger().warning("a certificate's alerts fall back to defaults", extra={"problem": problem})
    metrics.gauge(Metric.EXPIRY_CHECK_DURATION, seconds)
    metrics.gauge(Metric.OLDEST_CERTIFICATE_DUE_AGE, checked.oldest_due_age)
    metrics.gauge(Metric.EXPIRY_CHECK_PROBLEMS, len(checked.problems) + checked.counts[Seen.FAILED])
    metrics.gauge(Metric.ALERTS_RAISED, checked.counts[Seen.RAISED])
    resources.logger().info("checked", extra={**_counts(checked), "is_complete": checked.is_complete})


def _counts(checked: Checked) -> dict[str, int]:
    return {str(seen): checked.counts[seen] for seen in Seen}
