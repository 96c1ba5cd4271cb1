"""Certificates, policies and people of which only what a test names matters; and a check that runs on paper."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.expiry.alert import Mark
from tocsin.expiry.plan import NoChannel, NoRecipient, Raise, Superseded, decide, mark_of, next_due
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.contacts import Owner, People, Team
from tocsin.inventory.policy import RenewalPolicy, Route, default_policy, parse_policy

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

LISTS: Mapping[str, tuple[object, ...]] = {
    "default": (30, 14, 7, 0),
    "wide": (90, 60, 30),
    "mixed": (30, "33%", 7, "10%"),
    "empty": (),
}
"""The lists of thresholds that issue 3 names."""


def a_certificate(**fields: Any) -> Certificate:
    """Make a certificate that is watched since T0 and expires 45 days later, of 90."""
    boring: dict[str, Any] = {
        "id": "01JCERT0000000000000000000",
        "common_name": "api.example.com",
        "expires_at": T0 + 45 * DAY,
        "created_at": T0,
        "updated_at": T0,
        "watched_since": T0,
        "due_at": T0,
    }
    given = boring | fields
    return Certificate(**({"not_before": given["expires_at"] - 90 * DAY} | given))


def a_policy(*thresholds: object, **fields: Any) -> RenewalPolicy:
    """Make a policy that has always been there."""
    return replace(parse_policy("p1", "a policy", T0, thresholds=thresholds, **fields), since={})


def an_owner(**fields: Any) -> Owner:
    """Make an owner."""
    boring: dict[str, Any] = {"id": "o1", "name": "Ada", "email": "ada@example.com", "created_at": T0, "updated_at": T0}
    return Owner(**(boring | fields))


def a_team(**fields: Any) -> Team:
    """Make a team."""
    boring: dict[str, Any] = {
        "id": "t1",
        "name": "Platform",
        "email": "platform@example.com",
        "created_at": T0,
        "updated_at": T0,
    }
    return Team(**(boring | fields))


SOMEBODY = People(owner=an_owner())
DEFAULT = default_policy(T0)


def hours(days: float) -> Iterable[datetime]:
    """Tick every hour, the first and the last instant included."""
    return (T0 + number * HOUR for number in range(int(days * 24) + 1))


class PaperCheck:
    """The check without storage: what it raised, and when, for one certificate."""

    def __init__(self, people: People = SOMEBODY) -> None:
        self.people = people
        self.marks: dict[str, Mark] = {}
        self.raised: list[tuple[str, datetime]] = []
        self._looked_at: object = None
        self._due_at: datetime | None = None

    def tick(self, certificate: Certificate, policy: RenewalPolicy, now: datetime) -> None:
        """Check once, if it is time to: after a change, or when the last check said."""
        if self._looked_at != (certificate, policy, self.people):
            self._due_at = now
        self._looked_at = (certificate, policy, self.people)
        if self._due_at is not None and self._due_at <= now:
            self._check(certificate, policy, now)

    def _check(self, certificate: Certificate, policy: RenewalPolicy, now: datetime) -> None:
        decisions = decide(certificate, policy, self.people, self.marks, now)
        self._due_at = next_due(replace(certificate, due_at=now), decisions, now)
        for decision in decisions:
            if isinstance(decision, Raise | Superseded | NoChannel | NoRecipient):
                mark = mark_of(decision, certificate, now)
                self.marks[mark.id] = mark if mark.kind.is_final else self.marks.get(mark.id, mark)
            if isinstance(decision, Raise) and isinstance(decision.route, Route):
                self.raised.append((decision.route.key, now))

    def run(self, certificate: Certificate, policy: RenewalPolicy, ticks: Iterable[datetime]) -> "PaperCheck":
        """Check at each tick."""
        for now in ticks:
            self.tick(certificate, policy, now)
        return self

    @property
    def thresholds(self) -> list[str]:
        """Name the thresholds that alerted, in order."""
        return [route.partition(" ")[0] for route, _ in self.raised]
