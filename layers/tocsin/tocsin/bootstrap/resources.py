"""The only wiring: everything real is chosen here, once a process, and nothing at import."""

import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import botocore.session
from aws_lambda_powertools import Logger
from botocore.config import Config

from tocsin.delivery.send import Worker
from tocsin.errors import StorageUnavailableError
from tocsin.observability import Recorder, RowLog, StackMetrics
from tocsin.settings import Settings, read_settings, trace_id
from tocsin.storage.audit import AuditTrail
from tocsin.storage.cursor import Cursors, shared_key
from tocsin.storage.notifications.lists import NotificationLists
from tocsin.storage.notifications.table import NotificationTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from tocsin.storage.inventory.alerts import AlertTable
    from tocsin.storage.notifications.counters import Counts

TRIES, CONNECT_SECONDS, READ_SECONDS = 3, 1, 2
FAST = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": TRIES},
    parameter_validation=False,  # our own parameters, by our own tests: a tenth of a sweep's processor time
)
"""A call that gets no answer is over in 12 seconds, so that the API says so itself: API Gateway gives up after 29, with
an error of its own. `standard` retries throttling with jitter, after at most 1 and 2 seconds (boto3 guide, "Retries").
"""


now: Callable[[], datetime] = partial(datetime.now, UTC)
"""Gives the present, aware and in UTC."""


class LambdaContext(Protocol):
    """What a worker needs of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Give the milliseconds until Lambda stops this invocation."""


@cache
def settings() -> Settings:
    """Read the environment."""
    return read_settings()


@cache
def logger() -> Logger:
    """Give the stack's structured logger."""
    return Logger(use_rfc3339=True)


@cache
def _aws() -> botocore.session.Session:
    return botocore.session.get_session()


def client(service: str, config: Config, region: str | None = None) -> Any:  # noqa: ANN401 - its type depends on the name; the caller says it
    """Make a client of one service, in our own region or another: botocore's, as boto3 takes 45 ms more to import."""
    return _aws().create_client(service, config=config, region_name=region)


@cache
def dynamodb() -> "DynamoDBClient":
    """Connect to DynamoDB.

    Its items go to and fro as they are on the wire: botocore is told that they are documents, in which it has nothing
    to look for. That saves a third of what a batch of rows costs it. A binary value stays base64.
    """
    shapes = _aws().get_component("data_loader").load_service_model("dynamodb", "service-2")["shapes"]
    for shape in ("AttributeValue", "BatchStatementRequest"):
        shapes[shape]["document"] = True
    made: DynamoDBClient = client("dynamodb", FAST)
    return made


@cache
def table() -> NotificationTable:
    """Open the Notifications table."""
    return NotificationTable(dynamodb(), settings().notifications_table, settings().retention)


@cache
def audit_trail() -> AuditTrail:
    """Open the audit trail."""
    return AuditTrail(dynamodb(), settings().audit_table)


@cache
def alerts() -> "AlertTable":
    """Open the alerts that the expiry check raised."""
    from tocsin.storage.inventory.alerts import AlertTable  # noqa: PLC0415 - the API rarely asks about certificates

    here = settings()
    return AlertTable(dynamodb(), here.inventory_table, here.notifications_table, audit_trail(), here.retention)


@cache
def lists() -> NotificationLists:
    """Open the lists of the Notifications table."""
    return NotificationLists(dynamodb(), settings().notifications_table)


@cache
def cursors() -> Cursors:
    """Make the codec of this stack's cursors."""
    return Cursors(shared_key(dynamodb(), settings().notifications_table))


@cache
def _row_log() -> RowLog:
    return RowLog(logger())


@cache
def recorder() -> Recorder:
    """Make what turns events into log lines and metrics."""
    return Recorder(_row_log(), StackMetrics(settings().stack))


@cache
def counts() -> "Counts":
    """Open the counts of what came to which state."""
    from tocsin.storage.notifications.counters import Counts  # noqa: PLC0415 - most requests of the API count nothing

    return Counts(dynamodb(), settings().notifications_table)


def finish() -> None:
    """End an invocation: write its metrics, and add what became of rows to the counts, which may be lost."""
    recorder().metrics.flush()
    if reached := recorder().taken():
        try:
            counts().add(reached)
        except StorageUnavailableError:
            logger().exception("not counted")


def begin(context: LambdaContext, **keys: str) -> None:
    """Name this invocation in every line that it logs: Lambda's id of the request, its trace, and `keys`."""
    _row_log().begin({"request_id": context.aws_request_id, **keys}, trace_id())


def worker(context: LambdaContext) -> Worker:
    """Give this invocation its clock, its time, its dice."""
    return Worker(
        clock=now,
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
        dice=random.Random().random,  # noqa: S311 - jitter is no secret; seeded anew for each invocation
        new_token=lambda: secrets.token_urlsafe(9),
    )
