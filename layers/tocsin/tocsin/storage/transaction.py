"""All or nothing over several tables: TransactWriteItems, and what it says when it does nothing."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LIMIT = 100
"""Actions in one transaction (DynamoDB API reference, TransactWriteItems)."""
_TRIES = 6
_PAUSE = 0.02
"""Seconds before the first try after a conflict; each further one waits twice as long."""
_PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""Reasons that trying again cures. botocore does not: it knows only the exception, not its reasons."""


class RefusedError(TocsinError):
    """A condition of the transaction did not hold, so nothing was written."""

    def __init__(self, failed: Sequence[int]) -> None:
        """Take the places, from 0, of the actions whose conditions did not hold."""
        super().__init__(f"actions {list(failed)}")
        self.failed = tuple(failed)


def commit(client: "DynamoDBClient", actions: Sequence[Mapping[str, Any]]) -> None:
    """Write all of `actions`, or none. Raises RefusedError where a condition fails, ClientError for what else does."""
    pause = _PAUSE
    for tries_left in reversed(range(_TRIES)):
        try:
            client.transact_write_items(TransactItems=[*actions])  # type: ignore[list-item]  # built as plain mappings
        except client.exceptions.TransactionCanceledException as cancelled:
            codes = [reason.get("Code", "None") for reason in cancelled.response["CancellationReasons"]]
            failed = [place for place, code in enumerate(codes) if code == "ConditionalCheckFailed"]
            if failed:
                raise RefusedError(failed) from None
            if tries_left == 0 or not _PASSING & {*codes}:
                raise
            time.sleep(pause)
            pause *= 2
        else:
            return
