"""As much of AWS as the console asks, in memory: a session whose clients answer what a test has put there."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from tocsin_cli.connection import Connection

REGION, ACCOUNT, STACK = "eu-central-1", "123456789012", "tocsin"
Function = Callable[[Mapping[str, Any]], Any]


def arn(name: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:lambda:{region}:{account}:function:{name}:live"


LOOK, ACT = arn(f"customWidget-{STACK}"), arn(f"customWidget-{STACK}-act")


def denied(action: str) -> ClientError:
    """As IAM words it."""
    message = f"User: arn:aws:iam::{ACCOUNT}:user/eve is not authorized to perform: {action} on resource: {LOOK}"
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "Invoke")


@dataclass
class FakeAws:
    """Answers; a test may put an exception where an answer would stand."""

    look: Function = lambda event: "<p>Nothing yet</p>"
    act: Function = lambda event: "<p>Done</p>"
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """The functions' names, and their events."""
    alarms: list[dict[str, Any]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=lambda: {"widgets": []})
    points: Callable[[Mapping[str, Any]], list[tuple[datetime, float]]] = lambda stat: []
    metrics: list[dict[str, Any]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """IAM actions that the credentials may not do."""
    used: set[str] = field(default_factory=set)
    """IAM actions that were needed."""
    region_name: str = REGION

    def client(self, service: str, **_: Any) -> Any:
        return {"sts": _Sts, "lambda": _Lambda, "cloudwatch": _CloudWatch}[service](self)

    def connection(self) -> Connection:
        made = Connection(STACK)
        made.__dict__["session"] = self
        return made

    def may(self, action: str) -> None:
        self.used.add(action)
        if action in self.refused:
            raise denied(action)

    @property
    def acts(self) -> list[Mapping[str, Any]]:
        return [event for name, event in self.calls if name == f"customWidget-{STACK}-act:live"]


@dataclass
class _Sts:
    aws: FakeAws

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": ACCOUNT}


@dataclass
class _Lambda:
    aws: FakeAws

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.aws.may("lambda:InvokeFunction")
        event = json.loads(Payload)
        self.aws.calls.append((FunctionName, event))
        function = self.aws.act if FunctionName.endswith("-act:live") else self.aws.look
        about = {"ResponseMetadata": {"RequestId": "4f1c"}}
        try:
            said = function(event)
        except ArithmeticError as error:
            return {"FunctionError": "Unhandled", "Payload": _stream({"errorMessage": str(error)}), **about}
        return {"Payload": _stream(said), **about}


def _stream(value: Any) -> io.BytesIO:
    return io.BytesIO(json.dumps(value).encode())


@dataclass
class _CloudWatch:
    aws: FakeAws

    def get_dashboard(self, *, DashboardName: str) -> dict[str, str]:  # noqa: N803 - boto3's names
        self.aws.may("cloudwatch:GetDashboard")
        return {"DashboardBody": json.dumps(self.aws.body)}

    def get_paginator(self, name: str) -> "_Pages":
        return _Pages(getattr(self, name))

    def describe_alarms(self, *, AlarmNamePrefix: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.aws.may("cloudwatch:DescribeAlarms")
        return {"MetricAlarms": [one for one in self.aws.alarms if one["AlarmName"].startswith(AlarmNamePrefix)]}

    def list_metrics(self, *, MetricName: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.aws.may("cloudwatch:ListMetrics")
        return {"Metrics": [one for one in self.aws.metrics if one["MetricName"] == MetricName]}

    def get_metric_data(self, *, MetricDataQueries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.aws.may("cloudwatch:GetMetricData")
        results = []
        for query in MetricDataQueries:
            points = self.aws.points(query["MetricStat"])
            results.append(
                {"Id": query["Id"], "Timestamps": [at for at, _ in points], "Values": [v for _, v in points]}
            )
        return {"MetricDataResults": results}


@dataclass
class _Pages:
    call: Callable[..., dict[str, Any]]

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return [self.call(**{name: value for name, value in asked.items() if name != "ScanBy"})]


def alarm(name: str, state: str = "OK", description: str = "", minutes: int = 30) -> dict[str, Any]:
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    return {
        "AlarmName": f"{STACK}-{name}",
        "StateValue": state,
        "AlarmDescription": description,
        "StateReason": "Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0).",
        "StateUpdatedTimestamp": since,
    }
