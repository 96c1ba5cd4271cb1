"""The expiry check: one bounded pass over the certificates that are due. It returns counts; the caller logs them.

Safe to run at any time, twice, or to be killed at any step: what is due is decided from the record (`expiry`), every
alert is one guarded transaction, and a certificate stays due until all that it owed is written.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tocsin.delivery.notification import DeliveryPolicy, Notification
from tocsin.delivery.store import Lease
from tocsin.errors import PreconditionFailedError
from tocsin.expiry.alert import Mark
from tocsin.expiry.compliance import Compliance, judge_anew
from tocsin.expiry.each import Each
from tocsin.expiry.plan import (
    Decision,
    Duplicate,
    NoChannel,
    NoRecipient,
    Raise,
    Superseded,
    decide,
    mark_of,
    next_due,
    notification_of,
)
from tocsin.expiry.policy_changes import look_anew
from tocsin.expiry.stores import ChangedRules, DueCertificate, EndedCycle, Indexer, Indexing, Raised, Stores
from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Found, Problem, Resolved, Resolver

STOP_BEFORE = 10.0
"""Seconds before the end of its time at which the check starts no further certificate."""
_PAGE = 100
_SETTLED = timedelta(minutes=5)
"""How long the end of a cycle is left to whoever changed its certificate: longer than any of them lives."""


class Watch(Protocol):
    """Something that is watched of a certificate beside its expiry: its renewal, its deployment, the rules."""

    def look(self, certificate: Certificate, resolved: Resolved, now: datetime) -> Certificate:
        """Bring its record up to what is so at `now`, and give it as it is then; the same one where nothing is new.

        Raises PreconditionFailedError where it was changed since it was read.
        """

    def next_look(self, certificate: Certificate, resolved: Resolved, now: datetime) -> datetime | None:
        """Say when it must be looked at next, whatever else happens; null: not before something changes."""


class Seen(StrEnum):
    """What can happen to a certificate or to one of its alerts in a check."""

    RAISED = "raised"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    NO_CHANNEL = "no_channel"
    NO_RECIPIENT = "no_recipient"
    STALE = "stale"
    """It changed while it was looked at; the next check looks again."""
    BROKEN = "broken"
    """Its record can't be read."""
    FAILED = "failed"
    """Looking at it failed; it stays due."""
    LOOKED_AT = "looked_at"
    POLICY_CHANGED = "policy_changed"
    """It is due because its policy changed."""
    RULES_CHANGED = "rules_changed"
    """It is due because of rules that changed."""
    INDEXED = "indexed"
    """An earlier release wrote it, and it was written anew with all that leads to it."""
    ENDED_AGAIN = "ended_again"
    """The end of one of its cycles was interrupted, and is finished."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check saw and did."""

    counts: Counter[Seen]
    problems: tuple[Problem, ...]
    oldest_due_age: float
    """Seconds since the longest due certificate was due; 0 if none was."""
    is_complete: bool
    """False: time ran out, and the next check goes on where this one left off."""


def expiry_check(  # noqa: PLR0913 - a use case takes its collaborators as arguments, and has one more of them
    lease: Lease,
    stores: Stores,
    resolver: Resolver,
    policy: DeliveryPolicy,
    *,
    clock: Callable[[], datetime],
    remaining: Callable[[], float],
    created: Callable[[Notification], None] = lambda _row: None,
    end_again: Callable[[EndedCycle, datetime], None] = lambda _cycle, _now: None,
    each: Each = map,
    watches: Sequence[Watch] = (),
    rules: Compliance | None = None,
    indexer: Indexer | None = None,
) -> Checked | None:
    """Raise what is due, or do nothing (and return None) while another check is at it.

    `remaining` gives the seconds left; `created` hears of each alert that was raised; `end_again` finishes the end of a
    cycle that was interrupted; `each` looks at the certificates of a page, each of which waits for storage three times;
    `watches` look at each before it is decided what it owes, `rules` last; `indexer` writes anew what a release before
    wrote.
    A failure to read what is due raises nothing and fails the check (ClientError).
    """
    now = clock()
    if not lease.take(now, now + timedelta(seconds=remaining())):
        return None
    try:
        every = (*watches, rules) if rules else watches
        return _Check(stores, resolver, policy, clock, remaining, created, end_again, each, every, rules, indexer).run()
    finally:
        lease.release()


@dataclass(slots=True)
class _Look:
    """What was seen of one certificate."""

    counts: Counter[Seen] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    raised: list[Notification] = field(default_factory=list)


@dataclass(slots=True)
class _Check:
    """One run."""

    stores: Stores
    resolver: Resolver
    policy: DeliveryPolicy
    clock: Callable[[], datetime]
    remaining: Callable[[], float]
    created: Callable[[Notification], None]
    end_again: Callable[[EndedCycle, datetime], None]
    each: Each
    watches: Sequence[Watch]
    rules: Compliance | None
    indexer: Indexer | None
    counts: Counter[Seen] = field(default_factory=Counter)
    problems: dict[Problem, None] = field(default_factory=dict)
    oldest: datetime | None = None

    def run(self) -> Checked:
        """Look at all that is due while time is left."""
        now = self.clock()
        left_over = self.stores.watchlist.left_over()
        self._end_again(left_over.ended, now)
        keep = self.remaining() / 2
        for changed in left_over.changed:
            made_due = look_anew(self.stores.watchlist, changed, now, lambda: self.remaining() > keep)
            self.counts[Seen.POLICY_CHANGED] += made_due
        if left_over.rules is not None and self.rules is not None:
            self._judge_anew(left_over.rules, self.rules, now, keep)
        is_complete = self._look_at_due(now, left_over.position)
        self.problems |= dict.fromkeys(self.rules.problems if self.rules else ())
        if is_complete:
            self._index(left_over.indexing)
        age = (now - self.oldest).total_seconds() if self.oldest else 0.0
        return Checked(self.counts, tuple(self.problems), max(0.0, age), is_complete)

    def _judge_anew(self, changed: ChangedRules, rules: Compliance, now: datetime, keep: float) -> None:
        """Make those due that changed rules are about, while more than `keep` seconds are left."""
        watchlist, certificates = self.stores.watchlist, self.stores.certificates
        self.counts[Seen.RULES_CHANGED] += judge_anew(
            watchlist,
            certificates,
            rules,
            changed,
            now=now,
            has_time=lambda: self.remaining() > keep,
            each=self.each,
        )

    def _end_again(self, cycles: Iterable[EndedCycle], now: datetime) -> None:
        """Finish the ends of cycles that were interrupted; what fails is tried again by the next check."""
        for cycle in cycles:
            if now - cycle.at < _SETTLED or self.remaining() <= STOP_BEFORE:
                continue
            try:
                self.end_again(cycle, now)
            except Exception:  # it must not keep the others from being alerted on
                self.counts[Seen.FAILED] += 1
                logging.getLogger(__name__).exception("the end of a cycle of %s failed", cycle.certificate_id)
            else:
                self.counts[Seen.ENDED_AGAIN] += 1

    def _index(self, indexing: Indexing) -> None:
        """Write anew what an earlier release wrote, when all that is due is looked at: nobody waits for it."""
        if self.indexer is None or indexing.is_done:
            return
        try:
            self.counts[Seen.INDEXED] += self.indexer.go_on(indexing, lambda: self.remaining() > STOP_BEFORE)
        except Exception:  # what was to be alerted is; the next check goes on with this
            self.counts[Seen.FAILED] += 1
            logging.getLogger(__name__).exception("certificates of an earlier release can't be written anew")

    def _look_at_due(self, now: datetime, start: str | None) -> bool:
        """Go on behind the key `start`, then from the beginning; tell whether time sufficed."""
        is_complete = self._stretch(now, start, None) and (start is None or self._stretch(now, None, start))
        if is_complete and start is not None:
            self.stores.watchlist.leave_off(None)
        return is_complete

    def _stretch(self, now: datetime, after: str | None, until: str | None) -> bool:
        """Look at what is due behind the key `after`, up to `until`; tell whether time sufficed."""
        place = after
        while page := self._page(now, place, until):
            found = self.stores.certificates.fetch([hint.id for hint in page])
            self.resolver.prepare(found.things.values())
            looks = list(self.each(lambda hint: self._look_at(hint.id, found), page))  # noqa: B023 - done when it returns
            for look in looks:
                self._note(look)
            if None in looks:  # some behind it may be done: to look at them again is harmless
                done = looks.index(None)
                self.stores.watchlist.leave_off(page[done - 1].key if done else place)
                return False
            place = page[-1].key
        return True

    def _note(self, look: _Look | None) -> None:
        """Add up what was seen."""
        if look is not None:
            self.counts += look.counts
            self.problems |= dict.fromkeys(look.problems)
            for row in look.raised:
                self.created(row)

    def _page(self, now: datetime, after: str | None, until: str | None) -> list[DueCertificate]:
        page = self.stores.watchlist.due(now, after, _PAGE)
        self.oldest = min((hint.at for hint in page), default=self.oldest) if self.oldest is None else self.oldest
        return [hint for hint in page if until is None or hint.key <= until]

    def _look_at(self, id_: str, found: Found[Certificate]) -> _Look | None:
        """Look at one certificate, whose fault must not stop the others; null: there is no time for it."""
        if self.remaining() <= STOP_BEFORE:
            return None
        look = _Look()
        if id_ in found.broken:
            look.counts[Seen.BROKEN] += 1
            look.problems.append(Problem(id_, Kind.CERTIFICATE, id_, f"is broken: {found.broken[id_]}"))
            return look
        certificate = found.things.get(id_)
        now = self.clock()
        if certificate is None or certificate.due_at is None or certificate.due_at > now:
            return look  # the index only remembers it as due
        look.counts[Seen.LOOKED_AT] += 1
        try:
            self._examine(certificate, now, look)
        except Exception:  # whatever is wrong with this one, it stays due and the others go on
            look.counts[Seen.FAILED] += 1
            logging.getLogger(__name__).exception("the expiry check failed on certificate %s", id_)
        return look

    def _examine(self, certificate: Certificate, now: datetime, look: _Look) -> None:
        """Carry out what is decided of one certificate, then say when to look at it next."""
        resolved = self.resolver.resolve(certificate)
        look.problems += resolved.problems
        is_whole = True
        for watch in self.watches:
            try:
                certificate = watch.look(certificate, resolved, now)
            except PreconditionFailedError:
                look.counts[Seen.STALE] += 1
                return
            except Exception:  # its expiry must be told of whatever else can't be said of it
                is_whole = False
                look.counts[Seen.FAILED] += 1
                logging.getLogger(__name__).exception("a watch over certificate %s failed", certificate.id)
        marks = self.stores.alerts.marks_of_cycle(certificate)
        decisions = decide(certificate, resolved.policy, resolved.people, marks, now)
        for decision in decisions:
            seen = self._carry_out(decision, certificate, marks, now, look)
            look.counts.update(() if seen is None else (seen,))
            if seen is Seen.STALE:
                return
        if not is_whole:
            return  # it stays due
        looks = (watch.next_look(certificate, resolved, now) for watch in self.watches)
        due_at = min(filter(None, (next_due(certificate, decisions, now), *looks)), default=None)
        if due_at != certificate.due_at and not self.stores.watchlist.look_again(certificate, due_at):
            look.counts[Seen.STALE] += 1

    def _carry_out(
        self, decision: Decision, certificate: Certificate, marks: dict[str, Mark], now: datetime, look: _Look
    ) -> Seen | None:
        """Write what `decision` asks for; say what was seen."""
        match decision:
            case Raise():
                return self._raise(decision, certificate, now, look)
            case Superseded():
                self.stores.alerts.record(mark_of(decision, certificate, now))
                return Seen.SUPERSEDED
            case NoChannel() | NoRecipient():
                if decision.id not in marks:
                    self.stores.alerts.record(mark_of(decision, certificate, now))
                return Seen.NO_CHANNEL if isinstance(decision, NoChannel) else Seen.NO_RECIPIENT
            case Duplicate():
                return Seen.DUPLICATE
        return None

    def _raise(self, decision: Raise, certificate: Certificate, now: datetime, look: _Look) -> Seen:
        row = notification_of(decision, certificate, self.policy, now)
        raised = self.stores.alerts.raise_alert(row, mark_of(decision, certificate, now), certificate)
        if raised is Raised.CREATED:
            look.raised.append(row)
        return _SEEN[raised]


_SEEN = {Raised.CREATED: Seen.RAISED, Raised.DUPLICATE: Seen.DUPLICATE, Raised.STALE: Seen.STALE}
