"""Contract 2.6 and 3.3, design 4: metrics are valid EMF, under the dimensions {service} and {service, channel}."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from build.template import template
from build.toolchain import ROOT
from tests.support.emf import Blob, blobs_in, check_blob
from tests.support.rows import ACCEPTED, NO_CHANNEL, NOW, POLICY, REFUSED, REJECTED, a_row, settled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import DeliveryPolicy, MissingChannelAction, Notification
from tocsin.delivery.record import Event
from tocsin.delivery.store import Change
from tocsin.observability import Metric, Recorder, RowLog, StackMetrics
from tocsin.settings import trace_id

LATER = NOW + timedelta(seconds=90)


@pytest.fixture
def recorder(request: pytest.FixtureRequest) -> Recorder:
    return Recorder(RowLog(Logger(service=request.node.name)), StackMetrics("stack"))


def flushed(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> list[Blob]:
    capsys.readouterr()
    recorder.metrics.flush()
    return blobs_in(capsys.readouterr().out)


def counts(blobs: list[Blob], channel: str = "Webhook") -> dict[str, float]:
    """Add up what was counted of one channel."""
    found: Counter[str] = Counter()
    for blob in blobs:
        if blob.dimensions.get("channel") == channel:
            found.update({name: sum(values) for name, values in blob.values.items()})
    return dict(found)


ROW = a_row()
FAILED = settled(ROW, REFUSED)
CLAIMED = FAILED.claimed("mine", LATER, NOW)
DEAD_BY_PARAMETER = DeliveryPolicy(missing_channel=MissingChannelAction.DEAD)
STEPS: list[tuple[Event, Notification, Notification, dict[str, float]]] = [
    (Event.SETTLED, ROW, settled(ROW, ACCEPTED, LATER), {"Delivered": 1, "DeliveryLatency": 90}),
    (Event.SETTLED, ROW, FAILED, {"AttemptFailed": 1}),
    (Event.SETTLED, ROW, settled(ROW, REJECTED), {"AttemptFailed": 1, "Dead": 1}),
    (Event.SETTLED, ROW, settled(ROW, NO_CHANNEL), {"SkippedNoChannel": 1}),
    (Event.SETTLED, ROW, settled(ROW, NO_CHANNEL, policy=DEAD_BY_PARAMETER), {"SkippedNoChannel": 1, "Dead": 1}),
    (Event.SETTLED, CLAIMED, CLAIMED.superseded("renewed", LATER), {"Superseded": 1}),  # not its former failure again
    (Event.SETTLED, CLAIMED, CLAIMED.abandoned(LATER, POLICY), {"AttemptFailed": 1}),
    (Event.CLAIM_LOST, ROW, FAILED, {"ClaimLost": 1}),
    (Event.CONTENDED, ROW, ROW.claimed("mine", LATER, NOW), {}),
    (Event.UNCLAIMED, ROW, ROW.claimed("mine", LATER, NOW), {}),
    (Event.UNRECORDED, ROW, FAILED, {}),
]


@pytest.mark.parametrize(("event", "before", "after", "expected"), STEPS, ids=range(len(STEPS)))
def test_what_each_event_counts(
    recorder: Recorder,
    capsys: pytest.CaptureFixture[str],
    event: Event,
    before: Notification,
    after: Notification,
    expected: dict[str, float],
) -> None:
    recorder.observe(event, Change(before, after))
    assert counts(flushed(recorder, capsys)) == expected


def test_what_operators_and_callers_do_is_counted(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    recorder.created(ROW)
    recorder.requeued(ROW)
    recorder.acknowledged(ROW)
    recorder.observe(Event.BURIED, Change(ROW, ROW.buried("message is missing", NOW)))
    assert counts(flushed(recorder, capsys)) == {"NotificationsCreated": 1, "Requeued": 1, "Dead": 1}


def test_every_event_has_a_log_line_that_names_the_row(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    """Style habit 16: one line an outcome, structured."""
    book = Recorder(RowLog(Logger(service="lines")), recorder.metrics)
    for event, before, after, _expected in STEPS:
        book.observe(event, Change(before, after))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(STEPS)
    assert all(ROW.id in line for line in lines)
    for line in map(json.loads, lines):
        assert (line["service"], line["notification_id"]) == ("lines", ROW.id)
        assert line["level"] in {"INFO", "WARNING", "ERROR"}
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_a_line_of_a_row_has_the_form_of_all_other_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the log finds one form: what Powertools writes, without the place in the code."""
    logger = Logger(service="form", use_rfc3339=True)
    logger.warning("said", extra={"channel": "Email"})
    RowLog(logger).warning("said", {"channel": "Email"})
    theirs, ours = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert theirs.keys() - ours.keys() == {"location"}
    assert ours.keys() <= theirs.keys()
    assert {name: theirs[name] for name in ours if name != "timestamp"} == {
        name: value for name, value in ours.items() if name != "timestamp"
    }
    assert len(ours["timestamp"]) == len(theirs["timestamp"])


def test_the_level_of_the_stack_holds_for_lines_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    RowLog(Logger(service="quiet", level="ERROR")).info("sent", {})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("deliveries", [1, 99, 100, 101, 200, 1234])
def test_no_delivery_is_lost_however_many(
    recorder: Recorder, capsys: pytest.CaptureFixture[str], deliveries: int
) -> None:
    """EMF takes 100 values a metric: more go into further blobs."""
    capsys.readouterr()
    for number in range(deliveries):
        recorder.metrics.count(Metric.DELIVERED, ChannelName.EMAIL)
        recorder.metrics.latency(number, ChannelName.EMAIL)
    recorder.metrics.flush()
    blobs = blobs_in(capsys.readouterr().out)
    assert sum(len(blob.values.get("DeliveryLatency", [])) for blob in blobs) == deliveries
    assert counts(blobs, "Email")["Delivered"] == deliveries
    assert counts(blobs, "Email")["DeliveryLatency"] == sum(range(deliveries))


def test_gauges_are_of_the_whole_stack(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    recorder.metrics.gauge(Metric.DEAD_LETTER_DEPTH, 3)
    recorder.metrics.gauge(Metric.SWEEP_DURATION, 1.5)
    (blob,) = flushed(recorder, capsys)
    assert blob.dimension_sets == [["service"]]
    assert blob.values == {"DeadLetterDepth": [3], "SweepDuration": [1.5]}
    assert blob.units == {"DeadLetterDepth": "Count", "SweepDuration": "Seconds"}


def test_a_flush_begins_anew(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    recorder.created(ROW)
    assert len(flushed(recorder, capsys)) == 1
    assert flushed(recorder, capsys) == []


def test_counts_go_to_the_stack_for_alarms_and_to_the_channel_for_graphs(
    recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract 2.6 [T]: an alarm stands on the metric: with exactly the dimensions that the template's alarms have."""
    recorder.observe(Event.SETTLED, Change(ROW, settled(ROW, NO_CHANNEL)))
    (blob,) = flushed(recorder, capsys)
    assert blob.dimension_sets == [["service"], ["service", "channel"]]
    assert blob.dimensions == {"service": "stack", "channel": "Webhook"}
    check_blob(blob)


def alarms() -> dict[str, Any]:
    return {
        name: resource["Properties"]
        for name, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and resource["Properties"].get("Namespace") == "Tocsin"
    }


@pytest.mark.parametrize("name", alarms())
def test_every_alarm_stands_on_a_metric_that_is_emitted(name: str) -> None:
    alarm = alarms()[name]
    assert alarm["MetricName"] in set(Metric)
    assert [dimension["Name"] for dimension in alarm["Dimensions"]] == ["service"]


def test_an_alarm_stands_on_the_dead_and_on_the_skipped() -> None:
    """Contract 2.6 [T], 3.3 [S]."""
    assert {"SkippedNoChannel", "DeadLetterDepth", "OldestDueAge"} <= {a["MetricName"] for a in alarms().values()}


def test_channels_of_one_name_are_one_channel(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    """Each row that is read makes a name of its own: what is counted under it must not be lost."""
    recorder.metrics.count(Metric.DEAD, ChannelName("Slack:payments"))
    recorder.metrics.count(Metric.BOUNCED, ChannelName("Slack:payments"))
    recorder.metrics.latency(1.0, ChannelName("Slack:payments"))
    assert counts(flushed(recorder, capsys), "Slack:payments") == {"Dead": 1, "Bounced": 1, "DeliveryLatency": 1.0}


def test_every_line_of_an_invocation_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One search by the request's id, or by the trace's, finds all of them: those of rows and all others."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1")
    logger = Logger(service="named", use_rfc3339=True)
    lines = RowLog(logger)
    lines.begin({"request_id": "request-1", "notification_id": "a former one"}, trace_id())
    lines.begin({"request_id": "request-2"}, trace_id())
    lines.info("sent", {"notification_id": ROW.id})
    logger.info("swept")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    for line in (ours, theirs):
        assert line["request_id"] == "request-2"
        assert line["xray_trace_id"] == "1-67891233-abcdef012345678912345678"
    assert ours["notification_id"] == ROW.id
    assert "notification_id" not in theirs


def test_without_a_trace_no_line_names_one(capsys: pytest.CaptureFixture[str]) -> None:
    lines = RowLog(Logger(service="untraced"))
    lines.begin({"request_id": "request-1"}, trace_id({}))
    lines.info("sent", {})
    assert "xray_trace_id" not in json.loads(capsys.readouterr().out)


def test_every_function_names_its_invocation() -> None:
    """But for what runs Apprise: it knows no notification, and nothing of the layer."""
    apps = (ROOT / "functions").glob("*/app.py")
    silent = {app.parent.name for app in apps if "    resources.begin(context" not in app.read_text()}
    assert silent == {"apprise"}
