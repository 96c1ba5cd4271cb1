"""Bulk requeue: works at all open jobs, paced, for as long as it may; the sweep's next tick is what goes on."""

from dataclasses import asdict
from typing import Any

from tocsin.bootstrap import requeueing, resources


def handler(_event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Run once, and return the counts; `{"skipped": true}` while another run is at it."""
    resources.begin(context)
    try:
        ran = requeueing.run(context)
        counts = {"skipped": True} if ran is None else asdict(ran) | {"jobs": len(ran.jobs), "skipped": False}
        resources.logger().info(
            "requeue skipped: another one is running" if ran is None else "requeue ran", extra=counts
        )
        return counts
    finally:
        resources.finish()
