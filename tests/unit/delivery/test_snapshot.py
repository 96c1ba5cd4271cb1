"""Contract 3.2 and 3.3 [S]: the summary is best effort; Prometheus gets the same snapshot."""

from datetime import datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.rows import NOW
from tocsin.delivery.notification import Status
from tocsin.delivery.snapshot import Snapshot, count_reached, prometheus_text, take_snapshot
from tocsin.errors import StorageUnavailableError


class Counting:
    """Counts as it is told; what is an error is raised."""

    def __init__(self, dead: Any, due: Any) -> None:
        self.dead = dead
        self.due = due

    def count_dead(self) -> int:
        return self._give(self.dead)

    def count_due(self, now: datetime) -> int:
        assert now == NOW
        return self._give(self.due)

    def _give(self, what: Any) -> int:
        if isinstance(what, Exception):
            raise what
        assert isinstance(what, int)
        return what


@pytest.mark.parametrize(("failing", "expected"), [("dead", (None, 7)), ("due", (3, None)), ("dead due", (None, None))])
def test_a_count_that_fails_is_null_and_logged_and_the_rest_is_there(
    caplog: pytest.LogCaptureFixture, failing: str, expected: tuple[int | None, int | None]
) -> None:
    """Contract 3.2 [S]."""
    error = StorageUnavailableError("counting dead: throttled")
    counts = Counting(error if "dead" in failing else 3, error if "due" in failing else 7)
    snapshot = take_snapshot(counts, NOW)
    assert (snapshot.notifications_dead, snapshot.notifications_due) == expected
    assert [record.levelname for record in caplog.records] == ["ERROR"] * len(failing.split())
    assert all(record.exc_info for record in caplog.records)


def test_a_defect_is_not_hidden_as_a_failing_count() -> None:
    with pytest.raises(ZeroDivisionError):
        take_snapshot(Counting(ZeroDivisionError(), 0), NOW)


def test_prometheus_gets_the_dead_count_of_the_same_snapshot() -> None:
    """Contract 3.3 [S]; the format of prometheus.io, "Exposition formats", text version 0.0.4."""
    assert prometheus_text(Snapshot(NOW, 3, 7)).splitlines() == [
        "# HELP tocsin_notifications_dead Notifications in the dead-letter queue, counted up to 10000.",
        "# TYPE tocsin_notifications_dead gauge",
        "tocsin_notifications_dead 3",
        "# HELP tocsin_notifications_due Notifications whose next attempt is due, counted up to 10000.",
        "# TYPE tocsin_notifications_due gauge",
        "tocsin_notifications_due 7",
    ]
    assert prometheus_text(Snapshot(NOW, 3, 7)).endswith("\n")


def test_prometheus_gets_no_number_for_what_could_not_be_counted() -> None:
    text = prometheus_text(Snapshot(NOW, None, 7))
    assert "dead" not in text
    assert "tocsin_notifications_due 7" in text
    assert prometheus_text(Snapshot(NOW, None, None)) == ""


def samples(text: str) -> dict[tuple[str, str], list[tuple[str, dict[str, str], float]]]:
    """Read it as a scraper does: by family and type, its samples."""
    return {
        (family.name, family.type): [(one.name, one.labels, one.value) for one in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_prometheus_gets_counters_beside_the_gauges() -> None:
    """Contract 3.3 [S]: how many died ever, and what came to which state, by channel."""
    reached = {("Slack:payments", Status.DEAD): 2, ("Email", Status.DEAD): 1, ("Email", Status.SENT): 9}
    read = samples(prometheus_text(Snapshot(NOW, 3, 7), reached))
    assert read["tocsin_notifications_dead", "gauge"] == [("tocsin_notifications_dead", {}, 3)]
    assert read["tocsin_notifications_dead", "counter"] == [("tocsin_notifications_dead_total", {}, 3)]
    assert read["tocsin_notifications", "counter"] == [
        ("tocsin_notifications_total", {"status": "dead", "channel": "Email"}, 1),
        ("tocsin_notifications_total", {"status": "sent", "channel": "Email"}, 9),
        ("tocsin_notifications_total", {"status": "dead", "channel": "Slack:payments"}, 2),
    ]


def test_a_counter_begins_at_zero() -> None:
    """So that the first death is an increase, which an alert can be written on."""
    read = samples(prometheus_text(Snapshot(NOW, 0, 0), {}))
    assert read["tocsin_notifications_dead", "counter"] == [("tocsin_notifications_dead_total", {}, 0)]
    assert ("tocsin_notifications", "counter") not in read


def test_counters_that_could_not_be_read_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> dict[tuple[str, Status], int]:
        raise StorageUnavailableError("reading counts: throttled")

    reached = count_reached(fail)
    assert reached is None
    assert "_total" not in prometheus_text(Snapshot(NOW, 3, 7), reached)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("label", ['a"b', "a\\b", "a\nb", "\\n", "}", "é"])
def test_what_a_label_says_comes_back(label: str) -> None:
    read = samples(prometheus_text(Snapshot(NOW, 0, 0), {(label, Status.DEAD): 1}))
    assert [labels["channel"] for _, labels, _ in read["tocsin_notifications", "counter"]] == [label]
