"""How long a certificate may live, and how early it must be renewed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

from tocsin.inventory.certificate import Certificate
from tocsin.inventory.rules.requirement import Reading, Requirement, RuleType
from tocsin.inventory.thresholds import DAYS_LIMIT, Threshold, Unit, parse_threshold
from tocsin.text import written

CABF = "cabf"
CALENDAR = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
)
"""Days that a certificate for servers may live that is issued from each instant on.

Source: CA/Browser Forum, Baseline Requirements, 6.3.2, as ballot SC-081v3 has it.
"""
BEFORE_CALENDAR = 398
"""Days before the first of them: of certificates that were issued since 2020-09-01."""
_INCLUSIVE = timedelta(seconds=1)
"""Both ends of a validity period belong to it (RFC 5280, 4.1.2.5; Baseline Requirements, 1.6.1, "Validity Period")."""


@dataclass(frozen=True, slots=True)
class RenewalLeadTime(Requirement):
    """It is renewed that long before it expires: from that instant on it violates this, until it is.

    A percentage is of its validity period; where the beginning of that is not known, it violates nothing.
    """

    lead_time: Threshold

    type: ClassVar[RuleType] = RuleType.RENEWAL_LEAD_TIME

    @classmethod
    def read(cls, config: Reading) -> Self:
        """Read `lead_time`: days, or a text like "33%"."""
        said = config.plain("lead_time")
        found = "is missing" if said is None else parse_threshold(said)
        if isinstance(found, str):
            config.wrong("lead_time", found)
            return cls(Threshold(0))
        return cls(found)

    @property
    def config(self) -> dict[str, object]:
        """Give what `read` reads."""
        is_days = self.lead_time.unit is Unit.DAYS
        return {"lead_time": self.lead_time.amount if is_days else str(self.lead_time)}

    def violation(self, certificate: Certificate) -> str | None:
        """Say by when it had to be renewed."""
        at = self.begins_at(certificate)
        return None if at is None else f"It had to be renewed by {written(at)}."

    def begins_at(self, certificate: Certificate) -> datetime | None:
        """Give the instant at which the lead time begins; null: nobody knows of what it is a percentage."""
        if self.lead_time.unit is Unit.PERCENT and not _is_dated(certificate):
            return None
        return self.lead_time.crosses_at(certificate)

    def impossible(self) -> str | None:
        """Say that it begins when the certificate does."""
        is_whole = self.lead_time == Threshold(100, Unit.PERCENT)
        return "A certificate would have to be renewed from its first instant on." if is_whole else None


@dataclass(frozen=True, slots=True)
class MaximumLifetime(Requirement):
    """From the beginning of its validity to the end of it is at most so long.

    Null days: what browsers take of public certificates, by the calendar of the CA/Browser Forum and by the instant
    from which it is valid. There, as there is written, both ends count: 398 days end a second before the 398th is over
    (Baseline Requirements, 6.3.2). A number of days is the time between both ends.
    """

    days: int | None = None

    type: ClassVar[RuleType] = RuleType.MAXIMUM_LIFETIME

    @classmethod
    def read(cls, config: Reading) -> Self:
        """Read `days`: a number, or "cabf"."""
        said = config.plain("days")
        if said == CABF:
            return cls()
        if said is None:
            config.wrong("days", "is missing")
        elif isinstance(said, str):
            config.wrong("days", f'must be a whole number from 1 to {DAYS_LIMIT}, or "{CABF}"')
        else:
            return cls(config.count("days", 1, DAYS_LIMIT))
        return cls()

    @property
    def config(self) -> dict[str, object]:
        """Give what `read` reads."""
        return {"days": CABF if self.days is None else self.days}

    def violation(self, certificate: Certificate) -> str | None:
        """Say that it lives too long."""
        begins = certificate.not_before
        if begins is None or not _is_dated(certificate):
            return None
        lives = certificate.expires_at - begins + (_INCLUSIVE if self.days is None else timedelta())
        most = self.days_at(begins)
        if lives <= timedelta(days=most):
            return None
        return f"It is valid from {written(begins)} to {written(certificate.expires_at)}: more than {most} days."

    def days_at(self, issued: datetime) -> int:
        """Say how many days one may live that is issued then."""
        if self.days is not None:
            return self.days
        return next((days for since, days in CALENDAR if issued >= since), BEFORE_CALENDAR)


def no_time_between(one: Requirement, other: Requirement, now: datetime) -> str | None:
    """Say that a certificate that is issued at `now` may not live until it must be renewed; null: it may."""
    if isinstance(one, MaximumLifetime):
        one, other = other, one
    if not (isinstance(one, RenewalLeadTime) and isinstance(other, MaximumLifetime)):
        return None
    lead, most = one.lead_time, other.days_at(now)
    if lead.unit is Unit.PERCENT or most > lead.amount:
        return None
    return f"A certificate may live {most} days, and has to be renewed {lead.amount} days before it expires."


def _is_dated(certificate: Certificate) -> bool:
    """Tell whether its validity period is known, and makes sense."""
    return certificate.not_before is not None and certificate.not_before < certificate.expires_at
