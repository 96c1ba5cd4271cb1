"""The rules that certificates keep or violate: watched by the expiry check, beside their expiry.

A certificate that changes is due, so the check looks at it anyway, and holds it against all rules. Rules that change
leave work: then all watched certificates are gone through, a page after the other, and only those are written whose
violations are others now, or will be at another time than was known (docs/decisions/rules-in-the-check.md).
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import Protocol

from tocsin.expiry.alert import ACTOR
from tocsin.expiry.each import Each
from tocsin.expiry.stores import Certificates, ChangedRules, RuleBook, Watchlist
from tocsin.inventory.audit import Action, Kind
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Found, Problem, Resolved
from tocsin.inventory.occurrences import Violation
from tocsin.inventory.rules.judging import changes_at, judge
from tocsin.inventory.rules.rule import Rule

VIOLATIONS_AT_ONCE = 60
"""Rules that a certificate may come to violate, or to keep, in one write: each is an action of its transaction."""
_PAGE = 400
"""Certificates of a page: four requests for their keys, and four for what they are."""


class Changes(Protocol):
    """What changes certificates, with all that this means for their alerts."""

    def change(self, before: Certificate, after: Certificate, actor: str) -> Action:
        """Write `after` in the place of `before`; raise PreconditionFailedError."""


@dataclass(slots=True)
class Compliance:
    """Watches one stack's rules for the time of one check. The rules are read once, when they are first asked for."""

    book: RuleBook
    changes: Changes
    _found: Found[Rule] | None = None
    _reading: Lock = field(default_factory=Lock)

    def look(self, certificate: Certificate, _resolved: Resolved, now: datetime) -> Certificate:
        """Write which rules `certificate` violates at `now`, where that is new, and give it as it is then."""
        for violations in _steps(certificate.violations, self._judged(certificate, now)):
            after = certificate.changed(replace(certificate, violations=violations), now)
            self.changes.change(certificate, after, ACTOR)
            certificate = after
        return certificate

    def next_look(self, certificate: Certificate, _resolved: Resolved, now: datetime) -> datetime | None:
        """Say when time alone makes it violate another rule."""
        return changes_at(certificate, self._rules(), now)

    def next_change(self, certificate: Certificate, now: datetime) -> datetime | None:
        """Say when it violates other rules than its record says: `now`, or by time alone; null: not before a change."""
        if self._judged(certificate, now) != certificate.violations:
            return now
        return changes_at(certificate, self._rules(), now)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Name the rules that can't be read, which judge nothing; none where no rule was asked for."""
        broken = {} if self._found is None else self._found.broken
        return tuple(Problem("", Kind.RULE, id_, f"is broken: {detail}") for id_, detail in broken.items())

    def _judged(self, certificate: Certificate, now: datetime) -> tuple[Violation, ...]:
        return judge(certificate, self._rules(), now, self._read().broken)

    def _rules(self) -> Sequence[Rule]:
        return [*self._read().things.values()]

    def _read(self) -> Found[Rule]:
        """Read the rules, once: looks overlap."""
        with self._reading:
            if self._found is None:
                found = self.book.every()
                enabled = {id_: rule for id_, rule in sorted(found.things.items()) if rule.is_enabled}
                self._found = Found(enabled, found.broken)
            return self._found


def _steps(before: tuple[Violation, ...], after: tuple[Violation, ...]) -> Iterator[tuple[Violation, ...]]:
    """Go from what is violated to what will be, so few rules at a time that each step is one transaction.

    The first step that adds or ends nothing more is the last, and has all else that differs.
    """
    was = {one.rule_id: one for one in before}
    will_be = {one.rule_id: one for one in after}
    changing = [*(id_ for id_ in was if id_ not in will_be), *(id_ for id_ in will_be if id_ not in was)]
    now = dict(was)
    while len(changing) > VIOLATIONS_AT_ONCE:
        step, changing = changing[:VIOLATIONS_AT_ONCE], changing[VIOLATIONS_AT_ONCE:]
        for id_ in step:
            if now.pop(id_, None) is None:
                now[id_] = will_be[id_]
        yield tuple(now.values())
    if after != before:
        yield after


def judge_anew(
    watchlist: Watchlist,
    certificates: Certificates,
    compliance: Compliance,
    changed: ChangedRules,
    *,
    now: datetime,
    has_time: Callable[[], bool],
    each: Each = map,
) -> int:
    """Make those due that rules mean something else for, going on where the last check stopped; say how many it was."""

    def look(certificate: Certificate) -> bool:
        return _is_made_due(certificate, watchlist, compliance, now)

    made_due, place = 0, changed.after
    while has_time():
        page = watchlist.watched(place, _PAGE)
        found = certificates.fetch([id_ for _key, id_ in page])
        made_due += sum(each(look, found.things.values()))
        if len(page) < _PAGE:
            watchlist.finish_rules(changed)
            break
        place = page[-1][0]
        watchlist.go_on_with_rules(changed, place)
    return made_due


def _is_made_due(certificate: Certificate, watchlist: Watchlist, compliance: Compliance, now: datetime) -> bool:
    """Have it looked at when it must be, and tell whether that is now. Its fault must not stop the others."""
    try:
        at = compliance.next_change(certificate, now)
        if at == now:
            return watchlist.look_now(certificate.id, now)
        if at is not None and (certificate.due_at is None or at < certificate.due_at):
            watchlist.look_again(certificate, at)
    except Exception:  # whatever is wrong with this one
        logging.getLogger(__name__).exception("the rules could not be held against certificate %s", certificate.id)
        return watchlist.look_now(certificate.id, now)  # where it is counted
    return False
