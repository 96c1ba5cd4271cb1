"""Is what an alert reports still true? Asked again before a retry and before a requeue. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.delivery.notification import Notification
from tocsin.expiry.alert import Mark, message_text, subject_text
from tocsin.expiry.fate import written
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """What an expiry alert stands on."""

    certificate_id: str
    expires_at: datetime
    threshold: Threshold

    @classmethod
    def of(cls, mark: Mark) -> "AlertFacts":
        """Take them from the mark that was written with the alert."""
        return cls(mark.certificate_id, mark.expires_at, mark.threshold)


def still_true(facts: AlertFacts, certificate: Certificate | None) -> str | None:
    """Return None while the alert is true; else say why not. `certificate` is what the inventory has now."""
    if certificate is None:
        return "the certificate was deleted"
    if certificate.revoked_at is not None:
        return "the certificate was revoked"
    if certificate.archived_at is not None:
        return "the certificate was archived"
    if certificate.expires_at != facts.expires_at:
        what = "renewed" if certificate.expires_at > facts.expires_at else "replaced"
        return f"the certificate was {what}: it expires at {written(certificate.expires_at)} now"
    return None


def retold(row: Notification, facts: AlertFacts, certificate: Certificate, now: datetime) -> Notification:
    """Write its words again, true at `now`: for a delivery that comes later than planned."""
    return replace(row, subject=subject_text(certificate, now), message=message_text(certificate, facts.threshold, now))
