"""Contract 2.19 [T]: an inquiry asks what became of what a service took; one that hangs is held up alone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.rows import NOW, POLICY, a_row
from tocsin.delivery.attempt import Accepted
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.evidence import Evidence, EvidenceKind
from tocsin.delivery.fate import Fate, Known, NotYet
from tocsin.delivery.inquiry import AT_ONCE, Inquired, again_at, inquire
from tocsin.delivery.notification import Act, Notification
from tocsin.delivery.store import Change, Due, Fetched
from tocsin.errors import ConflictError

MINUTE = timedelta(minutes=1)
DONE, FAILED = Known(True, "done"), Known(False, "Alert limit reached")
UNHEARD = NotYet("HTTP 404")
HUNG = NotYet("no answer within 10 s", is_hung=True)


def taken(channel: str = "JSM", **fields: Any) -> Notification:
    """Make a row that a service took a minute ago."""
    row = a_row(channel=ChannelName(channel), created_at=NOW - MINUTE, **fields)
    at = NOW - MINUTE
    return row.settled(Accepted(202, "request:1", ask_after=60.0), started_at=at, now=at, policy=POLICY)


@dataclass
class World:
    """Rows in memory, the right to ask about them, and channels that answer by their names."""

    rows: list[Notification]
    answers: dict[str, Fate]
    seconds: Callable[[], float] = lambda: 100.0
    is_free: bool = True
    moved_on: bool = False
    asked: list[str] = field(default_factory=list)
    heard: list[Evidence] = field(default_factory=list)
    changes: dict[str, Notification] = field(default_factory=dict)
    at_once: int = 0
    most: int = 0

    def take(self, _now: datetime, _until: datetime) -> bool:
        return self.is_free

    def release(self) -> None:
        self.is_free = True

    def to_ask(self, now: datetime, limit: int) -> list[Due]:
        return [Due(row.due_at, row.id) for row in self.rows if row.due_at and row.due_at <= now][:limit]

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        assert is_consistent
        return Fetched(tuple(row for row in self.rows if row.id in ids))

    def replace(self, change: Change) -> None:
        if self.moved_on:
            raise ConflictError(change.before.id)
        self.changes[change.after.id] = change.after

    async def ask(self, row: Notification) -> Fate:
        self.asked.append(row.channel)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.answers[row.channel]

    async def inquire(self) -> Inquired | None:
        return await inquire(self, self, self.ask, self.heard.append, now=NOW, remaining=self.seconds)


async def test_what_is_known_is_evidence_and_the_rest_is_asked_again() -> None:
    well, ill, early = taken(), taken("OpsGenie"), taken("JSM:b")
    world = World([well, ill, early], {"JSM": DONE, "OpsGenie": FAILED, "JSM:b": UNHEARD})
    assert await world.inquire() == Inquired(asked=3, known=2)
    assert [(one.notification_id, one.kind, one.receipt, one.at) for one in world.heard] == [
        (well.id, EvidenceKind.DELIVERED, "request:1", NOW - MINUTE),
        (ill.id, EvidenceKind.BOUNCED, "request:1", NOW - MINUTE),
    ]
    assert {id_: row.due_at for id_, row in world.changes.items()} == {early.id: NOW + MINUTE}


async def test_a_channel_that_hangs_is_left_and_takes_no_time_from_others() -> None:
    """It stands before the others, and is asked a few times only; its rows wait, and are behind the others then."""
    sick, well = [taken("JSM:sick") for _ in range(60)], [taken() for _ in range(20)]
    world = World([*sick, *well], {"JSM:sick": HUNG, "JSM": DONE})
    await world.inquire()
    assert world.asked.count("JSM:sick") == AT_ONCE
    assert world.asked.count("JSM") == 20
    assert {one.notification_id for one in world.heard} == {row.id for row in well}
    assert world.most <= 2 * AT_ONCE
    assert {row.due_at for row in world.changes.values()} == {NOW + MINUTE}
    assert set(world.changes) == {row.id for row in sick}


async def test_a_run_without_time_leaves_everything_due() -> None:
    world = World([taken()], {"JSM": DONE}, seconds=lambda: 10.0)
    assert await world.inquire() == Inquired(asked=0, known=0)
    assert (world.asked, world.changes) == ([], {})


async def test_one_worker_asks_at_a_time() -> None:
    world = World([taken()], {"JSM": DONE}, is_free=False)
    assert await world.inquire() is None
    assert not world.is_free, "it is the other's"


async def test_a_bug_met_by_one_row_is_no_other_s() -> None:
    odd, well = taken("JSM:odd"), taken()
    world = World([odd, well], {"JSM": DONE})
    assert await world.inquire() == Inquired(asked=2, known=1)
    assert world.changes[odd.id].due_at == NOW + MINUTE


async def test_a_row_that_moved_on_is_left_to_the_next_run() -> None:
    world = World([taken()], {"JSM": UNHEARD}, moved_on=True)
    assert await world.inquire() == Inquired(asked=1, known=0)


@pytest.mark.parametrize("act", [Act.ACKNOWLEDGE, Act.RESOLVE])
async def test_what_could_not_be_closed_is_no_bounce(act: Act) -> None:
    """Most often a person was quicker."""
    row = taken(act=act, about="01J00000000000000000000000")
    world = World([row], {"JSM": FAILED})
    assert await world.inquire() == Inquired(asked=1, known=1)
    assert (world.heard, world.changes[row.id].due_at) == ([], None)


def test_it_is_asked_less_and_less_often_for_an_hour() -> None:
    """After 1, 2, 4 minutes and so on; what is not known after an hour is given up."""
    row, asked = replace(taken(), sent_at=NOW), list[float]()
    at: datetime | None = NOW + MINUTE
    while at:
        asked.append((at - NOW) / MINUTE)
        at = again_at(row, UNHEARD, at)
    assert asked == [1, 2, 4, 8, 16, 32, 64]


def test_a_service_that_asks_us_to_wait_is_waited_for() -> None:
    row = taken()
    assert again_at(row, NotYet("HTTP 429", retry_after=300), NOW) == NOW + 5 * MINUTE
    assert again_at(row, NotYet("HTTP 429", retry_after=1e9), NOW) == NOW + 60 * MINUTE
