"""Dead letters are grouped by what they died of, whatever ids, addresses, times and numbers their errors name."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows import NOW, an_id, in_status
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.grouping import NO_ERROR, group_id, grouped, normalised
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Notification, Status

KEPT = [
    "HTTP 503: down for maintenance",
    "HTTP 429: too many requests",
    "550 5.1.1 mailbox unavailable",
    "Slack says 'channel_not_found'",
    "TLSv1_2 is not supported by x509 of OAuth2",  # digits of a word are part of it
    "the worker ended before it recorded a result",
    "[Errno 111] connection refused",
    "cafe facade: deadbeef",  # words, though all of their letters are hexadecimal
]
SAME: list[tuple[str, str, str]] = [
    # what they have in common, and two errors that have it
    ("no such row <id>", "no such row 01KEB1BXG0000000000000ABCD", "no such row 01KEB1BXG0ZZZZZZZZZZZZZZZZ"),
    ("request <id> failed", "request 6f1c1e6a-9d6b-4c55-9a4e-0d8a7f3f7c11 failed", f"request {'0' * 32} failed"),
    ("commit <id> is gone", "commit 0a1b2c3d4e is gone", "commit 99f7be00 is gone"),
    ("cannot reach <address>", "cannot reach 10.0.0.1:443", "cannot reach 192.168.100.200"),
    ("cannot reach <address>", "cannot reach [2001:db8::1]:443", "cannot reach fe80::1%eth0"),
    ("hooks.example.com:<port> refused", "hooks.example.com:443 refused", "hooks.example.com:8443 refused"),
    ("no user '<id>'", "no user 'u-17'", "no user 'anna2'"),
    ("throttled since <time>: slow", "throttled since 2026-01-02 03:04 UTC: slow", "throttled since 2025-12-31: slow"),
    ("until <time>", "until Thu, 01 Jan 2026 00:00:00 GMT", "until 2026-01-02T03:04:05.678Z"),
    ("no answer in <number> s", "no answer in 10.0 s", "no answer in 9 s"),
    ("quota of <number> passed", "quota of 1000000 passed", "quota of 42 passed"),
    ("550 <address> is unknown", "550 anna@example.com is unknown", "550 b.c+d@mail.example.org is unknown"),
    ("RequestId: <id>", "RequestId: ABC1", "RequestId: Q/9=="),
    ("POST https://example.com/<path> failed", "POST https://example.com/a/b?c=d failed",
     "POST https://example.com/x failed"),
    ("key <id> is revoked", "key sk_live_51HxQ2eZvKYlo2C is revoked", "key tok-9z8y7x6w5v4u3t2s is revoked"),
]  # fmt: skip


@pytest.mark.parametrize("error", KEPT)
def test_words_and_statuses_stay(error: str) -> None:
    assert normalised(error) == error


@pytest.mark.parametrize(("common", "one", "other"), SAME, ids=[common for common, _one, _other in SAME])
def test_errors_that_differ_in_such_parts_are_the_same(common: str, one: str, other: str) -> None:
    assert normalised(one) == normalised(other) == common


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 503: down", "HTTP 500: down"),
        ("HTTP 503: down", "HTTP 503: up"),
        ("550 5.1.1 no", "550 5.2.2 no"),
        ("Slack says 'channel_not_found'", "Slack says 'is_archived'"),
    ],
)
def test_errors_that_say_something_else_are_not(one: str, other: str) -> None:
    channel = ChannelName("Webhook")
    assert group_id(channel, one) != group_id(channel, other)


def test_each_channel_has_groups_of_its_own() -> None:
    assert group_id(ChannelName("Slack"), "HTTP 503") != group_id(ChannelName("Slack:payments"), "HTTP 503")
    assert len(group_id(ChannelName("Slack"), None)) == 12


_pieces = st.sampled_from(
    [*"0159afx.:-@/'\"<> []%é💥\u202e\n", "http://", "HTTP 503", "2026-01-01", "5.1.1", "::", "id "]
)
hostile = st.one_of(st.text(max_size=700), st.lists(_pieces, max_size=400).map("".join))


@given(hostile)
def test_any_text_becomes_one_bounded_line_that_stays_as_it_is(error: str) -> None:
    """Whatever a service answers: it never raises, and to do it again changes nothing."""
    common = normalised(error)
    assert normalised(common) == common
    assert common
    assert len(common.encode()) <= LAST_ERROR_LIMIT
    assert common.splitlines() == [common]


ids = st.one_of(
    st.uuids().map(str),
    st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=25, max_size=25).map(lambda tail: f"0{tail}"),
    st.integers(16**7, 16**15).map(lambda number: f"{number:x}1"),
)


addresses = st.ip_addresses().map(str).filter(lambda text: any(digit in text for digit in "0123456789"))


@given(ids, ids, addresses, addresses, st.datetimes(), st.datetimes())
def test_ids_addresses_and_times_make_no_group(
    id_: str, other_id: str, ip: str, other_ip: str, at: object, other_at: object
) -> None:
    words = "HTTP 503 from {}: request {} not done at {}"
    assert normalised(words.format(ip, id_, at)) == normalised(words.format(other_ip, other_id, other_at))


def test_none_is_a_group_too() -> None:
    assert normalised(None) == normalised("") == normalised("\u202e") == NO_ERROR


def dead(error: str, minutes: int, channel: str = "Webhook") -> Notification:
    row = in_status(Status.DEAD, id=an_id(), channel=ChannelName(channel))
    return replace(row, last_error=error, died_at=NOW + timedelta(minutes=minutes))


def test_a_group_says_how_many_since_when_and_names_the_latest() -> None:
    rows = [dead("HTTP 503: row 17", 3), dead("HTTP 503: row 4", 9), dead("HTTP 400", 1), dead("HTTP 503: row 5", 5)]
    largest, other = grouped(rows)
    assert (largest.error, largest.count, largest.sample_id) == ("HTTP 503: row <number>", 3, rows[1].id)
    assert (largest.first_died_at, largest.last_died_at) == (NOW + timedelta(minutes=3), NOW + timedelta(minutes=9))
    assert (other.error, other.count) == ("HTTP 400", 1)
    assert grouped(reversed(rows)) == [largest, other]
    assert grouped([]) == []


def test_a_list_can_be_narrowed_to_a_group() -> None:
    row = dead("HTTP 503: row 17", 0)
    assert Filters(error_group=group_id(row.channel, "HTTP 503: row 99")).match(row)
    assert not Filters(error_group=group_id(row.channel, "HTTP 500: row 17")).match(row)
