"""Is what an alert reports still true, and in which words? Asked just before it is sent, and before a requeue."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from tocsin.delivery.notification import Notification
from tocsin.delivery.send import NoLongerTrue, Retold, Review, Verdict
from tocsin.expiry.alert import Mark, event_message, event_subject, message_text, subject_text
from tocsin.expiry.nouns import nouns_of
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.occurrences import CertificateEvent
from tocsin.text import written


@dataclass(frozen=True, slots=True)
class Standing:
    """What an alert stands on, as it is now."""

    mark: Mark | None
    """What was recorded with the alert; null: it is not one of the expiry check's."""
    certificate: Certificate | None
    """Null: it was deleted."""


class Standings(Protocol):
    """Where what alerts stand on is kept."""

    def standings(self, rows: Sequence[Notification]) -> Mapping[str, Standing]:
        """Read what each of `rows` stands on, by its id."""


def reviewer(alerts: Standings, clock: Callable[[], datetime]) -> Review:
    """Make what `delivery` asks of claimed rows.

    What is not one of the expiry check's own alerts is left as it is: nobody but its sender knows what it stands on.
    """

    def review(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
        try:
            standings = alerts.standings(rows)
        except Exception:  # an alert that may be true must not wait for the inventory to answer
            logging.getLogger(__name__).exception("%d alerts could not be reviewed, and go as they are", len(rows))
            return {}
        now = clock()
        own = [(row, standings[row.id]) for row in rows if row.id in standings]
        return {row.id: verdict(row, on.mark, on.certificate, now) for row, on in own if on.mark is not None}

    return review


def verdict(row: Notification, mark: Mark, certificate: Certificate | None, now: datetime) -> Verdict:
    """Say why `row` is no longer true, or give it in words that are true at `now`: it may come later than planned."""
    reason = why_untrue(mark, certificate)
    if certificate is None or reason is not None:
        return NoLongerTrue(reason or "")
    if mark.threshold is not None:
        subject, message = subject_text(certificate, now), message_text(certificate, mark.threshold, now)
        return Retold(replace(row, subject=subject, message=message))
    identity = (mark.event, mark.expires_at, mark.subject)
    occurrence = next((one for one in certificate.happened if one.identity == identity), None)
    if occurrence is None:
        return Retold(row)
    subject, message = event_subject(certificate, occurrence, now), event_message(certificate, occurrence, now)
    return Retold(replace(row, subject=subject, message=message))


def why_untrue(mark: Mark, certificate: Certificate | None) -> str | None:
    """Say why the alert of `mark` is no longer true of what the inventory has now; null: it is."""
    if mark.event is not None:
        return why_event_over(mark.event, mark.expires_at, mark.subject, certificate)
    return why_over(mark.expires_at, certificate)


def why_event_over(
    event: CertificateEvent, expires_at: datetime, subject: str, certificate: Certificate | None
) -> str | None:
    """Say why it is no longer so that `event` happened in the cycle that ends at `expires_at`; null: it is."""
    if certificate is None or event is not CertificateEvent.REVOCATION or certificate.archived_at is not None:
        over = why_over(expires_at, certificate)
    else:
        over = _why_other(expires_at, certificate)
        if over is None and certificate.revoked_at is None:
            over = "the revocation was taken back"
    if over is not None or certificate is None:
        return over
    if event is CertificateEvent.POLICY_VIOLATION and not any(one.rule_id == subject for one in certificate.violations):
        return f"the {nouns_of(certificate).noun} keeps the rule now"
    awaited = certificate.awaited
    if event is CertificateEvent.DEPLOYMENT_FAILURE and (awaited is None or awaited.failed_at is None):
        return "no other certificate is to be served there now"
    return None


def why_over(expires_at: datetime, certificate: Certificate | None) -> str | None:
    """Say why the cycle that ends at `expires_at` is over by what the inventory has now; null: it is not."""
    if certificate is None:
        return "the certificate was deleted"
    noun = nouns_of(certificate).noun
    if certificate.revoked_at is not None:
        return f"the {noun} was revoked"
    if certificate.archived_at is not None:
        return f"the {noun} was archived"
    if certificate.replaced_at is not None:
        return f"the {noun} was replaced by {certificate.replaced_by}"
    return _why_other(expires_at, certificate)


def _why_other(expires_at: datetime, certificate: Certificate) -> str | None:
    """Say that it is another certificate now, if it is."""
    if certificate.expires_at != expires_at:
        words = nouns_of(certificate)
        what = words.renewed if certificate.expires_at > expires_at else "replaced"
        return f"the {words.noun} was {what}: it {words.ahead} at {written(certificate.expires_at)} now"
    return None
