"""What can happen to a certificate beside its expiry, and what is waited for meanwhile. Pure.

What happened is part of the certificate's record, in the write that noticed it: so nobody has to be told at that very
moment, and a crash loses nothing. The expiry check tells it, once in each cycle (`expiry.plan`).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tocsin.delivery.notification import Severity


class CertificateEvent(StrEnum):
    """What is told beside expiry; also the types of those notifications."""

    RENEWAL_SUCCESS = "RenewalSuccess"
    """A source sees a certificate there that expires later."""
    RENEWAL_FAILURE = "RenewalFailure"
    """Its source says so, whoever renews it says so, or the time that was given for it is over."""
    REVOCATION = "Revocation"
    DEPLOYMENT_SUCCESS = "DeploymentSuccess"
    """A place that was to serve a renewed certificate serves it."""
    DEPLOYMENT_FAILURE = "DeploymentFailure"
    """It still serves the old one, after a grace."""
    POLICY_VIOLATION = "PolicyViolation"
    """It does not keep a rule."""

    @property
    def is_good(self) -> bool:
        """Tell whether nobody has to do anything: it opens no incident, which nobody would close."""
        return self in (CertificateEvent.RENEWAL_SUCCESS, CertificateEvent.DEPLOYMENT_SUCCESS)


EVENT_SEVERITIES = {
    CertificateEvent.RENEWAL_SUCCESS: Severity.INFORMATIONAL,
    CertificateEvent.RENEWAL_FAILURE: Severity.CRITICAL,
    CertificateEvent.REVOCATION: Severity.CRITICAL,
    CertificateEvent.DEPLOYMENT_SUCCESS: Severity.INFORMATIONAL,
    CertificateEvent.DEPLOYMENT_FAILURE: Severity.CRITICAL,
    CertificateEvent.POLICY_VIOLATION: Severity.WARNING,
}
"""How severe each is unless a policy (or the rule) says so."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened in one cycle of a certificate."""

    event: CertificateEvent
    expires_at: datetime
    """The cycle that it is about."""
    at: datetime
    detail: str = ""
    """In words, for the message: one sentence, or none."""
    subject: str = ""
    """What tells it from others of its kind in the same cycle: the id of a rule."""
    severity: Severity | None = None
    """Null: what the policy says of such events."""

    @property
    def identity(self) -> tuple[CertificateEvent, datetime, str]:
        """Name it: what happens again in the same cycle is the same."""
        return self.event, self.expires_at, self.subject


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a certificate does not keep."""

    rule_id: str
    rule: str
    """Its name."""
    severity: Severity
    since: datetime
    detail: str
    """What is wrong, in words."""

    @property
    def told(self) -> str:
        """Say it to somebody who does not have the rule before them."""
        return f"{self.rule}: {self.detail}"


@dataclass(frozen=True, slots=True)
class AwaitedDeployment:
    """A renewed certificate that a place is to serve."""

    identity: str
    """Which certificate: see `Certificate.identity`."""
    since: datetime
    until: datetime
    """The end of the grace."""
    origin: str
    """Who has it already: `certificate/<id>`, `renewal_job/<id>`."""
    failed_at: datetime | None = None
    """When the grace was over."""


@dataclass(frozen=True, slots=True)
class PendingRenewal:
    """The renewal job of a cycle: of the present one, or of the one that it has just ended."""

    job_id: str
    expires_at: datetime
    """Its cycle."""
    look_at: datetime | None = None
    """When it must be looked at: at its deadline, or for another hand-off; null: not while the cycle lasts."""
