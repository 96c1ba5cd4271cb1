"""`make up DEMO=1`, in an embedded AWS of its own: what is there, that it is there once, and that a requeue arrives."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from demo.destinations import NAME, Destinations
from demo.filling import everything, fill, told
from local.background import Background
from local.embedded import down, running
from local.loopback import listens
from local.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("filled")


@pytest.fixture(scope="module")
def stack(state: Path) -> Iterator[Stack]:
    """A stack as `make up` makes it, filled twice."""
    with running(state) as stack:
        assert fill(stack, state, datetime.now(UTC)) is True
        before = everything(stack, "/notifications")
        assert fill(stack, state, datetime.now(UTC)) is False
        assert len(everything(stack, "/notifications")) == len(before)
        yield stack
        known = Destinations.read(state)
        assert known is not None
        down(state)
        assert not listens(known.port), "make down ends the receivers too"


def rows_of(stack: Stack, **fields: Any) -> list[dict[str, Any]]:
    rows = everything(stack, "/notifications")
    return [row for row in rows if all(row[name] == value for name, value in fields.items())]


def test_alerts_are_in_every_state(stack: Stack) -> None:
    """Issue 9, 2: pending and put off, failed and retried, dead, sent, read, superseded, skipped."""
    rows = everything(stack, "/notifications")
    states = Counter("deferred" if row["deferred"] else row["status"] for row in rows)
    assert set(states) == {"deferred", "failed", "dead", "sent", "read", "superseded"}
    outcomes = {row["outcome"] for row in rows}
    assert outcomes == {None, "accepted", "delivered", "bounced", "skipped_no_channel"}
    errors = Counter(row["last_error"].split(":")[0] for row in rows if row["status"] == "dead")
    assert errors["HTTP 503"] == 12
    assert {"HTTP 410", "can't connect"} < set(errors)


def test_certificates_come_from_every_source(stack: Stack) -> None:
    """Issue 9, 2: 14 certificates, some read from ACM and from TLS endpoints by the real sync."""
    certificates = everything(stack, "/certificates")
    assert len(certificates) == 14
    assert Counter(one["source"] for one in certificates) == {"api": 10, "tls": 2, "acm": 1, "import": 1}
    statuses = {one["status"] for one in certificates}
    assert statuses == {"Active", "Expiring", "Expired", "Archived", "Revoked"}


def test_what_is_there_is_said_and_what_to_do_next(stack: Stack, state: Path) -> None:
    said = told(stack, state)
    assert "14: 7 Expiring" in said
    assert "12 by Webhook:oncall" in said
    assert ".venv/bin/tocsin list" in said
    assert ".venv/bin/tocsin console" in said


def test_a_requeued_alert_arrives(stack: Stack, state: Path) -> None:
    """The receiver of last night is back, and outlives the command that started it."""
    row = rows_of(stack, status="dead", channel="Webhook:oncall")[0]
    path = f"/api/v1/notifications/{row['id']}"
    assert stack.api.request("POST", f"{path}/requeue").status == 200
    sent = until(lambda: stack.api.request("GET", path).json(), is_right=lambda now: bool(now["status"] == "sent"))
    assert sent["outcome"] == "delivered"
    assert f"200 /oncall {row['id']}" in Background(NAME, state).log.read_text().splitlines()


def test_the_alarms_and_the_graphs_have_something_to_show(stack: Stack) -> None:
    """The dead-letter alarm goes off, and the depth has a past."""
    cloudwatch = stack.client("cloudwatch")
    names = [f"{stack.name}-{name}" for name in ("dead-letters", "channel-held", "skipped-no-channel")]

    def states() -> set[str]:
        return {alarm["StateValue"] for alarm in cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]}

    until(states, is_right=lambda found: found == {"ALARM"})
    known = cloudwatch.list_metrics(Namespace="Tocsin", MetricName="Dead")["Metrics"]
    assert {"Webhook:oncall", "Email"} <= {one["Value"] for metric in known for one in metric["Dimensions"]}
