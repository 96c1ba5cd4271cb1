"""A source's own state (issue 3, item 4: "a source that fails for a day raises an alert itself")."""

from datetime import UTC, datetime, timedelta

from ulid import ULID

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity, Status
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.state import AlarmRoute, SourceState, alarm_due, alarm_id

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SOURCE = "tls:api.example.com:443"
NEW = SourceState(source=SOURCE)
TIMEOUT = SourceFailure(FailureKind.TIMEOUT, "the TLS handshake: not done within 10 s")
REFUSED = SourceFailure(FailureKind.REFUSED, "the host refused the connection")
ROUTE = AlarmRoute(ChannelName.EMAIL, "ops@example.com", DeliveryPolicy())


def due(state: SourceState, now: datetime) -> Notification | None:
    """Give the alarm that `state` owes."""
    return alarm_due(state, ROUTE, now)


def test_success_is_remembered() -> None:
    state = NEW.succeeded(T0)
    assert (state.last_attempt_at, state.last_success_at, state.failing_since) == (T0, T0, None)


def test_it_fails_since_the_first_failure_and_for_the_latest_reason() -> None:
    state = NEW.succeeded(T0).failed(TIMEOUT, T0 + HOUR).failed(REFUSED, T0 + 2 * HOUR)
    assert (state.last_attempt_at, state.last_success_at) == (T0 + 2 * HOUR, T0)
    assert (state.failing_since, state.last_failure) == (T0 + HOUR, REFUSED)


def test_a_success_ends_it() -> None:
    state = NEW.failed(TIMEOUT, T0).alarmed(T0 + DAY).succeeded(T0 + 2 * DAY)
    assert (state.failing_since, state.alarmed_at) == (None, None)
    assert due(state, T0 + 30 * DAY) is None


def test_the_alarm_is_due_after_a_day_not_before() -> None:
    state = NEW.failed(TIMEOUT, T0)
    assert due(state, T0 + DAY - timedelta(seconds=1)) is None
    assert due(state, T0 + DAY) is not None


def test_a_source_that_was_never_tried_owes_nothing() -> None:
    assert due(NEW, T0) is None


def run(outcomes: dict[int, bool], days: int) -> list[tuple[int, str]]:
    """Try each hour; `outcomes` say from which hour on it works. Give the hours and ids of the alarms."""
    state, works, raised = NEW, True, []
    for hour in range(days * 24 + 1):
        now = T0 + hour * HOUR
        works = outcomes.get(hour, works)
        state = state.succeeded(now) if works else state.failed(TIMEOUT, now)
        if alarm := due(state, now):
            raised.append((hour, alarm.id))
            state = state.alarmed(now)
    return raised


def test_once_each_time_it_begins_to_fail() -> None:
    """Down for 10 days from hour 5; up for an hour; down for 3; a short fault of 23 hours in the end alerts nobody."""
    raised = run({5: False, 245: True, 246: False, 318: True, 400: False, 423: True}, 30)
    assert [hour for hour, _ in raised] == [29, 270]
    assert len({id_ for _, id_ in raised}) == 2


def test_the_id_is_the_same_however_often_it_is_made() -> None:
    """A crash between the alarm and its mark, or two schedules at once, insert it once: it is there already."""
    state = NEW.failed(TIMEOUT, T0)
    later = state.failed(REFUSED, T0 + DAY)
    ids = {alarm.id for at in (DAY, 3 * DAY) if (alarm := due(later, T0 + at))}
    assert ids == {alarm_id(SOURCE, T0)}
    assert len({alarm_id(SOURCE, T0), alarm_id("tls:b.example:443", T0), alarm_id(SOURCE, T0 + HOUR)}) == 3


def test_the_id_is_a_ulid_of_when_it_began() -> None:
    assert ULID.from_str(alarm_id(SOURCE, T0)).datetime == T0


def test_the_text_says_what_an_operator_needs() -> None:
    alarm = due(NEW.succeeded(T0 - HOUR).failed(TIMEOUT, T0), T0 + DAY)
    assert alarm is not None
    assert alarm.subject == f"[Tocsin] {SOURCE} can't be read"
    assert alarm.message.splitlines()[:3] == [
        f"The source {SOURCE} can't be read since 2026-03-01 12:00:00 UTC.",
        "Why: timeout: the TLS handshake: not done within 10 s",
        "Read last: 2026-03-01 11:00:00 UTC",
    ]


def test_one_that_was_never_read() -> None:
    alarm = due(NEW.failed(SourceFailure(FailureKind.AWS_ERROR, "x" * 10_000), T0), T0 + DAY)
    assert alarm is not None
    assert "Read last: never" in alarm.message
    assert len(alarm.message) < 2000


def test_it_goes_through_the_retry_engine() -> None:
    row = due(NEW.failed(TIMEOUT, T0), T0 + DAY)
    assert row is not None
    assert (row.id, row.status, row.severity) == (alarm_id(SOURCE, T0), Status.PENDING, Severity.WARNING)
    assert (row.channel, row.recipient, row.due_at is not None) == (ChannelName.EMAIL, "ops@example.com", True)
