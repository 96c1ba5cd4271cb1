"""The console: its own page in Chromium, with the widget's own pages in it, and made-up rows and figures behind them.

    PYTHONPATH=layers/tocsin:cli python -m build.pictures console graphs

Other scenes, to look at: `PYTHONPATH=layers/tocsin:cli python -m build.pictures.console DIRECTORY`.
"""

import io
import json
import math
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import sync_playwright

from build.pictures.png import with_palette
from build.toolchain import ROOT
from local.chromium import found
from tocsin.delivery.attempt import Attempt, AttemptClass
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.grouping import Group, grouped
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity, Status
from tocsin.widget import pages
from tocsin.widget.pages import Endpoints, Frame, Groups, Letters
from tocsin.widget.place import Place, Tab
from tocsin.widget.rows import Letter
from tocsin_cli.connection import Connection
from tocsin_cli.console import serving

STACK, REGION, ACCOUNT = "tocsin", "eu-central-1", "123456789012"
_FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:customWidget-{STACK}"
ENDPOINTS = Endpoints(f"{_FUNCTION}:live", f"{_FUNCTION}-act:live")
_DOWN = "HTTP 503: down for maintenance"
_ALARMS = {
    "dead-letters": "Notifications are dead: nobody was told. Requeue or acknowledge them.",
    "overdue": "A delivery has been due for 10 minutes: the sweep does not keep up, or the stack is paused.",
    "sweep-missing": "No sweep has finished for 10 minutes: nothing is retried.",
    "channel-held": "A channel is broken, and what goes there waits: GET /channels says which and why.",
}
_DEAD = (
    ("Card settlement is late: batch 4711", Severity.CRITICAL, "PagerDuty:payments", _DOWN, 4),
    ("api.example.com expires in 6 h 2 min", Severity.CRITICAL, "Slack:payments", "HTTP 404: no_service", 11),
    ("Deployment of checkout failed: health check timed out", Severity.WARNING, "Webhook:ci", _DOWN, 19),
    ("*.shop.example.com expires in 13 days", Severity.WARNING, "Slack:payments", "HTTP 404: no_service", 42),
    ("Replica db-7 is 14 minutes behind", Severity.WARNING, "Webhook:ci", _DOWN, 48),
    ("Backup of orders took 3 h 12 min", Severity.INFORMATIONAL, "Email", "550 5.1.1 mailbox unavailable", 71),
)
"""What it says, how severe, to whom, the error, and how many minutes it has been dead."""
_LIKE = {"Webhook:ci": 204, "Slack:payments": 84, "PagerDuty:payments": 8, "Email": 4}
"""How many there are of each group."""


@dataclass(frozen=True)
class Scene:
    """What a picture is of."""

    size: tuple[int, int]
    query: str = ""
    scheme: Literal["light", "dark"] = "light"
    dead: int = 300


SCENES = {
    "console": Scene((1200, 860)),
    "console-dark": Scene((1200, 860), scheme="dark"),
    "graphs": Scene((1200, 620), "?page=graphs", "dark"),
    "graphs-light": Scene((1600, 1000), "?page=graphs"),
    "narrow": Scene((390, 1100)),
    "narrow-dark": Scene((390, 1100), scheme="dark"),
    "wide": Scene((1600, 1000)),
    "empty": Scene((1200, 620), dead=0),
    "alarms": Scene((1200, 620), "?page=alarms"),
    "many": Scene((1200, 1000), dead=10_000),
}


def draw(name: str, picture: Path) -> None:
    """Write the picture of a scene."""
    scene = SCENES[name]
    made = Connection(STACK)
    made.__dict__["session"] = _Aws(scene.dead)
    chromium = found()
    with serving(made) as link, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable,
            args=["--no-sandbox", "--disable-lcd-text"],
            env={**os.environ, **chromium.environment},
        )
        width, height = scene.size
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme=scene.scheme,
            locale="en-GB",
        )
        page.goto(link.replace("/#", f"/{scene.query}#"))
        page.locator("[data-shown]:not([hidden])").locator(".tocsin, .graph canvas, .alarm").first.wait_for()
        page.wait_for_load_state("networkidle")
        picture.write_bytes(page.screenshot())
        browser.close()
    picture.write_bytes(with_palette(picture.read_bytes()))


def _rows(now: datetime) -> list[Notification]:
    return [
        _row(number, subject, severity, (ChannelName(channel), error), now - timedelta(minutes=minutes))
        for number, (subject, severity, channel, error, minutes) in enumerate(_DEAD)
    ]


def _row(
    number: int, subject: str, severity: Severity, failing: tuple[ChannelName, str], died_at: datetime
) -> Notification:
    channel, error = failing
    attempt = Attempt(5, died_at, 180, AttemptClass.RETRYABLE, error=error)
    return Notification(
        id=f"01K9Z7C4N5T6V8W0X2Y3Z4A5{number:02d}",
        type="ExpirationWarning" if "expires" in subject else "Custom:deploy",
        channel=channel,
        recipient="ops@example.com" if channel == "Email" else "",
        subject=subject,
        message=subject,
        severity=severity,
        status=Status.DEAD,
        retry_count=4,
        last_error=error,
        attempts=(attempt,),
        created_at=died_at - timedelta(minutes=31),
        updated_at=died_at,
        died_at=died_at,
    )


def _groups(rows: Sequence[Notification]) -> list[Group]:
    return sorted((replace(one, count=_LIKE[one.channel]) for one in grouped(rows)), key=lambda one: -one.count)


def _look(event: Mapping[str, Any], dead: int) -> str:
    now = datetime.now(UTC)
    frame = Frame(ENDPOINTS, STACK, now, "1", is_dark=event["widgetContext"]["theme"] == "dark")
    rows = _rows(now) if dead else []
    shown = Letters(
        letters=[Letter.of(row, DeliveryPolicy()) for row in rows],
        cursor="x" if len(rows) < dead else None,
        dead=dead,
        oldest=rows[-1].updated_at - timedelta(hours=2) if rows else None,
        groups=Groups(_groups(rows), dead, is_complete=True),
    )
    return pages.render(shown, frame, Place(tab=Tab.DEAD))


@dataclass(frozen=True)
class _Aws:
    """What the console asks of AWS."""

    dead: int
    region_name: str = REGION
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - figures of a picture

    def client(self, _service: str, **_options: Any) -> "_Aws":  # noqa: ANN401 - boto3's own
        return self

    def get_caller_identity(self) -> Mapping[str, str]:
        return {"Account": ACCOUNT}

    def get_dashboard(self, **_asked: str) -> Mapping[str, str]:
        text = (ROOT / "build" / "dashboard.yaml").read_text().partition("Fn::Sub: |")[2]
        body = json.loads(text.replace("${AWS::StackName}", STACK).replace("${AWS::Region}", REGION))
        body["widgets"] = [one for one in body["widgets"] if one["type"] == "metric"]
        return {"DashboardBody": json.dumps(body)}

    def invoke(self, **asked: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's own
        said = json.dumps(_look(json.loads(asked["Payload"]), self.dead)).encode()
        return {"Payload": io.BytesIO(said), "ResponseMetadata": {}}

    def get_paginator(self, name: str) -> "_Pages":
        return _Pages(self, name)

    def describe_alarms(self) -> Mapping[str, Any]:
        since = datetime.now(UTC) - timedelta(minutes=9)
        states = ["ALARM" if self.dead else "OK", *["OK"] * 3]
        alarms = [
            {
                "AlarmName": f"{STACK}-{name}",
                "StateValue": state,
                "AlarmDescription": text,
                "StateReason": "Threshold Crossed: 1 datapoint was greater than the threshold (0.0).",
                "StateUpdatedTimestamp": since,
            }
            for (name, text), state in zip(_ALARMS.items(), states, strict=True)
        ]
        return {"MetricAlarms": alarms}

    def list_metrics(self, **asked: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's own
        service = {"Name": "service", "Value": STACK}
        channels = ("Slack:payments", "Email", "Webhook:ci")
        if asked["MetricName"] == "Accepted":
            return {"Metrics": []}
        return {
            "Metrics": [
                {"MetricName": asked["MetricName"], "Dimensions": [service, {"Name": "channel", "Value": channel}]}
                for channel in channels
            ]
        }

    def get_metric_data(self, **asked: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's own
        results = []
        for query in asked["MetricDataQueries"]:
            points = self._points(query["MetricStat"], asked["StartTime"], asked["EndTime"])
            results.append({"Id": query["Id"], "Timestamps": list(points), "Values": list(points.values())})
        return {"MetricDataResults": results}

    def _points(self, stat: Mapping[str, Any], start: datetime, end: datetime) -> Mapping[datetime, float]:
        """An hour ago receivers began to fail: what is delivered sinks, and what fails rises."""
        name, period = stat["Metric"]["MetricName"], stat["Period"]
        count = int((end - start).total_seconds()) // period + 1
        steps = [start + timedelta(seconds=period * step) for step in range(count)]
        onset = end - timedelta(minutes=70)
        found = {}
        for number, at in enumerate(steps):
            bad = max(0.0, min(1.0, (at - onset).total_seconds() / 1200))
            wave = 6 + 3 * math.sin(number / 17 + len(name)) + self.dice.random()
            shape = {
                "Delivered": round(wave * (1.2 - bad)),
                "AttemptFailed": round(wave * bad * 0.8 + (self.dice.random() < 0.05)),  # noqa: PLR2004 - now and then
                "Dead": round(4 * bad * self.dice.random()),
                "DeadLetterDepth": round(self.dead * bad),
                "OldestDueAge": 20 + 60 * bad + 8 * self.dice.random(),
                "DeliveryLatency": {"p50": 0.4, "p95": 0.9, "p99": 1.6}.get(stat["Stat"], 1.0) * (1 + bad + wave / 30),
                "SweepDuration": 0.8 + bad + wave / 20,
                "DueBacklog": round(3 + 20 * bad + wave),
            }
            if name in shape:
                found[at] = float(shape[name])
        return found


@dataclass(frozen=True)
class _Pages:
    aws: _Aws
    name: str

    def paginate(self, **asked: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - boto3's own
        return [self.aws.describe_alarms() if self.name == "describe_alarms" else getattr(self.aws, self.name)(**asked)]


if __name__ == "__main__":
    for each in SCENES:
        draw(each, Path(sys.argv[1], f"{each}.png"))
