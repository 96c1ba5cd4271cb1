"""The CloudWatch widget, looking: it reads, and its role can't write."""

from typing import Any

from tocsin.bootstrap import resources, widget


def handler(event: dict[str, Any], context: resources.LambdaContext) -> widget.Answer:
    """Answer one call of a dashboard (CloudWatch user guide, "Details about custom widgets")."""
    resources.begin(context)
    return widget.look(event, context)
