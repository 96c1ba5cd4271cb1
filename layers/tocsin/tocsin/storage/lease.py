"""A lease: one item that lets one worker at a time do a job. It lies in the Notifications table, in no index of it."""

from datetime import datetime
from typing import TYPE_CHECKING

from tocsin.storage.codec import milliseconds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Lease:
    """The right to do one named job until an instant. It saves work; what keeps rows safe are their claims."""

    def __init__(self, client: "DynamoDBClient", table: str, job: str, holder: str) -> None:
        """Name the `job` and the would-be `holder` (unique for each run)."""
        self._client = client
        self._table = table
        self._id = f"lease#{job}"
        self._holder = holder

    def take(self, now: datetime, until: datetime) -> bool:
        """Take it if nobody holds it; tell whether that worked."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    "id": {"S": self._id},
                    "holder": {"S": self._holder},
                    "held_until": {"N": str(milliseconds(until))},
                },
                # Our own: this is the second try of a call whose answer never came.
                ConditionExpression="attribute_not_exists(id) OR held_until < :now OR holder = :holder",
                ExpressionAttributeValues={":now": {"N": str(milliseconds(now))}, ":holder": {"S": self._holder}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def release(self) -> None:
        """Give it back, unless it ran out and somebody else has it now."""
        try:
            self._client.delete_item(
                TableName=self._table,
                Key={"id": {"S": self._id}},
                ConditionExpression="holder = :holder",
                ExpressionAttributeValues={":holder": {"S": self._holder}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return
