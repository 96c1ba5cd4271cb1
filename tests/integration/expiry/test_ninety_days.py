"""Issue 10: 90 days, hour by hour, over 200 certificates of every origin: exactly what is expected is told, each once.

Their renewals succeed, fail, hang, are served late or never; places flap between two certificates; some are revoked,
put away and taken back, deleted. The expectation (`tests.support.ninety_days`) knows nothing of the code.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from tests.support.database import a_client
from tests.support.days_of_tocsin import Days, Trouble, days
from tests.support.ninety_days import HOURS, Hour, Maker, Row, Told, coarse, expected, hours_of
from tests.support.quick_dynamodb import QuickDynamoDB
from tocsin.inventory.certificate import Source

CALM = hours_of()
NIGHTS = [range(start, start + 14) for start in range(30, HOURS, 50)]
STORMY = hours_of(lost=[range(500, 520), range(900, 929)], strikes=[*NIGHTS, range(1000, 1060)])
"""Schedules fail for most of a day, and for more than one; mail is down for hours, often, and once for days."""


@contextmanager
def in_memory(rows: list[Row], trouble: Trouble) -> Iterator[Days]:
    client = QuickDynamoDB(before=trouble.before, after=trouble.after)
    with days(rows, client, trouble) as lived:
        yield lived


@contextmanager
def on_dynamodb_local(rows: list[Row], trouble: Trouble, endpoint: str) -> Iterator[Days]:
    def before(event_name: str, **_: Any) -> None:
        trouble.before(event_name)

    def after(event_name: str, **_: Any) -> None:
        trouble.after(event_name)

    with a_client(endpoint) as client, days(rows, client, trouble) as lived:
        client.meta.events.register("before-send.dynamodb.*", before)
        client.meta.events.register("after-call.dynamodb.*", after)
        yield lived


def told_of(rows: list[Row], hours: list[Hour]) -> Counter[Told]:
    """Say what is expected."""
    return Counter(told for row in rows for told in expected(row, hours))


def assert_exactly(told: list[Told], rows: list[Row], hours: list[Hour]) -> None:
    """Check that what was told is what was expected, each once; say what is missing, and what nobody expected."""
    wanted, got = told_of(rows, hours), Counter(told)
    assert sorted((wanted - got).elements()) == []
    assert sorted((got - wanted).elements()) == []


@pytest.mark.parametrize(
    ("seed", "kills", "hours"),
    [
        pytest.param(1, 0.0, CALM, id="nothing goes wrong"),
        pytest.param(2, 0.1, CALM, id="runs die, and overlap"),
        pytest.param(3, 0.0, STORMY, id="hours are lost"),
        pytest.param(4, 0.1, STORMY, id="everything goes wrong"),
    ],
)
@pytest.mark.timeout(600)
def test_exactly_what_is_expected_is_told_each_once(seed: int, kills: float, hours: list[Hour]) -> None:
    """Contract 4.3 [T], 4.5 [T], 4.9 [T]: nothing is silenced, nothing is said twice."""
    rows = Maker(seed).world(30)
    trouble = Trouble(Random(seed), kills, kills)
    with in_memory(rows, trouble) as lived:
        assert_exactly(lived.live(hours), rows, hours)
    assert (lived.killed > 100) == (kills > 0)


def test_the_worlds_hold_what_they_promise() -> None:
    """Over 200 certificates, of every origin, with everything that can become of them."""
    rows = [row for seed in range(1, 5) for row in Maker(seed).world(30)]
    shown = [one for row in rows for one in row.changes.values() if one is not None]
    assert len(rows) > 200
    assert {row.source for row in rows} >= {Source.API, Source.IMPORT, Source.TLS, Source.ACM, Source.AGENT}
    assert any(one.status.startswith("FAILED") for one in shown)
    assert any(one.revoked_at for one in shown)
    assert any(one.archived_at for one in shown)
    assert any(None in row.changes.values() for row in rows)
    assert any(row.is_acme for row in rows)
    assert any(row.is_older for row in rows)
    abouts = Counter(told.about for told in told_of(rows, CALM))
    assert min(abouts.values()) >= 3, abouts
    assert {*abouts} >= {"30", "14", "7", "0", "25%", "10%", "Revocation", "PolicyViolation"}
    assert {*abouts} >= {
        "RenewalSuccess",
        "RenewalFailure",
        "RenewalRequested",
        "DeploymentSuccess",
        "DeploymentFailure",
    }


@pytest.mark.dynamodb_local
@pytest.mark.timeout(600)
def test_so_it_is_on_awss_own_engine(dynamodb_endpoint: str) -> None:
    """The same, once a day over fewer certificates; and the engine in memory leaves the very same items."""
    hours = hours_of(24)
    rows = coarse(Maker(6).world(12), 24, without=Source.API)  # they act hourly
    left: list[list[dict[str, Any]]] = []
    for trouble in (Trouble(Random(6), 0.1, 0.1), Trouble(Random(6), 0.1, 0.1)):
        here = on_dynamodb_local(rows, trouble, dynamodb_endpoint) if left else in_memory(rows, trouble)
        with here as lived:
            assert_exactly(lived.live(hours), rows, hours)
            trouble.kind = ""
            left.append(
                [one for one in lived.items() if not one.get("id", {"S": ""})["S"].startswith(("lease#", "secret#"))]
            )
    assert [one for one in left[0] if one not in left[1]] == []
    assert [one for one in left[1] if one not in left[0]] == []
