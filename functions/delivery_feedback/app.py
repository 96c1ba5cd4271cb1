"""Delivery feedback: SES says what became of a mail, and its row says so too."""

from typing import Any

from tocsin.bootstrap import feedback, resources


def handler(event: dict[str, Any], context: resources.LambdaContext) -> dict[str, str]:
    """Take one event of EventBridge.

    What can't be judged yet is raised: Lambda brings it again, and in the end puts it into a queue with an alarm.
    """
    resources.begin(context)
    try:
        return {"heard": feedback.hear(event)}
    finally:
        resources.finish()
