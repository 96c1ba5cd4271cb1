"""Certificates held against rules."""

from collections.abc import Collection, Sequence
from datetime import datetime

from tocsin.inventory.certificate import Certificate
from tocsin.inventory.occurrences import Violation
from tocsin.inventory.rules.rule import Rule
from tocsin.text import bounded

DETAIL_LIMIT = 512
"""Bytes kept of the sentence that says what is wrong."""


def judge(
    certificate: Certificate, rules: Sequence[Rule], now: datetime, unreadable: Collection[str] = ()
) -> tuple[Violation, ...]:
    """Give the rules that `certificate` violates at `now`, in the order of `rules`.

    What it violated before it has violated since then. A rule of `unreadable` (ids) is left as it was: nobody knows.
    """
    before = {one.rule_id: one for one in certificate.violations}
    kept = tuple(one for one in certificate.violations if one.rule_id in unreadable and certificate.is_watched)
    found = []
    for rule in rules:
        detail = rule.violation(certificate, now)
        if detail is not None:
            since = before[rule.id].since if rule.id in before else now
            found.append(Violation(rule.id, rule.name, rule.severity, since, bounded(detail, DETAIL_LIMIT)))
    return (*kept, *found)


def changes_at(certificate: Certificate, rules: Sequence[Rule], now: datetime) -> datetime | None:
    """Give the first instant after `now` at which time alone makes `certificate` violate one of `rules`."""
    instants = (rule.changes_at(certificate) for rule in rules)
    return min((at for at in instants if at is not None and at > now), default=None)
