"""Contract 2.14: what events about a message say of its notification, whatever their order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, permutations
from random import Random

import pytest

from tests.support.rows import NOW, POLICY, REFUSED, REJECTED, SILENT, a_row, an_id, in_status, settled
from tocsin.delivery.attempt import Accepted, Throttled
from tocsin.delivery.evidence import Evidence, EvidenceKind, Later, apply, began
from tocsin.delivery.notification import HISTORY_LIMIT, LAST_ERROR_LIMIT, Notification, Outcome, Status

DELIVERED, BOUNCED, COMPLAINED = EvidenceKind
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ORDERS = 10_000


def evidence(kind: EvidenceKind, receipt: str | None = "mail-1", at: datetime = NOW, reason: str = "gone") -> Evidence:
    return Evidence(notification_id="any", kind=kind, at=at, receipt=receipt, reason=reason)


def taken(receipt: str | None = "mail-1") -> Notification:
    """Make a row whose message a service took."""
    return settled(a_row(), Accepted(200, receipt))


def after(row: Notification, *seen: Evidence) -> Notification:
    """Let `row` take this evidence, one by one, all of which can be judged."""
    for one in seen:
        judged = apply(row, one, NOW + MINUTE)
        assert judged is not Later.LATER
        row = judged or row
    return row


def test_a_delivery_lifts_what_was_accepted() -> None:
    row = taken()
    lifted = after(row, evidence(DELIVERED))
    assert (row.outcome, lifted.outcome, lifted.status) == (Outcome.ACCEPTED, Outcome.DELIVERED, Status.SENT)
    assert (lifted.attempts, lifted.sent_at, lifted.receipt) == (row.attempts, row.sent_at, row.receipt)
    read = after(row.acknowledged(NOW), evidence(DELIVERED))
    assert (read.status, read.outcome, read.read_at) == (Status.READ, Outcome.DELIVERED, NOW)


@pytest.mark.parametrize("before", [taken(), taken().acknowledged(NOW), after(taken(), evidence(DELIVERED))])
def test_a_bounce_makes_it_dead_with_the_reason_and_is_no_attempt(before: Notification) -> None:
    row = after(before, evidence(BOUNCED, reason="550 5.1.1\r\nno such mailbox " + "x" * 10_000))
    assert (row.status, row.outcome, row.died_at) == (Status.DEAD, Outcome.BOUNCED, NOW + MINUTE)
    assert (row.attempts, row.retry_count, row.due_at) == (before.attempts, before.retry_count, None)
    assert (row.last_error or "").startswith("550 5.1.1 no such mailbox")
    assert len((row.last_error or "").encode()) <= LAST_ERROR_LIMIT


@pytest.mark.parametrize("order", set(permutations([DELIVERED, DELIVERED, BOUNCED, BOUNCED, COMPLAINED])))
@pytest.mark.parametrize("is_read", [False, True])
def test_a_bounce_wins_whatever_the_order(order: tuple[EvidenceKind, ...], is_read: bool) -> None:
    row = taken().acknowledged(NOW) if is_read else taken()
    row = after(row, *(evidence(kind) for kind in order))
    assert (row.status, row.outcome, row.complained_at) == (Status.DEAD, Outcome.BOUNCED, NOW + MINUTE)


def test_a_bounced_row_that_was_read_is_not_found_bounced_again() -> None:
    """Nobody is told twice."""
    row = after(taken(), evidence(BOUNCED)).acknowledged(NOW)
    assert apply(row, evidence(BOUNCED), NOW) is None
    assert apply(row, evidence(DELIVERED), NOW) is None


@pytest.mark.parametrize("kind", [DELIVERED, BOUNCED])
def test_evidence_of_another_copy_says_nothing(kind: EvidenceKind) -> None:
    assert apply(taken("mail-2"), evidence(kind, "mail-1"), NOW) is None
    assert apply(taken(None), evidence(kind, None), NOW) is None


@pytest.mark.parametrize("kind", [DELIVERED, BOUNCED])
@pytest.mark.parametrize("status", [Status.DEAD, Status.SUPERSEDED])
def test_what_is_dead_or_superseded_stays(status: Status, kind: EvidenceKind) -> None:
    assert apply(in_status(status), evidence(kind), NOW) is None


@pytest.mark.parametrize("kind", [DELIVERED, BOUNCED])
def test_nothing_was_sent_so_nothing_can_have_become_of_it(kind: EvidenceKind) -> None:
    skipped = replace(taken(None), outcome=Outcome.SKIPPED_NO_CHANNEL)
    assert apply(skipped, evidence(kind), NOW) is None


@pytest.mark.parametrize("failed", [False, True])
def test_a_copy_whose_result_was_never_learned(failed: bool) -> None:
    """The worker died, or no answer came; the service had it all the same."""
    row = settled(a_row(), SILENT, NOW + SECOND) if failed else a_row()
    sent = after(row, evidence(DELIVERED, at=NOW + SECOND))
    assert (sent.status, sent.outcome, sent.receipt) == (Status.SENT, Outcome.DELIVERED, "mail-1")
    assert (sent.due_at, sent.sent_at, sent.attempts) == (None, NOW + MINUTE, row.attempts)
    assert after(sent, evidence(BOUNCED)).outcome is Outcome.BOUNCED
    dead = after(row, evidence(BOUNCED, at=NOW + SECOND))
    assert (dead.status, dead.outcome, dead.due_at) == (Status.DEAD, Outcome.BOUNCED, None)


def test_while_a_worker_has_the_row_evidence_waits() -> None:
    row = a_row().claimed("mine", NOW + MINUTE, NOW)
    assert apply(row, evidence(BOUNCED), NOW + SECOND) is Later.LATER
    assert apply(settled(row, Accepted(200, "mail-1")), evidence(BOUNCED), NOW + SECOND) is not None
    dead = apply(row, evidence(BOUNCED), NOW + MINUTE)
    assert isinstance(dead, Notification), "its worker is gone"
    assert (dead.claim_token, dead.claimed_until) == (None, None)


def test_what_is_put_off_is_in_nobodys_hands() -> None:
    row = settled(a_row().claimed("mine", NOW + MINUTE, NOW), Throttled("slow down"), NOW + SECOND)
    assert row.is_claimed(NOW + 2 * SECOND)
    proven = apply(row, evidence(DELIVERED, at=NOW + SECOND), NOW + 2 * SECOND)
    assert isinstance(proven, Notification)
    assert proven.outcome is Outcome.DELIVERED
    held = a_row().deferred("Email", "SES is paused", NOW + MINUTE, NOW, POLICY)
    assert after(held, evidence(DELIVERED)).deferred_by is None


def test_a_complaint_marks_the_row_once_and_does_not_disturb_who_has_it() -> None:
    row = a_row().claimed("mine", NOW + MINUTE, NOW)
    marked = after(row, evidence(COMPLAINED, None))
    assert marked == replace(row, complained_at=NOW + MINUTE)
    assert apply(marked, evidence(COMPLAINED), NOW) is None
    told = replace(evidence(COMPLAINED), happened_at=NOW + SECOND)
    assert after(row, told).complained_at == NOW + SECOND


def a_second_life(
    end: Callable[[Notification], Notification] = lambda row: settled(row, REJECTED, NOW + SECOND),
) -> Notification:
    return end(a_row()).requeued(NOW + MINUTE, POLICY)


@pytest.mark.parametrize("kind", [DELIVERED, BOUNCED])
@pytest.mark.parametrize(
    "end",
    [
        lambda row: settled(row, REJECTED, NOW + SECOND),
        lambda row: after(settled(row, Accepted(200, "mail-1"), NOW + SECOND), evidence(BOUNCED)),
    ],
)
def test_a_requeue_begins_a_life_to_which_old_events_say_nothing(
    end: Callable[[Notification], Notification], kind: EvidenceKind
) -> None:
    row = a_second_life(end)
    assert (row.receipt, row.outcome) == (None, None)
    old = evidence(kind, at=NOW + SECOND)
    assert apply(row, old, NOW + MINUTE) is None
    failed = row.settled(SILENT, started_at=NOW + MINUTE, now=NOW + MINUTE, policy=POLICY)
    assert apply(failed, old, NOW + MINUTE) is None
    lost = row.claimed("lost", NOW + 2 * MINUTE, NOW + MINUTE).abandoned(NOW + 3 * MINUTE, POLICY)
    assert apply(lost, old, NOW + 3 * MINUTE) is None
    new = evidence(kind, "mail-2", NOW + MINUTE + SECOND)
    for owed in (row, failed, lost):
        assert apply(owed, new, NOW + 3 * MINUTE) is not None


def test_of_a_history_longer_than_what_is_kept_what_is_kept_counts() -> None:
    row = a_row()
    policy = replace(POLICY, retry=replace(POLICY.retry, max_attempts=100))
    for number in range(HISTORY_LIMIT + 5):
        at = NOW + number * MINUTE
        row = row.settled(REFUSED, started_at=at, now=at, policy=policy)
    assert began(row) == NOW + 5 * MINUTE
    assert began(replace(row, attempts=())) == row.updated_at


# ── Any order ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Copy:
    """A message that a service took."""

    life: int
    fates: set[EvidenceKind] = field(default_factory=set)


@dataclass
class Story:
    """A notification's lives, and the events about its messages: late, doubled, reordered, of unknown ids."""

    chance: Random
    row: Notification = field(default_factory=lambda: a_row(id=an_id(1)))
    now: datetime = NOW
    life: int = 1
    copies: dict[str, Copy] = field(default_factory=dict)
    waiting: list[Evidence] = field(default_factory=list)
    judged: list[Evidence] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=count)

    def tell(self) -> None:
        """Go from the first life to the end of the last event."""
        for _ in range(self.chance.randint(1, 14)):
            self.pass_time(self.chance.randint(1, 900))
            self.step()
            self.hear(self.chance.randint(0, 3))
        if self.row.is_in_hand(self.now):
            self.pass_time(1_000)
        while self.waiting:
            self.hear(1)
            self.pass_time(60)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def step(self) -> None:
        match self.row.status:
            case Status.PENDING | Status.FAILED:
                self.attempt()
            case Status.DEAD if self.chance.random() < 0.7:
                self.row, self.life = self.row.requeued(self.now, POLICY), self.life + 1
            case Status.SENT | Status.DEAD if self.chance.random() < 0.3:
                self.row = self.row.acknowledged(self.now)
            case _:
                pass

    def attempt(self) -> None:
        """Claim, send, and record or not; events come as soon as the service has the message."""
        if self.row.claim_token and not self.row.is_in_hand(self.now):
            self.row = self.row.abandoned(self.now, POLICY)
        if not self.row.is_free(self.now):
            return
        self.row = self.row.claimed("mine", self.now + timedelta(seconds=400), self.now)
        started = self.now
        self.pass_time(0.5)
        receipt = self.take() if self.chance.random() < 0.8 else None
        self.pass_time(0.5)
        self.hear(self.chance.randint(0, 2))
        if self.chance.random() < 0.2:
            return  # the worker dies, and its claim runs out
        known = Accepted(200, receipt) if receipt and self.chance.random() < 0.6 else None
        result = known or self.chance.choice([SILENT, SILENT, REFUSED if receipt is None else SILENT, REJECTED])
        self.row = self.row.settled(result, started_at=started, now=self.now, policy=POLICY)

    def take(self) -> str:
        receipt = f"mail-{next(self.names)}"
        likely = {DELIVERED: 0.6, BOUNCED: 0.3, COMPLAINED: 0.1}
        self.copies[receipt] = Copy(self.life, {kind for kind, by in likely.items() if self.chance.random() < by})
        for kind in self.copies[receipt].fates:
            told = evidence(kind, receipt, self.now, f"{receipt} bounced")
            self.waiting += [told] * self.chance.choice([1, 1, 2, 3])
        return receipt

    def hear(self, times: int) -> None:
        """Take events in any order; what can't be judged yet comes again."""
        for _ in range(min(times, len(self.waiting))):
            told = self.waiting.pop(self.chance.randrange(len(self.waiting)))
            judged = apply(self.row, told, self.now)
            if judged is Later.LATER:
                assert self.row.is_in_hand(self.now)
                self.waiting.append(told)
                continue
            self.judged.append(told)
            if isinstance(judged, Notification):
                self.changed(told, judged)

    def changed(self, told: Evidence, row: Notification) -> None:
        before, self.row = self.row, row
        assert row.attempts == before.attempts
        assert row.retry_count == before.retry_count
        if told.kind is COMPLAINED:
            return
        assert told.receipt is not None
        assert self.copies[told.receipt].life == self.life, "what is changed by an event is changed by one of its life"
        assert before.status not in (Status.DEAD, Status.SUPERSEDED)

    def check(self) -> None:
        """No row is above its evidence, no bounce is lost."""
        row, heard = self.row, {(told.receipt, told.kind) for told in self.judged}
        if row.outcome is Outcome.DELIVERED:
            assert row.receipt is not None
            assert (row.receipt, DELIVERED) in heard
            assert self.copies[row.receipt].life == self.life
        if row.outcome is Outcome.BOUNCED:
            assert (row.receipt, BOUNCED) in heard
            assert row.status in (Status.DEAD, Status.READ)
        if not self.waiting:
            bounced = {receipt for receipt, copy in self.copies.items() if BOUNCED in copy.fates}
            assert not (row.is_out and row.receipt in bounced)
            assert not (row.is_owed and any(self.copies[receipt].life == self.life for receipt in bounced))
        assert (row.complained_at is not None) == any(kind is COMPLAINED for _, kind in heard)


def test_ten_thousand_orders_of_events() -> None:
    """Late, doubled, reordered, before the record of the send, after a requeue: what the row says holds."""
    ends = set()
    for seed in range(ORDERS):
        story = Story(Random(seed))
        story.tell()
        story.check()
        ends.add((story.row.status, story.row.outcome, min(story.life, 2)))
    assert len(ends) >= 12, "the orders are many kinds of stories"
