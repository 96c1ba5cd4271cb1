"""Logs and metrics: one structured line per outcome, counts in CloudWatch's embedded metric format (EMF).

Metrics are gathered during a run and written once at its end, a blob a channel, under two sets of dimensions: the stack
alone (`service`), for alarms, and the stack with the channel, for graphs.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from aws_lambda_powertools import Logger

from tocsin.delivery.attempt import AttemptClass
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import Circuit, State
from tocsin.delivery.notification import Notification, Outcome, Status
from tocsin.delivery.record import Event
from tocsin.delivery.store import Change
from tocsin.text import bounded

NAMESPACE = "Tocsin"
_MOST_VALUES = 100
"""Values of a metric in one line of EMF (its specification)."""


class Metric(StrEnum):
    """Every metric of the engine. Those of notifications carry the channel as well."""

    CREATED = "NotificationsCreated"
    ACCEPTED = "Accepted"
    """A service took it, and the receiver has not said anything."""
    DELIVERED = "Delivered"
    ATTEMPT_FAILED = "AttemptFailed"
    DEAD = "Dead"
    REQUEUED = "Requeued"
    SKIPPED_NO_CHANNEL = "SkippedNoChannel"
    SUPERSEDED = "Superseded"
    CLAIM_LOST = "ClaimLost"
    DEFERRED = "Deferred"
    FELL_BACK = "FellBack"
    """A linked notification went another way instead."""
    TEMPLATE_FAILED = "TemplateFailed"
    """An operator's template could not be used: the default's words were said."""
    BOUNCED = "Bounced"
    """A service took it, and then could not deliver it."""
    COMPLAINTS = "Complaints"
    FEEDBACK_MALFORMED = "FeedbackMalformed"
    """Events about messages that could not be read."""
    DELIVERY_LATENCY = "DeliveryLatency"
    """Seconds from created to sent."""
    DEAD_LETTER_DEPTH = "DeadLetterDepth"
    DUE_BACKLOG = "DueBacklog"
    OLDEST_DUE_AGE = "OldestDueAge"
    """Seconds that the oldest due row has waited beyond its time."""
    OLDEST_PENDING_AGE = "OldestPendingAge"
    """Seconds since the creation of the oldest row whose first delivery had to be rescued."""
    SWEEP_DURATION = "SweepDuration"
    """Seconds."""
    SWEEP_SKIPPED = "SweepSkipped"
    CHANNELS_HELD = "ChannelsHeld"
    """Circuits whose channel is broken."""
    CIRCUITS_OPEN = "CircuitsOpen"
    """Circuits whose destination hangs."""
    EXPIRY_CHECK_DURATION = "ExpiryCheckDuration"
    """Seconds."""
    EXPIRY_CHECK_SKIPPED = "ExpiryCheckSkipped"
    EXPIRY_CHECK_PROBLEMS = "ExpiryCheckProblems"
    """Certificates, policies, owners and teams that could not be used."""
    OLDEST_CERTIFICATE_DUE_AGE = "OldestCertificateDueAge"
    """Seconds that the longest due certificate has waited for a check."""
    ALERTS_RAISED = "AlertsRaised"
    SOURCE_SYNC_DURATION = "SourceSyncDuration"
    """Seconds."""
    SOURCE_SYNC_SKIPPED = "SourceSyncSkipped"
    SOURCES_FAILING = "SourcesFailing"
    HEARTBEAT_FAILED = "HeartbeatFailed"
    """A job finished, and the watcher outside could not be told."""


_UNITS = {
    Metric.DELIVERY_LATENCY: "Seconds",
    Metric.OLDEST_DUE_AGE: "Seconds",
    Metric.OLDEST_PENDING_AGE: "Seconds",
    Metric.SWEEP_DURATION: "Seconds",
    Metric.EXPIRY_CHECK_DURATION: "Seconds",
    Metric.OLDEST_CERTIFICATE_DUE_AGE: "Seconds",
    Metric.SOURCE_SYNC_DURATION: "Seconds",
}
_REASON_LIMIT = 512
"""Bytes of a foreign text in the log."""
_FAILED = (AttemptClass.RETRYABLE, AttemptClass.PERMANENT, AttemptClass.UNKNOWN)


@dataclass(slots=True)
class StackMetrics:
    """What one invocation counted."""

    stack: str
    _counts: Counter[tuple[ChannelName, Metric]] = field(default_factory=Counter)
    _latencies: dict[ChannelName, list[float]] = field(default_factory=dict)
    _gauges: dict[Metric, float] = field(default_factory=dict)

    def count(self, metric: Metric, channel: ChannelName) -> None:
        """Add one."""
        self._counts[channel, metric] += 1

    def latency(self, seconds: float, channel: ChannelName) -> None:
        """Note how long a delivery took, from created to sent."""
        self._latencies.setdefault(channel, []).append(seconds)

    def gauge(self, metric: Metric, value: float) -> None:
        """Note what something is now."""
        self._gauges[metric] = value

    def flush(self) -> None:
        """Write everything to the log as EMF, and begin anew."""
        if self._gauges:
            self._write(self._gauges, {"service": self.stack})
        for channel in {*(channel for channel, _ in self._counts), *self._latencies}:
            self._flush_channel(channel)
        self._counts.clear()
        self._latencies.clear()
        self._gauges.clear()

    def _flush_channel(self, channel: ChannelName) -> None:
        values: dict[Metric, Any] = {name: count for (of, name), count in self._counts.items() if of == channel}
        dimensions = {"service": self.stack, "channel": channel}
        latencies = self._latencies.get(channel, [])
        for start in range(0, len(latencies), _MOST_VALUES):
            self._write(values | {Metric.DELIVERY_LATENCY: latencies[start : start + _MOST_VALUES]}, dimensions)
            values = {}
        if values:
            self._write(values, dimensions)

    @staticmethod
    def _write(values: Mapping[Metric, Any], dimensions: Mapping[str, str]) -> None:
        """Write one line (CloudWatch user guide, "Specification: Embedded metric format")."""
        names = list(dimensions)
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [names[:count] for count in range(1, len(names) + 1)],
            "Metrics": [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in values],
        }
        described = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        print(json.dumps({"_aws": described, **dimensions, **values}), flush=True)  # noqa: T201 - the log is the way


@dataclass(frozen=True, slots=True)
class RowLog:
    """Writes a line for a row in the form of Powertools' logger, for a third of its processor time.

    A sweep writes one for each of some thousand rows; everything else is logged by Powertools.
    """

    logger: Logger
    keys: dict[str, str] = field(default_factory=dict)
    """What all lines of this invocation carry, Powertools' own as well."""

    def begin(self, keys: Mapping[str, str], trace_id: str | None) -> None:
        """Name the invocation that all lines from now on belong to. Powertools finds the trace by itself."""
        self.logger.remove_keys(list(self.keys))
        self.logger.append_keys(**keys)
        self.keys.clear()
        self.keys.update(keys)
        if trace_id:
            self.keys["xray_trace_id"] = trace_id

    def info(self, message: str, extra: Mapping[str, object]) -> None:
        """Write what was expected."""
        self._write(logging.INFO, message, extra)

    def warning(self, message: str, extra: Mapping[str, object]) -> None:
        """Write what may need somebody."""
        self._write(logging.WARNING, message, extra)

    def error(self, message: str, extra: Mapping[str, object]) -> None:
        """Write what needs somebody."""
        self._write(logging.ERROR, message, extra)

    def _write(self, level: int, message: str, extra: Mapping[str, object]) -> None:
        if level >= self.logger.log_level:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = {"level": logging.getLevelName(level), "message": message, "timestamp": at}
            print(json.dumps({**line, "service": self.logger.service, **self.keys, **extra}), flush=True)  # noqa: T201 - see above


@dataclass(frozen=True, slots=True)
class Recorder:
    """Turns what happens to rows into log lines and counts. Its methods take what delivery reports."""

    logger: RowLog
    metrics: StackMetrics
    reached: Counter[tuple[ChannelName, Status]] = field(default_factory=Counter)
    """How many rows came to a state in this run; `pending` is not counted."""

    def taken(self) -> dict[tuple[ChannelName, Status], int]:
        """Give what came to which state, and begin anew."""
        taken = dict(self.reached)
        self.reached.clear()
        return taken

    def observe(self, event: Event, change: Change) -> None:
        """Note one event of a delivery run."""
        if event in (Event.SETTLED, Event.DEFERRED):
            self._fell_back(change)
        match event:
            case Event.SETTLED:
                self._settled(change)
            case Event.BURIED:
                self.metrics.count(Metric.DEAD, change.after.channel)
                self.reached[change.after.channel, Status.DEAD] += 1
                self.logger.error("dead: malformed", extra=_about(change.after) | {"reason": change.after.last_error})
            case Event.DEFERRED:
                self.metrics.count(Metric.DEFERRED, change.after.channel)
                self.logger.info("deferred", extra=_about(change.after) | {"reason": change.after.last_error})
            case Event.CLAIM_LOST:
                self.metrics.count(Metric.CLAIM_LOST, change.before.channel)
                self.logger.warning("claim lost", extra=_about(change.before))
            case Event.UNRECORDED:
                self.logger.error("result not recorded; the row is due again later", extra=_about(change.before))
            case Event.CONTENDED | Event.UNCLAIMED:
                self.logger.info("not sent", extra=_about(change.before) | {"why": event})

    def circuit(self, circuit: Circuit) -> None:
        """Note that a circuit opened, was held, or closed: its alarm goes off at once, not at the next sweep."""
        gauges = {State.HELD: Metric.CHANNELS_HELD, State.OPEN: Metric.CIRCUITS_OPEN}
        if circuit.state in gauges:
            self.metrics.gauge(gauges[circuit.state], 1)
        level = self.logger.error if circuit.state is State.HELD else self.logger.warning
        level(f"circuit {circuit.state}", extra={"circuit": circuit.name, "reason": circuit.reason})

    def created(self, row: Notification) -> None:
        """Note a new notification."""
        self.metrics.count(Metric.CREATED, row.channel)
        self.logger.info("created", extra=_about(row))

    def requeued(self, row: Notification) -> None:
        """Note a requeue."""
        self.metrics.count(Metric.REQUEUED, row.channel)
        self.logger.info("requeued", extra=_about(row))

    def acknowledged(self, row: Notification) -> None:
        """Note that an operator marked it read."""
        self.reached[row.channel, Status.READ] += 1
        self.logger.info("marked read", extra=_about(row))

    def template_failed(self, row: Notification, problem: str, is_new: bool) -> None:  # noqa: FBT001 - as `Failed` has it
        """Note that a template was not used; log what was not logged of late."""
        self.metrics.count(Metric.TEMPLATE_FAILED, row.channel)
        if is_new:
            self.logger.warning("template not used", extra=_about(row) | {"problem": problem})

    def heard(self, change: Change) -> None:
        """Note what a service said of a message that it took."""
        row = change.after
        self._fell_back(change)
        if row.status is not change.before.status:
            self.reached[row.channel, row.status] += 1
        if row.complained_at != change.before.complained_at:
            self.metrics.count(Metric.COMPLAINTS, row.channel)
            self.logger.warning("the recipient complained", extra=_about(row))
        elif row.outcome is Outcome.BOUNCED:
            self.metrics.count(Metric.BOUNCED, row.channel)
            self.metrics.count(Metric.DEAD, row.channel)
            self.logger.warning("bounced", extra=_about(row) | {"reason": row.last_error})
        else:
            self.metrics.count(Metric.DELIVERED, row.channel)
            self.logger.info("delivered, by evidence", extra=_about(row))

    def _fell_back(self, change: Change) -> None:
        if change.stand_in:
            self.metrics.count(Metric.FELL_BACK, change.before.channel)
            self.created(change.stand_in)

    def unreadable(self, channel: ChannelName, why: str) -> None:
        """Note an event that can't be read."""
        self.metrics.count(Metric.FEEDBACK_MALFORMED, channel)
        self.logger.error("feedback can't be read", extra={"channel": channel, "reason": bounded(why, _REASON_LIMIT)})

    def _settled(self, change: Change) -> None:
        row = change.after
        is_attempt = row.attempts != change.before.attempts  # to supersede is none
        result = row.attempts[-1].result if row.attempts and is_attempt else None
        if row.status is not change.before.status or is_attempt:
            self.reached[row.channel, row.status] += 1
        if result in _FAILED:
            self.metrics.count(Metric.ATTEMPT_FAILED, row.channel)
        if row.outcome is Outcome.SKIPPED_NO_CHANNEL:
            self.metrics.count(Metric.SKIPPED_NO_CHANNEL, row.channel)
        if row.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED) and row.sent_at and is_attempt:
            self.metrics.count(Metric.DELIVERED if row.outcome is Outcome.DELIVERED else Metric.ACCEPTED, row.channel)
            self.metrics.latency((row.sent_at - row.created_at).total_seconds(), row.channel)
        if row.status is Status.DEAD and change.before.status is not Status.DEAD:
            self.metrics.count(Metric.DEAD, row.channel)
        if row.status is Status.SUPERSEDED:
            self.metrics.count(Metric.SUPERSEDED, row.channel)
        level = self.logger.warning if result in _FAILED else self.logger.info
        level(str(row.status), extra=_about(row) | _latest(row))


def _about(row: Notification) -> dict[str, object]:
    return {"notification_id": row.id, "channel": row.channel, "status": row.status, "retry_count": row.retry_count}


def _latest(row: Notification) -> dict[str, object]:
    if not row.attempts:
        return {}
    latest = row.attempts[-1]
    return {
        "attempt": latest.number,
        "result": latest.result,
        "http_status": latest.http_status,
        "error": latest.error,
        "duration_ms": latest.duration_ms,
        "next_retry_at": row.next_retry_at.isoformat() if row.next_retry_at else None,
    }
