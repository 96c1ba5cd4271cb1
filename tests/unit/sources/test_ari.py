"""ACME Renewal Information (RFC 9773): what is read of an authority's answer, and what is made of it."""

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.inventory import DAY, HOUR, T0
from tocsin.sources.ari import (
    LATEST,
    SOONEST,
    UnreadableAdviceError,
    address_of,
    advice_of,
    ask_again,
    chosen,
    directories,
    renewal_info_of,
    source_of,
)

ARI_ID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
"""The example of RFC 9773, 4.1."""


def an_answer(start: datetime = T0, end: datetime = T0 + DAY, **more: object) -> bytes:
    window = {"start": start.isoformat(), "end": end.isoformat()}
    return json.dumps({"suggestedWindow": window, **more}).encode()


def test_the_instant_is_in_the_window_and_always_the_same() -> None:
    """Contract 4.11 [T]: a suggestion decides by the certificate, so that one asked twice is not moved."""
    first, second = (advice_of(an_answer(), ARI_ID, None, T0) for _ in range(2))
    assert first == second
    assert T0 <= first.renew_at < T0 + DAY
    assert first.renew_at == chosen(T0, T0 + DAY, ARI_ID)


def test_certificates_spread_over_the_window() -> None:
    """An authority gives one window to many: each tenth of it gets its share."""
    shares = [(chosen(T0, T0 + DAY, f"{number}.x") - T0) / DAY for number in range(2_000)]
    tenths = [sum(low <= 10 * share < low + 1 for share in shares) for low in range(10)]
    assert min(tenths) > 140
    assert max(tenths) < 260


def test_the_example_of_the_rfc() -> None:
    body = b"""{
      "suggestedWindow": {"start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00Z"},
      "explanationURL": "https://acme.example.com/docs/ari"
    }"""
    advice = advice_of(body, ARI_ID, "21600", T0)
    assert advice.renew_at.date().isoformat() in ("2025-01-02", "2025-01-03")
    assert (advice.ask_at, advice.explanation_url) == (T0 + 6 * HOUR, "https://acme.example.com/docs/ari")
    assert address_of("https://acme.example.com/renewal-info/", ARI_ID) == (
        f"https://acme.example.com/renewal-info/{ARI_ID}"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"suggestedWindow": []}',
        b'{"suggestedWindow": {"start": "2025-01-02T04:00:00Z"}}',
        b'{"suggestedWindow": {"start": "2025-01-02T04:00:00Z", "end": "2025-01-02T04:00:00Z"}}',  # RFC 9773, 4.2
        b'{"suggestedWindow": {"start": "2025-01-02T04:00:00Z", "end": "2025-01-01T04:00:00Z"}}',
        b'{"suggestedWindow": {"start": "2025-01-02T04:00:00", "end": "2025-01-03T04:00:00"}}',  # no zone
        b'{"suggestedWindow": {"start": 1735790400, "end": 1735876800}}',
        b'{"suggestedWindow": {"start": "0001-01-01T00:00:00+14:00", "end": "2025-01-03T04:00:00Z"}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableAdviceError):
        advice_of(body, ARI_ID, None, T0)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", 7, "https://x" + "y" * 2_000, "https://x/\nSet-Cookie: a", None, ["https://x"]]
)
def test_a_page_is_shown_only_if_it_can_be(url: object) -> None:
    shown = advice_of(an_answer(explanationURL=url), ARI_ID, None, T0).explanation_url
    assert "\n" not in shown
    assert shown == "" or shown.startswith("https://x/")


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (None, timedelta(hours=6)),
        ("soon", timedelta(hours=6)),
        ("3600", HOUR),
        ("0", SOONEST),
        ("-5", SOONEST),
        ("999999999", LATEST),
        ("Sun, 01 Mar 2026 14:00:00 GMT", 2 * HOUR),
    ],
)
def test_when_it_is_asked_again(said: str | None, wait: timedelta) -> None:
    """Contract 4.11 [T]: as the authority says, from a minute to a day."""
    assert ask_again(said, T0) == T0 + wait


@given(st.text(max_size=100))
def test_whatever_it_says_it_is_asked_within_bounds(said: str) -> None:
    assert SOONEST <= ask_again(said, T0) - T0 <= LATEST


@pytest.mark.parametrize("ari_id", ["", "a", "a/../b.c", "a.b?x=1", "é.a", "a.b.c", "x" * 200 + ".y"])
def test_an_id_leads_to_no_other_path(ari_id: str) -> None:
    assert address_of("https://acme.example.com/renewal-info", ari_id) is None


def test_a_directory_says_where_renewal_information_is() -> None:
    assert renewal_info_of(b'{"renewalInfo": "https://a/r"}') == "https://a/r"
    with pytest.raises(UnreadableAdviceError):
        renewal_info_of(b'{"newOrder": "https://a/o"}')


def test_directories_are_listed_one_a_line_or_between_commas() -> None:
    assert directories(" https://a/d\nhttps://b/d, https://a/d ") == ("https://a/d", "https://b/d")
    assert len(directories(" ".join(f"https://{number}/d" for number in range(50)))) == 10


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://acme.example.com/directory", "ari:acme.example.com"),
        ("https://127.0.0.1:14000/dir", "ari:127.0.0.1:14000"),
        ("https://[::1", "ari:?"),
        ("https://a:99999/d", "ari:?"),
        ("directory", "ari:?"),
    ],
)
def test_a_source_has_the_name_of_its_host(url: str, source: str) -> None:
    assert source_of(url) == source
