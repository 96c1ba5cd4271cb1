"""What the functions would have written as metrics of the last days, so that the graphs have a past too."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from tocsin.delivery.attempt import AttemptClass
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Outcome
from tocsin.observability import NAMESPACE, Metric

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.literals import StandardUnitType
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

KEPT = timedelta(days=14)
"""How old a datum may be that CloudWatch takes (API reference, PutMetricData)."""
GAUGED = timedelta(minutes=15)
"""Between two values of what a sweep says each time: enough for a line."""
SHOWN = timedelta(days=3)
"""How far back these go."""
BATCH = 500
"""Data in one PutMetricData; CloudWatch takes 1,000."""
_SENT = {AttemptClass.ACCEPTED: Metric.ACCEPTED, AttemptClass.DELIVERED: Metric.DELIVERED}


def put_metrics(client: "CloudWatchClient", stack: str, rows: Iterable[Notification], now: datetime) -> int:
    """Put what became of `rows`, and the gauges that sweeps would have said; how many data."""
    known = list(rows)
    found = [datum for row in known for datum in _counted(stack, row)] + list(_gauges(stack, known, now))
    recent = iter([datum for datum in found if _is_recent(datum, now)])
    put = 0
    while batch := list(islice(recent, BATCH)):
        client.put_metric_data(Namespace=NAMESPACE, MetricData=batch)
        put += len(batch)
    return put


def _is_recent(datum: "MetricDatumTypeDef", now: datetime) -> bool:
    at = datum["Timestamp"]
    return isinstance(at, datetime) and now - KEPT < at <= now


def _counted(stack: str, row: Notification) -> "Iterator[MetricDatumTypeDef]":
    """Count an alert where the functions do: once for the stack, once for its channel as well."""
    events: list[tuple[Metric, datetime, float]] = [(Metric.CREATED, row.created_at, 1)]
    events += [(_SENT.get(done.result, Metric.ATTEMPT_FAILED), done.started_at, 1) for done in row.attempts]
    if row.died_at is not None:
        events.append((Metric.DEAD, row.died_at, 1))
    if row.sent_at is not None and row.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
        events.append((Metric.DELIVERY_LATENCY, row.sent_at, (row.sent_at - row.created_at).total_seconds()))
    for metric, at, value in events:
        yield _datum(stack, metric, at, value)
        yield _datum(stack, metric, at, value, row.channel)


def _gauges(stack: str, rows: list[Notification], now: datetime) -> "Iterator[MetricDatumTypeDef]":
    """Give what sweeps say: how many are dead, how long a sweep takes. Dead rows of the past are dead still."""
    for number in range(SHOWN // GAUGED):
        at = now - number * GAUGED
        dead = sum(row.died_at is not None and row.died_at <= at for row in rows)
        yield _datum(stack, Metric.DEAD_LETTER_DEPTH, at, dead)
        yield _datum(stack, Metric.SWEEP_DURATION, at, 0.2 + number % 7 * 0.03)


def _datum(
    stack: str, metric: Metric, at: datetime, value: float, channel: ChannelName | None = None
) -> "MetricDatumTypeDef":
    dimensions = {"service": stack} | ({"channel": channel} if channel else {})
    seconds = metric in (Metric.DELIVERY_LATENCY, Metric.SWEEP_DURATION)
    unit: StandardUnitType = "Seconds" if seconds else "Count"
    return {
        "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": text} for name, text in dimensions.items()],
        "Timestamp": at,
        "Value": value,
        "Unit": unit,
    }
