"""The CloudWatch widget, acting: it requeues, marks read and tests channels, and shows the page again."""

from typing import Any

from tocsin.bootstrap import resources, widget


def handler(event: dict[str, Any], context: resources.LambdaContext) -> widget.Answer:
    """Answer one call of a dashboard (CloudWatch user guide, "Interactivity in the custom widget")."""
    resources.begin(context)
    return widget.act(event, context)
