"""The worked example of the concepts, computed by the code; and the sources' reference against it."""

from datetime import UTC, datetime

import pytest

from tests.docs.markdown import codes, page, tables
from tocsin.expiry.alert import remaining_text
from tocsin.expiry.plan import timeline
from tocsin.inventory.certificate import Certificate, Source
from tocsin.inventory.policy import parse_policy
from tocsin.sources.failure import FailureKind
from tocsin.sources.intake import Result
from tocsin.sources.pem import COUNT_LIMIT, TEXT_LIMIT
from tocsin.sources.tls import CONCURRENCY, DEADLINE

CONCEPTS = page("docs/concepts.md")
SOURCES = page("docs/sources.md")
THRESHOLDS = ["33%", 14, 7, 0]
ADDED = datetime(2026, 1, 10, tzinfo=UTC)


def cycle(begins: datetime, ends: datetime) -> list[tuple[str, str, str, str]]:
    """Give what is planned for the example's certificate: threshold, crossing, severity, channel."""
    policy = parse_policy("p", "the example's", ADDED, thresholds=THRESHOLDS, channels={"warning": ["Webhook"]})
    certificate = Certificate(
        id="c",
        common_name="shop.example.com",
        not_before=begins,
        expires_at=ends,
        created_at=ADDED,
        updated_at=ADDED,
        watched_since=max(ADDED, begins),
    )
    planned = sorted(timeline(certificate, policy), key=lambda one: one.at)
    return [
        (str(one.route.threshold), f"{one.at:%Y-%m-%d %H:%M}", one.route.severity, str(one.route.channel))
        for one in planned
    ]


def test_the_example_is_what_the_code_plans() -> None:
    rows = tables(CONCEPTS, "An example")[0]
    shown = [
        (
            codes(row["threshold"])[0],
            row["crossed at (UTC)"],
            codes(row["severity"])[0],
            codes(row["through"])[0],
        )
        for row in rows
    ]
    assert shown == cycle(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert str(THRESHOLDS).replace("'", '"') in CONCEPTS.read_text()


def test_its_next_cycle_too() -> None:
    told = {row["when (UTC)"]: row["what"] for row in tables(CONCEPTS, "An example")[1]}
    after = cycle(datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 6, 18, tzinfo=UTC))
    assert after[0] == ("33%", "2026-05-19 07:12", "informational", "Email")
    assert "new cycle" in told["19 May, 07:12"]


@pytest.mark.parametrize(
    ("told_at", "words"),
    [
        (datetime(2026, 3, 2, 7, 40, tzinfo=UTC), "expires in 29 days 16 hours"),
        (datetime(2026, 3, 18, 8, 30, tzinfo=UTC), "expires in 13 days 15 hours"),
    ],
)
def test_its_alerts_say_what_is_left_when_they_are_sent(told_at: datetime, words: str) -> None:
    assert remaining_text(datetime(2026, 4, 1, tzinfo=UTC), told_at) == words
    assert words in CONCEPTS.read_text()


# ── Sources ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_failure_is_described() -> None:
    fields, kinds = tables(SOURCES, "When a source can't be read")
    assert fields
    assert [codes(row["kind"])[0] for row in kinds] == [kind.value for kind in FailureKind]


def test_every_source_but_the_api_is_described() -> None:
    rows = tables(SOURCES, "Sources of certificates")[0]
    assert {codes(row["`source`"])[0] for row in rows} == set(Source) - {Source.API}


def test_every_result_of_an_import_is_described() -> None:
    _fields, results = tables(SOURCES, "PEM import")
    assert {codes(row["`result`"])[0] for row in results} == set(Result)


def test_the_limits_are_those_of_the_code() -> None:
    text = SOURCES.read_text()
    assert f"{COUNT_LIMIT} certificates, {TEXT_LIMIT // 1024} K characters" in text
    assert f"{DEADLINE:g} seconds for each endpoint, {CONCURRENCY} at once" in text
