"""Contract 2.18 [T]: what a renewal ends is resolved where it is open, in every order of what workers and a change do.

The steps between which others can come are those at which the table or the service is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

import pytest

from tests.support.fake_table import FakeTable
from tests.support.inventory import DAY, T0, a_certificate
from tests.support.lives import Lives
from tests.support.rows import POLICY, REFUSED, REJECTED, SILENT, a_row, settled
from tocsin.delivery.attempt import Accepted, AttemptClass, Attempted, Throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.linked import linked_id, reviewer
from tocsin.delivery.notification import Act, Notification, Status
from tocsin.delivery.send import NoLongerTrue, Retold, TooEarly, Verdict
from tocsin.delivery.store import Change, Write
from tocsin.errors import NotFoundError
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.stores import EndedCycle
from tocsin.inventory.certificate import Certificate

Step = Iterator[None]
TAKEN = Accepted(202, "key:0123456789ab")
PAGERDUTY = ChannelName.PAGERDUTY
_tokens = count()


@dataclass
class Service:
    """Keeps one incident. What it is told of the trigger, it takes or not."""

    answers: list[tuple[bool, Attempted]]
    """For each trigger that comes: whether it takes it, and what its worker learns."""
    log: list[Act] = field(default_factory=list)
    is_open: bool = False

    def take(self, row: Notification) -> Attempted:
        self.log.append(row.act)
        if row.act is Act.RESOLVE:
            self.is_open = False
            return TAKEN
        is_taken, result = self.answers.pop(0) if self.answers else (True, TAKEN)
        self.is_open = self.is_open or is_taken
        return result


class World:
    """One alert, its certificate, and whoever works on them."""

    def __init__(self, answers: Sequence[tuple[bool, Attempted]]) -> None:
        self.now = T0
        self.lives = Lives()
        self.certificate = a_certificate()
        self.lives.certificates.things[self.certificate.id] = self.certificate
        self.trigger = self.lives.alerted(self.certificate, 7, Status.PENDING, PAGERDUTY)
        self.resolve = linked_id(self.trigger, Act.RESOLVE)
        self.table = FakeTable()
        self.table.insert(a_row(id=self.trigger, channel=PAGERDUTY, recipient="", created_at=T0))
        self.service = Service(list(answers))
        self.cycle = EndedCycle(self.certificate.id, self.certificate.expires_at, 1, T0)
        self.lifecycle = Lifecycle(
            self.lives.certificates,
            self.lives.alerts,
            self.table,
            lambda _change: None,
            self.lives.endings,
            POLICY,
            self.lives.created.append,
        )
        self.lives.endings.begin(self.cycle)

    def working(self, id_: str) -> Step:
        """Be a worker that has a row, at most once: it claims, asks, sends and records."""
        try:
            row = self.table.get(id_)
        except NotFoundError:
            return
        if not row.is_free(self.now):
            return
        counted = row.abandoned(self.now, POLICY) if row.claim_token else row
        claimed = counted.claimed(f"t{next(_tokens)}", self.now + timedelta(minutes=6), self.now)
        if self.table.write([Change(row, claimed)]) != [Write.DONE]:
            return
        yield
        verdict = self.verdict(claimed)
        yield
        match verdict:
            case NoLongerTrue(reason):
                after = claimed.superseded(reason, self.now)
            case TooEarly(reason):
                after = settled(claimed, Throttled(reason), self.now)
            case _:
                wording = verdict.row if isinstance(verdict, Retold) else claimed
                if wording.act is Act.RESOLVE:
                    assert not self.table.get(self.trigger).is_owed, "a resolve before its trigger is at its end"
                result = self.service.take(wording)
                yield
                after = settled(wording, result, self.now)
        self.table.write([Change(claimed, after)])

    def verdict(self, row: Notification) -> Verdict | None:
        """Ask what the functions ask."""
        found = reviewer(self.table, lambda: self.now)([row]).get(row.id)
        if found or row.act is not Act.TRIGGER or self.certificate.expires_at == self.current.expires_at:
            return found
        return NoLongerTrue("the certificate was renewed")

    @property
    def current(self) -> Certificate:
        """The certificate as it is now."""
        return self.lives.certificates.things[self.certificate.id]

    def renewing(self) -> Step:
        """Renew the certificate, and then end its alerts."""
        renewed = replace(self.certificate, expires_at=T0 + 200 * DAY)
        self.lives.certificates.things[self.certificate.id] = renewed
        yield
        self.lifecycle.end_again(self.cycle, self.now)

    def come_to_rest(self) -> None:
        """Let time pass, and everybody work, until nothing is left to do."""
        for _ in range(6):
            self.now += timedelta(hours=1)
            for cycle in list(self.lives.endings.open):
                self.lifecycle.end_again(cycle, self.now)
            for id_ in (self.resolve, self.trigger):
                for _step in self.working(id_):
                    pass

    def check(self) -> None:
        """Check what must hold at the end, whatever the order."""
        log = self.service.log
        assert log == sorted(log, key=[Act.TRIGGER, Act.RESOLVE].index), "a trigger after its resolve"
        assert log.count(Act.RESOLVE) <= 1
        assert not self.service.is_open
        assert not self.table.get(self.trigger).is_owed
        assert [row.id for row in self.lives.created] in ([], [self.resolve])
        assert not self.lives.endings.open


def orders(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Give each order of so many steps of each actor."""
    if not any(counts):
        yield ()
    for actor, left in enumerate(counts):
        if left:
            rest = (*counts[:actor], left - 1, *counts[actor + 1 :])
            yield from ((actor, *order) for order in orders(rest))


WORK, RENEWAL = 4, 2
"""Steps of a worker and of a renewal."""


@pytest.mark.parametrize(
    "answers",
    [
        [(True, TAKEN)],
        [(True, SILENT)],  # its answer was lost
        [(False, SILENT)],
        [(False, REFUSED), (True, TAKEN)],
        [(False, REJECTED)],
    ],
    ids=["taken", "taken, and the answer lost", "lost", "refused at first", "refused for good"],
)
def test_every_order_of_an_alert_a_renewal_and_a_resolve(answers: list[tuple[bool, Attempted]]) -> None:
    seen = set()
    for order in orders((WORK, RENEWAL, WORK)):
        world = World(answers)
        actors = [world.working(world.trigger), world.renewing(), world.working(world.resolve)]
        for actor in order:
            next(actors[actor], None)
        for actor_left in actors:
            list(actor_left)
        world.come_to_rest()
        world.check()
        results = {attempt.result for attempt in world.table.get(world.trigger).attempts}
        may_be_there = not results.isdisjoint({AttemptClass.ACCEPTED, AttemptClass.UNKNOWN})
        assert world.service.log.count(Act.RESOLVE) == may_be_there, order
        seen.add(tuple(world.service.log))
    assert () in seen, "a renewal that comes first stops it"
    assert len(seen) > 1


@pytest.mark.parametrize("dies_after", range(1, WORK))
@pytest.mark.parametrize("when", range(WORK))
def test_a_worker_that_dies_leaves_no_incident_open(dies_after: int, when: int) -> None:
    """A lost claim is an attempt of which nobody knows whether it arrived: it is resolved as well."""
    world = World([(True, TAKEN)])
    worker, renewal = world.working(world.trigger), world.renewing()
    for step in range(dies_after):
        if step == when:
            list(renewal)
        next(worker, None)
    list(renewal)
    world.come_to_rest()
    world.check()
    if Act.TRIGGER in world.service.log:
        assert world.service.log.count(Act.RESOLVE) == 1


def test_a_change_that_dies_before_its_end_is_finished_by_the_check() -> None:
    """Contract 2.18 [T]: what a crash leaves open is closed later."""
    world = World([(True, TAKEN)])
    list(world.working(world.trigger))
    next(world.renewing())
    assert world.service.is_open
    world.come_to_rest()
    world.check()
    assert world.service.log == [Act.TRIGGER, Act.RESOLVE]


# ── What the change of a certificate makes ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "channel", "is_resolved"),
    [
        (Status.PENDING, PAGERDUTY, False),  # it never went out
        (Status.FAILED, PAGERDUTY, False),
        (Status.DEAD, PAGERDUTY, False),
        (Status.SENT, PAGERDUTY, True),
        (Status.READ, PAGERDUTY, True),
        (Status.SENT, ChannelName("JSM:payments"), True),
        (Status.SENT, ChannelName.OPSGENIE, True),
        (Status.SENT, ChannelName.SLACK, False),  # it keeps no incident
    ],
)
def test_what_was_sent_to_a_service_that_keeps_incidents_is_resolved(
    status: Status, channel: ChannelName, *, is_resolved: bool
) -> None:
    """Contract 2.18 [T]."""
    lives = Lives()
    lives.lifecycle.create(a_certificate(), "somebody")
    trigger = lives.alerts.rows[lives.alerted(a_certificate(), 7, status, channel)]
    (before,) = lives.certificates.things.values()
    for expires_at in (T0 + 200 * DAY, T0 + 300 * DAY):
        (current,) = lives.certificates.things.values()
        lives.lifecycle.change(current, current.changed(replace(current, expires_at=expires_at), T0), "somebody")
    lives.lifecycle.end_again(EndedCycle(before.id, before.expires_at, before.version, T0), T0)
    assert len(lives.created) == is_resolved
    for resolve in lives.created:
        assert (resolve.act, resolve.about, resolve.channel) == (Act.RESOLVE, trigger.id, channel)
        assert (resolve.severity, resolve.type, resolve.subject) == (trigger.severity, trigger.type, trigger.subject)
        assert resolve.message.startswith("It is over: the certificate was renewed: it expires at 2026-09-17")
        assert resolve.created_by == "certificate_lifecycle"
    assert not lives.endings.open


def test_what_stands_in_for_an_alert_is_resolved_too() -> None:
    """The alert died, and went out another way."""
    lives = Lives()
    lives.lifecycle.create(a_certificate(), "somebody")
    first = lives.alerted(a_certificate(), 7, Status.DEAD, ChannelName.EMAIL)
    stand_in = settled(a_row(channel=PAGERDUTY, recipient="", fallback_of=first), TAKEN)
    lives.alerts.rows[stand_in.id] = stand_in
    lives.alerts.rows[first] = replace(lives.alerts.rows[first], fell_back_to=stand_in.id)
    (before,) = lives.certificates.things.values()
    lives.lifecycle.delete(before, "somebody", T0)
    assert [resolve.about for resolve in lives.created] == [stand_in.id]
    assert lives.alerts.rows[first].status is Status.SUPERSEDED


def test_a_change_that_ends_nothing_remembers_nothing() -> None:
    lives = Lives()
    lives.lifecycle.create(a_certificate(), "somebody")
    lives.alerted(a_certificate(), 7, Status.SENT, PAGERDUTY)
    (before,) = lives.certificates.things.values()
    lives.lifecycle.change(before, before.changed(replace(before, owner_id="o2"), T0), "somebody")
    assert (lives.created, lives.endings.open) == ([], [])


def test_a_cycle_that_returns_lets_what_was_resolved_be_raised_anew() -> None:
    """Its incident is closed, so nobody is told any more: as with what was superseded."""
    lives = Lives()
    lives.lifecycle.create(a_certificate(), "somebody")
    resolved = lives.alerted(a_certificate(), 7, Status.SENT, PAGERDUTY)
    kept = lives.alerted(a_certificate(), 14, Status.SENT, ChannelName.EMAIL)
    for day, expires_at in enumerate((T0 + 200 * DAY, a_certificate().expires_at), start=1):
        (current,) = lives.certificates.things.values()
        after = current.changed(replace(current, expires_at=expires_at), T0 + day * DAY)
        lives.lifecycle.change(current, after, "somebody")
    assert resolved not in lives.alerts.marks
    assert kept in lives.alerts.marks
