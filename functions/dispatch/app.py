"""First deliveries: the table's stream brings pending rows, within a second of their creation or requeue.

The API asks it as well: to send one message by a channel, or to say how one would look. The API itself can't read what
channels are configured with.
"""

from typing import Any

from tocsin.bootstrap import delivery, resources, trial

delivery.prepare()


def handler(event: dict[str, Any], context: resources.LambdaContext) -> dict[str, Any]:
    """Deliver the pending rows of `event` (DynamoDB stream, NEW_IMAGE), or do what the API asks.

    Returns the records to bring again (Lambda developer guide, "partial batch response"): those whose claim could not
    be written, or that there was no time for. All others are done, or the sweep's.
    """
    resources.begin(context)
    if "Records" not in event:
        return trial.answer(event)
    records = event["Records"]
    images = [record["dynamodb"]["NewImage"] for record in records]
    try:
        tally = delivery.dispatch(images, context)
    finally:
        resources.finish()
    again = {row.id for row in (*tally.left, *tally.unclaimed)}
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
            for record, image in zip(records, images, strict=True)
            if image["id"]["S"] in again
        ]
    }
