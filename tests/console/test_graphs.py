"""The graphs are those of the dashboard that the stack deploys, with what CloudWatch has for them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from build.toolchain import ROOT
from tests.support.fake_aws import REGION, STACK, FakeAws
from tocsin_cli.console import dashboard, graphs
from tocsin_cli.console.dashboard import Graph, Series

NOW = datetime(2026, 11, 25, 3, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def deployed() -> dict[str, Any]:
    """The body as the stack has it."""
    text = (ROOT / "build" / "dashboard.yaml").read_text().partition("Fn::Sub: |")[2]
    for name, value in {"StackName": STACK, "Region": REGION, "AccountId": "1" * 12, "Partition": "aws"}.items():
        text = text.replace(f"${{AWS::{name}}}", value)
    body: dict[str, Any] = json.loads(text)
    return body


def test_every_metric_of_the_dashboard_is_understood(deployed: dict[str, Any]) -> None:
    metrics = [widget["properties"]["metrics"] for widget in deployed["widgets"] if widget["type"] == "metric"]
    found = dashboard.graphs(deployed)
    assert [len(graph.series) for graph in found] == [len(each) for each in metrics]
    series = [each for graph in found for each in graph.series]
    assert all(each.name and each.dimensions["service"] == STACK and each.namespace == "Tocsin" for each in series)
    assert {each.name for each in series if each.is_search} == {"Delivered", "Accepted", "AttemptFailed", "Dead"}


def test_a_graph_says_its_unit_and_where_its_alarm_is(deployed: dict[str, Any]) -> None:
    (age,) = [graph for graph in dashboard.graphs(deployed) if graph.title == "Oldest delivery that is due"]
    assert (age.unit, age.lines) == ("seconds", (("alarm", 600.0),))


def test_widgets_are_read_as_cloudwatch_reads_them() -> None:
    properties = {
        "title": "Letters",
        "endpoint": "arn:…",
        "params": {"view": "letters"},
        "updateOn": {"refresh": False},
    }
    body = {
        "widgets": [{"type": "custom", "height": 14, "properties": properties}, {"type": "custom", "properties": {}}]
    }
    assert dashboard.widgets(body) == [
        dashboard.Widget("Letters", {"view": "letters"}, 14, refreshes=False),
        dashboard.Widget("", {}, 6, refreshes=True),
    ]


@pytest.mark.parametrize(("hours", "period", "points"), [(1, 60, 61), (3, 60, 181), (12, 300, 145), (168, 3600, 169)])
def test_a_longer_span_has_fewer_points(aws: FakeAws, hours: int, period: int, points: int) -> None:
    (drawn,) = shown(aws, "Sum", hours)
    assert (drawn["period"], len(drawn["times"])) == (period, points)


def shown(aws: FakeAws, stat: str, hours: int = 1) -> list[dict[str, Any]]:
    aws.points = lambda _: [(NOW.replace(second=0) - timedelta(minutes=5), 3.0)]
    series = Series("Tocsin", "Dead", {"service": STACK}, stat, "dead")
    return graphs.drawn(aws.client("cloudwatch"), [Graph("Deaths", 60, (series,), "", ())], hours, NOW)


def test_an_event_that_did_not_happen_is_none_and_a_gauge_that_was_not_read_is_a_gap(aws: FakeAws) -> None:
    assert [value for value in shown(aws, "Sum")[0]["lines"][0]["values"] if value] == [3.0]
    assert shown(aws, "Sum")[0]["lines"][0]["values"].count(0.0) == 59  # the last period is not over
    assert shown(aws, "Maximum")[0]["lines"][0]["values"].count(None) == 60


def test_a_period_that_is_not_over_is_a_gap_until_it_has_data(aws: FakeAws) -> None:
    """An event may still happen in it: 0 would look as if all had stopped just now."""
    assert shown(aws, "Sum")[0]["lines"][0]["values"][-2:] == [0.0, None]


def test_a_search_is_one_line_for_each_metric_that_it_finds(aws: FakeAws) -> None:
    service = {"Name": "service", "Value": STACK}
    channels = ["Webhook", "Slack:ops"]
    aws.metrics = [{"MetricName": "Dead", "Dimensions": [service, {"Name": "channel", "Value": c}]} for c in channels]
    aws.metrics.append({"MetricName": "Dead", "Dimensions": [service]})
    aws.points = lambda _: [(NOW, 1.0)]
    series = Series("Tocsin", "Dead", {"service": STACK}, "Sum", None, is_search=True)
    (drawn,) = graphs.drawn(aws.client("cloudwatch"), [Graph("Deaths", 60, (series,), "", ())], 1, NOW)
    assert [line["label"] for line in drawn["lines"]] == ["Slack:ops", "Webhook"]


def test_more_queries_than_one_request_takes_are_several(aws: FakeAws) -> None:
    series = tuple(Series("Tocsin", f"M{number}", {}, "Sum", None) for number in range(501))
    aws.points = lambda stat: [(NOW.replace(second=0), float(stat["Metric"]["MetricName"][1:]))]
    (drawn,) = graphs.drawn(aws.client("cloudwatch"), [Graph("Many", 60, series, "", ())], 1, NOW)
    assert [line["values"][-1] for line in drawn["lines"]] == [float(number) for number in range(501)]
