"""The expiry check: every hour, alert on the certificates that have crossed a threshold."""

from typing import Any

from tocsin.bootstrap import expiry, resources
from tocsin.bootstrap.tick import tick
from tocsin.expiry.check import Checked, Seen
from tocsin.observability import Metric


def handler(_event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Check once, and return the counts."""
    resources.begin(context)
    return tick(
        "expiry check",
        "checked",
        lambda: expiry.run_expiry_check(context),
        skipped=Metric.EXPIRY_CHECK_SKIPPED,
        duration=Metric.EXPIRY_CHECK_DURATION,
        measured=_measured,
        watched="expiry_check",
    )


def _measured(checked: Checked) -> tuple[dict[Metric, float], dict[str, Any]]:
    for problem in checked.problems:
        resources.logger().warning("a certificate's alerts fall back to defaults", extra={"problem": problem})
    gauges: dict[Metric, float] = {
        Metric.OLDEST_CERTIFICATE_DUE_AGE: checked.oldest_due_age,
        Metric.EXPIRY_CHECK_PROBLEMS: len(checked.problems) + checked.counts[Seen.FAILED],
        Metric.ALERTS_RAISED: checked.counts[Seen.RAISED],
    }
    return gauges, {"is_complete": checked.is_complete, **{str(seen): checked.counts[seen] for seen in Seen}}
