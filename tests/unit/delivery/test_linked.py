"""No resolve before its trigger is at its end, never a trigger after its resolve, and one resolve for each incident."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.rows import NOW, POLICY, REFUSED, REJECTED, SILENT, a_row, settled
from tocsin.delivery.attempt import Accepted, Attempted
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.linked import (
    acknowledgement_of,
    linked_id,
    needs_acknowledgement,
    needs_resolve,
    resolve_of,
    reviewer,
)
from tocsin.delivery.notification import Act, Notification, Status
from tocsin.delivery.send import NoLongerTrue, Retold, TooEarly, Verdict
from tocsin.delivery.store import Fetched

RECEIPT = "key:0123456789ab"
TAKEN = Accepted(202, RECEIPT)


def a_trigger(*results: Attempted, channel: str = "PagerDuty", **fields: Any) -> Notification:
    row = a_row(channel=ChannelName(channel), recipient="", **fields)
    for result in results:
        row = settled(row, result)
    return row


@dataclass
class Rows:
    """Notifications in memory."""

    rows: list[Notification] = field(default_factory=list)
    reads: int = 0
    fails: bool = False

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        assert is_consistent, "of two that meet, the later one must see the other"
        self.reads += 1
        if self.fails:
            raise ConnectionError
        return Fetched(tuple(row for row in self.rows if row.id in ids))


def asked(row: Notification, *others: Notification) -> Verdict | None:
    return reviewer(Rows([row, *others]), lambda: NOW)([row]).get(row.id)


def resolving(trigger: Notification) -> tuple[Notification, Notification]:
    """Give a trigger that is being resolved, and its resolve."""
    resolve = resolve_of(trigger, "the certificate was renewed", NOW, POLICY)
    return replace(trigger, resolved_by=resolve.id), resolve


@pytest.mark.parametrize(
    ("trigger", "needed"),
    [
        (a_trigger(TAKEN), True),
        (a_trigger(TAKEN).acknowledged(NOW), True),
        (a_trigger(SILENT), True),  # it may have arrived
        (replace(a_trigger(REJECTED), attempts=()), False),
        (a_trigger(REFUSED), False),  # it never went out
        (a_trigger(), False),
        (a_trigger().claimed("t", NOW + timedelta(minutes=1), NOW), True),  # it goes out just now
        (replace(a_trigger(TAKEN), resolved_by="x"), False),  # once
        (a_trigger(TAKEN, channel="Slack"), False),  # nothing stays open there
        (a_trigger(TAKEN, channel="JSM:ops"), True),
    ],
)
def test_an_incident_that_may_be_open_needs_a_resolve(trigger: Notification, needed: bool) -> None:
    assert needs_resolve(trigger) is needed


def test_a_resolve_is_the_same_however_often_it_is_made() -> None:
    trigger = a_trigger(TAKEN)
    first, second = (resolve_of(trigger, "renewed", NOW + timedelta(hours=hour), POLICY) for hour in (0, 1))
    assert first.id == second.id == linked_id(trigger.id, Act.RESOLVE)
    assert (first.act, first.about, first.channel, first.status) == (
        Act.RESOLVE,
        trigger.id,
        trigger.channel,
        Status.PENDING,
    )


@pytest.mark.parametrize(
    ("trigger", "verdict"),
    [
        (a_trigger(TAKEN), Retold),
        (a_trigger(TAKEN).acknowledged(NOW), Retold),
        (a_trigger(), TooEarly),  # owed
        (a_trigger(REFUSED), TooEarly),
        (a_trigger().claimed("t", NOW + timedelta(minutes=1), NOW), TooEarly),
        (a_trigger(SILENT).superseded("renewed", NOW), Retold),  # it may be there
        (a_trigger(REFUSED).superseded("renewed", NOW), NoLongerTrue),  # nothing to close
        (a_trigger(REJECTED), NoLongerTrue),
    ],
)
def test_no_resolve_goes_before_its_trigger_is_at_its_end(trigger: Notification, verdict: type[Verdict]) -> None:
    """Contract 2.18 [T]."""
    trigger, resolve = resolving(trigger)
    assert isinstance(asked(resolve, trigger), verdict)


def test_a_resolve_goes_by_the_key_that_opened_it() -> None:
    trigger, resolve = resolving(a_trigger(TAKEN))
    verdict = asked(resolve, trigger)
    assert isinstance(verdict, Retold)
    assert (verdict.row.receipt, verdict.row.about) == (RECEIPT, trigger.id)


def test_a_trigger_that_is_resolved_is_not_sent_any_more() -> None:
    """Contract 2.18 [T]: never a trigger after its resolve."""
    for trigger in (a_trigger(), a_trigger(REFUSED), a_trigger(SILENT)):
        resolved, resolve = resolving(trigger)
        assert isinstance(asked(resolved, resolve), NoLongerTrue)
    assert asked(a_trigger()) is None


def test_what_is_true_again_is_not_resolved_by_what_was_said_before() -> None:
    """It lives again under the same id; its former resolve must not close the new incident."""
    _, resolve = resolving(a_trigger(TAKEN))
    again = replace(a_trigger(), id=resolve.about or "")
    assert isinstance(asked(resolve, again), NoLongerTrue)


def test_a_new_life_waits_for_a_resolve_that_is_on_its_way() -> None:
    trigger, resolve = resolving(a_trigger(TAKEN))
    in_flight = resolve.claimed("t", NOW + timedelta(minutes=1), NOW)
    assert isinstance(asked(replace(trigger, resolved_by=None), in_flight), TooEarly)


def test_what_is_read_is_acknowledged_where_it_is_open() -> None:
    assert needs_acknowledgement(a_trigger(TAKEN))
    assert not needs_acknowledgement(a_trigger(REJECTED))
    trigger = a_trigger(TAKEN)
    acknowledgement = acknowledgement_of(trigger, "ops", NOW, POLICY)
    assert isinstance(asked(acknowledgement, trigger), Retold)
    resolved, _ = resolving(trigger)
    assert isinstance(asked(acknowledgement, resolved), NoLongerTrue)


def test_rows_of_other_channels_cost_no_read() -> None:
    rows = Rows()
    assert reviewer(rows, lambda: NOW)([a_row(), a_row(channel=ChannelName.EMAIL)]) == {}
    assert rows.reads == 0


def test_where_nothing_can_be_read_an_alert_goes_and_what_follows_it_waits() -> None:
    """An alert must not wait for the table; a resolve that goes too early would be lost."""
    trigger = a_trigger()
    _, resolve = resolving(trigger)
    verdicts = reviewer(Rows(fails=True), lambda: NOW)([trigger, resolve])
    assert trigger.id not in verdicts
    assert isinstance(verdicts[resolve.id], TooEarly)
