"""How rows are written and read back: nothing is lost, and what can't be read is named."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build.template import template
from tests.support.rows import ACCEPTED, NOW, REFUSED, REJECTED, RETENTION, SILENT, a_row, an_id, in_status, settled
from tocsin.delivery.attempt import Attempt, AttemptClass
from tocsin.delivery.channel_name import ChannelKind, ChannelName, Target
from tocsin.delivery.notification import Act, Notification, Outcome, Severity, Status
from tocsin.errors import MalformedRowError
from tocsin.storage.codec import from_timestamp, shard_of, timestamp
from tocsin.storage.notifications.item import SHARDS, decode, decode_attempts, encode, encode_attempts, salvage

instants = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
whole_ms = instants.map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
text = st.text(st.characters(codec="utf-8"))
maybe_text = st.none() | text
attempts = st.builds(
    Attempt,
    number=st.integers(1, 99),
    started_at=whole_ms,
    duration_ms=st.integers(0, 10**9),
    result=st.sampled_from(AttemptClass),
    http_status=st.none() | st.integers(100, 599),
    error=maybe_text,
    next_retry_at=st.none() | whole_ms,
)
rows = st.builds(
    Notification,
    id=text.filter(bool),
    type=text,
    channel=st.sampled_from([*ChannelKind, "Slack:payments"]).map(ChannelName),
    recipient=text,
    subject=text,
    message=text,
    severity=st.sampled_from(Severity),
    created_at=instants,
    updated_at=instants,
    certificate_id=maybe_text,
    status=st.sampled_from(Status),
    outcome=st.none() | st.sampled_from(Outcome),
    deferred_by=st.none() | st.just("Webhook@example.com:443"),
    receipt=maybe_text,
    act=st.sampled_from(Act),
    about=maybe_text,
    fallback=st.none() | st.just(Target(ChannelName("Email:ops"), "ops@example.com")),
    fallback_of=maybe_text,
    fell_back_to=maybe_text,
    complained_at=st.none() | instants,
    retry_count=st.integers(0, 10**6),
    due_at=st.none() | instants,
    last_error=maybe_text,
    sent_at=st.none() | instants,
    read_at=st.none() | instants,
    died_at=st.none() | instants,
    attempts=st.lists(attempts, max_size=5).map(tuple),
    claim_token=maybe_text,
    claimed_until=st.none() | whole_ms,
    fingerprint=maybe_text,
)


@given(rows)
def test_a_row_comes_back_as_it_was_written(row: Notification) -> None:
    assert decode(encode(row, RETENTION)) == row


@given(rows)
def test_what_is_read_is_written_the_same_again(row: Notification) -> None:
    """The guards compare what was read with what is stored: reading must lose nothing that writing adds."""
    item = encode(row, RETENTION)
    assert encode(decode(item), RETENTION) == item


@given(instants, instants, st.integers(-14, 14))
def test_the_order_of_timestamps_is_the_order_in_time(one: datetime, other: datetime, hours: int) -> None:
    """Design 3: fixed width, in UTC, zero microseconds included."""
    elsewhere = other.astimezone(timezone(timedelta(hours=hours)))
    assert (timestamp(one) < timestamp(elsewhere)) == (one < other)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp(elsewhere))
    assert from_timestamp(timestamp(elsewhere)) == other


@pytest.mark.parametrize(
    "wrong", ["", "2026-11-22", "2026-11-22T12:00:00Z", "2026-11-22T12:00:00.000000+00:00", "soon"]
)
def test_only_the_fixed_width_is_a_timestamp(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        from_timestamp(wrong)


@pytest.mark.parametrize(
    ("status", "indexes"),
    [
        (Status.PENDING, {"due"}),
        (Status.FAILED, {"due"}),
        (Status.SENT, set()),
        (Status.DEAD, {"dead"}),
        (Status.READ, set()),
        (Status.SUPERSEDED, set()),
    ],
)
def test_a_status_decides_the_indexes_that_a_row_is_in(status: Status, indexes: set[str]) -> None:
    """Contract 2.5 [S], I6: due exactly while pending or failed; dead exactly while dead; created always."""
    item = encode(in_status(status), RETENTION)
    keys = {"due": {"due_shard", "next_retry_at"}, "dead": {"dead_shard", "died_key"}}
    assert {name for name, attributes in keys.items() if attributes <= item.keys()} == indexes
    assert {"created_shard", "created_key"} <= item.keys()


@pytest.mark.parametrize("status", Status)
def test_only_what_nobody_needs_any_more_leaves_by_itself(status: Status) -> None:
    """Design 3: TTL on sent, read and superseded rows; dead ones never leave by themselves."""
    item = encode(in_status(status), RETENTION)
    finished = status in (Status.SENT, Status.READ, Status.SUPERSEDED)
    assert ("expires_at_epoch" in item) == finished
    if finished:
        assert int(item["expires_at_epoch"]["N"]) == int((NOW + RETENTION).timestamp())


def test_a_read_dead_letter_leaves_the_dead_letters() -> None:
    assert "dead_shard" not in encode(in_status(Status.DEAD).acknowledged(NOW), RETENTION)


def stream_pattern() -> dict[str, dict[str, list[str]]]:
    """Read which new images the table's stream wakes the dispatcher with."""
    event = template()["Resources"]["DispatchFunction"]["Properties"]["Events"]["Accepted"]["Properties"]
    (wanted,) = event["FilterCriteria"]["Filters"]
    image: dict[str, dict[str, list[str]]] = json.loads(wanted["Pattern"])["dynamodb"]["NewImage"]
    return {name: leaf for name, leaf in image.items() if name != "severity"}  # critical rows come by another mapping


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("claimed", [False, True])
def test_the_stream_wakes_the_dispatcher_for_pending_rows_that_nobody_holds(status: Status, claimed: bool) -> None:
    """Design 3: without the claim in the filter, each claim on a pending row would wake the dispatcher again."""
    until = NOW + timedelta(minutes=8) if claimed else None
    item = encode(replace(in_status(status), claimed_until=until, claim_token="mine" if claimed else None), RETENTION)
    wakes = all(item[name][kind] in wanted for name, leaf in stream_pattern().items() for kind, wanted in leaf.items())
    assert wakes == (status is Status.PENDING and not claimed)


def test_ten_thousand_ids_spread_over_the_shards() -> None:
    """Faults: shards within 20 % of each other."""
    counts = dict.fromkeys(map(str, range(SHARDS)), 0)
    for number in range(10_000):
        counts[shard_of(an_id(0x0199_0000_0000_0000 << 64 | number * 7919), SHARDS)] += 1
    assert max(counts.values()) <= 1.2 * min(counts.values()), counts


CLAIMED = settled(a_row(fingerprint="f" * 32), REFUSED).claimed("mine", NOW + timedelta(hours=1), NOW)
READ = settled(a_row(), ACCEPTED).acknowledged(NOW)
DEAD = settled(a_row(), REJECTED)
FULL = encode(DEAD, RETENTION) | encode(READ, RETENTION) | encode(CLAIMED, RETENTION)
"""An item with every attribute that a row can have."""
REQUIRED = {
    "id",
    "type",
    "channel",
    "recipient",
    "subject",
    "message",
    "severity",
    "status",
    "created_key",
    "updated_at",
    "retry_count",
    "claimed_until",
}
UNREAD = {"due_shard", "dead_shard", "created_shard", "expires_at_epoch"}
"""Only for DynamoDB."""
WRONG: list[dict[str, Any]] = [{"BOOL": True}, {"NULL": True}, {"L": []}, {"M": {}}, {"B": b"x"}, {"SS": ["x"]}, {}]


def problems(item: dict[str, Any]) -> str:
    with pytest.raises(MalformedRowError) as caught:
        decode(item)
    salvage(item)  # shown in lists all the same
    return caught.value.detail


def test_the_full_item_is_a_row() -> None:
    decode(FULL)


@pytest.mark.parametrize("attribute", sorted(REQUIRED))
def test_a_missing_attribute_is_named(attribute: str) -> None:
    item = {name: value for name, value in FULL.items() if name != attribute}
    assert f"{attribute} is missing" in problems(item)


@pytest.mark.parametrize("attribute", sorted(FULL.keys() - REQUIRED))
def test_an_optional_attribute_may_be_missing(attribute: str) -> None:
    decode({name: value for name, value in FULL.items() if name != attribute})


FREE_TEXT = {
    "id",
    "type",
    "recipient",
    "subject",
    "message",
    "certificate_id",
    "last_error",
    "claim_token",
    "fingerprint",
}
MISTYPED = [
    *((name, wrong) for name in sorted(FULL.keys() - UNREAD) for wrong in [*WRONG, {"N": "1.5"}]),
    *((name, {"S": "nonsense"}) for name in sorted(FULL.keys() - UNREAD - FREE_TEXT)),
]


@pytest.mark.parametrize(("attribute", "wrong"), MISTYPED, ids=str)
def test_a_mistyped_attribute_is_named(attribute: str, wrong: dict[str, Any]) -> None:
    assert f"{attribute} can't be read" in problems(FULL | {attribute: wrong})


@pytest.mark.parametrize("wrong", [{"N": "9" * 38}, {"N": "-" + "9" * 38}, {"N": "1E+125"}], ids=str)
@pytest.mark.parametrize("attribute", ["retry_count", "claimed_until"])
def test_an_absurd_number_is_named_or_harmless(attribute: str, wrong: dict[str, Any]) -> None:
    try:
        row = decode(FULL | {attribute: wrong})
    except MalformedRowError as error:
        assert attribute in error.detail  # noqa: PT017 - an error is one of two right answers
    else:
        settled(row, REFUSED)


def test_a_negative_retry_count_is_named() -> None:
    assert "retry_count can't be read" in problems(FULL | {"retry_count": {"N": "-1"}})


@pytest.mark.parametrize(
    "history",
    [
        "",
        "nonsense",
        "5",
        "null",
        "{}",
        '{"a": 1}',
        '"text"',
        "[1]",
        "[[]]",
        "[[1,2,3]]",
        '[["one",0,0,"delivered",null,null,null]]',
        '[[1,"0",0,"delivered",null,null,null]]',
        '[[1,0,"0","delivered",null,null,null]]',
        '[[1,0,0,"lost",null,null,null]]',
        '[[1,0,0,"delivered","204",null,null]]',
        '[[1,0,0,"delivered",null,["x"],null]]',
        '[[1,0,0,"delivered",null,null,"soon"]]',
        '[[1,1e400,0,"delivered",null,null,null]]',
        "[[1," + "9" * 30 + ',0,"delivered",null,null,null]]',
        "[[1,0," + "9" * 5000 + ',"delivered",null,null,null]]',
        "[" * 100_000,
    ],
    ids=lambda history: history[:40],
)
def test_a_history_of_another_form_is_named(history: str) -> None:
    assert "attempts can't be read" in problems(FULL | {"attempts": {"S": history}})


@pytest.mark.parametrize("version", [{"N": "2"}, {"N": "1.5"}, {"N": "1E+3"}, {"S": "1"}, {"BOOL": True}], ids=str)
def test_a_version_of_the_future_is_named(version: dict[str, Any]) -> None:
    """Faults: a row with a future version."""
    assert "version" in problems(FULL | {"version": version})


def test_the_present_version_and_unknown_attributes_are_fine() -> None:
    """Faults: unknown attributes. A later release may add some, and be rolled back."""
    decode(FULL | {"version": {"N": "1"}, "colour": {"S": "red"}, "tags": {"SS": ["x"]}})


def test_every_problem_is_named_at_once() -> None:
    item = {name: value for name, value in FULL.items() if name not in ("message", "channel")}
    found = problems(item | {"retry_count": {"S": "3"}})
    assert found == f"row {FULL['id']['S']}: channel is missing, message is missing, retry_count can't be read"


@given(st.dictionaries(st.sampled_from(sorted(FULL)), st.sampled_from(WRONG) | st.text().map(lambda t: {"S": t})))
def test_whatever_is_stored_reading_it_names_problems_and_never_crashes(changed: dict[str, Any]) -> None:
    item = FULL | changed
    salvage(item)
    try:
        decode(item)
    except MalformedRowError as error:
        assert error.detail  # noqa: PT017 - an error is one of two right answers


def test_an_error_that_repeats_the_one_before_is_written_once() -> None:
    """Design 3: the hot row is <= 1 KB. A receiver that is down says the same five times."""
    refused = settled(settled(settled(a_row(), REFUSED), REFUSED), SILENT)
    text = encode_attempts(refused.attempts)
    assert text.count(REFUSED.error) == 1
    assert decode_attempts(text) == refused.attempts


@pytest.mark.parametrize("history", ['[[1,0,0,"retryable",null,0,null]]', "[[1],[2]]", "[{},{}]", "[1,2]"])
def test_a_repetition_of_nothing_cannot_be_read(history: str) -> None:
    """Faults: a row with mistyped attributes is named, never a crash."""
    assert "attempts can't be read" in problems(FULL | {"attempts": {"S": history}})
