"""One alert: its id, its words, and the mark that keeps it from being raised twice. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ulid import ULID

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Severity
from tocsin.expiry.nouns import CERTIFICATE, Nouns, nouns_of
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.occurrences import CertificateEvent, Occurrence
from tocsin.inventory.thresholds import Threshold
from tocsin.text import bounded, written

ACTOR = "expiry_check"
"""Who raises alerts, as the audit trail and the alert itself name it."""
ALERT_TYPE = "ExpirationWarning"
CYCLE_LENGTH = 10
"""Characters at the start of an alert's id that name the cycle: the time part of a ULID."""
SUBJECT_LIMIT = 200
"""Bytes; mail programs show fewer."""
_TEXT_LIMIT = 256
"""Bytes of each piece of foreign text in a message."""
_NAME_IN_SUBJECT = 64
"""Bytes of each name in a subject, so that both, and what happened, stand in it."""
_DETAIL_LIMIT = 1024
"""Bytes of the sentence that says what happened."""


class MarkKind(StrEnum):
    """What was decided about one threshold, or one event, through one channel, in one cycle."""

    RAISED = "raised"
    SUPERSEDED = "superseded"
    """First seen late: a more urgent threshold was crossed already, and stands for it."""
    NO_CHANNEL = "no_channel"
    """The policy gives its severity no channel."""
    NO_RECIPIENT = "no_recipient"
    """Nobody to write to; raised as soon as there is."""

    @property
    def is_final(self) -> bool:
        """Tell whether nothing can follow it in the same cycle."""
        return self in (MarkKind.RAISED, MarkKind.SUPERSEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A recorded decision. `id` is also the notification's, where one was raised."""

    id: str
    kind: MarkKind
    certificate_id: str
    expires_at: datetime
    """The cycle: a renewed certificate has another."""
    severity: Severity
    channel: ChannelName | None
    at: datetime
    threshold: Threshold | None = None
    """Which one was crossed; null: it is about an event."""
    event: CertificateEvent | None = None
    subject: str = ""
    """What tells it from other such events of the cycle: the id of a rule."""
    superseded_by: Threshold | None = None

    @property
    def about(self) -> str:
        """Name what was decided about, e.g. `14` or `RenewalSuccess`."""
        return about(self.threshold, self.event, self.subject)


def about(threshold: Threshold | None, event: CertificateEvent | None, subject: str = "") -> str:
    """Name a threshold, or an event and what tells it from others."""
    if event is not None:
        return f"{event} {subject}".rstrip()
    return "what can't be read" if threshold is None else str(threshold)


def alert_id(certificate_id: str, expires_at: datetime, threshold: Threshold, channel: ChannelName | None) -> str:
    """Derive the id of an alert: a ULID whose time part is the cycle, and whose rest is a hash of all four."""
    instant = expires_at.astimezone(UTC).isoformat()
    return derived_id(expires_at, "\n".join((certificate_id, instant, str(threshold), channel or "-")))


def occurrence_id(certificate_id: str, occurrence: Occurrence, channel: ChannelName | None) -> str:
    """Derive the id of what tells of an event: once for each certificate, cycle, event, subject and channel."""
    instant = occurrence.expires_at.astimezone(UTC).isoformat()
    parts = (certificate_id, instant, occurrence.event, occurrence.subject, channel or "-")
    return derived_id(occurrence.expires_at, "\n".join(parts))


def derived_id(at: datetime, text: str) -> str:
    """Derive an id: a ULID of that instant (to the millisecond), whose rest is a hash of `text`."""
    return cycle_of(at) + str(ULID(hashlib.sha256(text.encode()).digest()[:16]))[CYCLE_LENGTH:]


def cycle_of(expires_at: datetime) -> str:
    """Name a cycle by its expiry, to the millisecond: what all ids of its alerts begin with."""
    milliseconds = max(0, int(expires_at.timestamp() * 1000))  # a ULID's time begins in 1970
    return str(ULID.from_bytes(milliseconds.to_bytes(6, "big") + bytes(10)))[:CYCLE_LENGTH]


def subject_text(certificate: Certificate, now: datetime) -> str:
    """Give a subject that is true at `now`."""
    words = nouns_of(certificate)
    left = remaining_text(certificate.expires_at, now, words)
    return bounded(f"[Tocsin] {words.in_subject}{certificate.common_name} {left}", SUBJECT_LIMIT)


def message_text(certificate: Certificate, threshold: Threshold, now: datetime) -> str:
    """Give a message that is true at `now`: how much time is left is counted from then, not from the threshold."""
    name = bounded(certificate.common_name, _TEXT_LIMIT)
    at = written(certificate.expires_at)
    words = nouns_of(certificate)
    first = f"{threshold.tag} {words.what} {name} {remaining_text(certificate.expires_at, now, words)}, at {at}."
    return "\n".join([first, *_facts(certificate)])


_HAPPENED = {
    CertificateEvent.RENEWAL_SUCCESS: "{name} was renewed, and {left}",
    CertificateEvent.RENEWAL_FAILURE: "{name} was not renewed, and {left}",
    CertificateEvent.REVOCATION: "{name} was revoked",
    CertificateEvent.DEPLOYMENT_SUCCESS: "{place} serves the renewed certificate of {name}",
    CertificateEvent.DEPLOYMENT_FAILURE: "{place} still serves the old certificate of {name}, which {left}",
    CertificateEvent.POLICY_VIOLATION: "{name} does not keep a rule",
}
"""What happened, in a subject."""
_NEXT = {
    CertificateEvent.RENEWAL_FAILURE: "Next: find out why (whoever renews it has the error), or renew it by hand.",
    CertificateEvent.REVOCATION: "Clients that look it up refuse it from now on, however long it is valid. "
    "Next: put another certificate in its place, and find out who revoked it and why.",
    CertificateEvent.DEPLOYMENT_FAILURE: "Clients still get the old one. "
    "Next: give the new one to what answers there (a server, a load balancer, a CDN), and reload that; "
    "one of several behind one name may have been left out.",
    CertificateEvent.POLICY_VIOLATION: "Next: have it issued anew so that it keeps the rule, or change the rule.",
}
"""What to do; of good news nothing is to be done."""
_NOTHING = "There is nothing to do."


def event_subject(certificate: Certificate, occurrence: Occurrence, now: datetime) -> str:
    """Give the subject of what tells of an event, true at `now`."""
    return bounded(f"[Tocsin] {_happened(certificate, occurrence, now)}", SUBJECT_LIMIT)


def event_message(certificate: Certificate, occurrence: Occurrence, now: datetime) -> str:
    """Give a message that is true at `now`: what happened, where, what to do, and the facts."""
    what = nouns_of(certificate).what
    first = f"[{occurrence.event}] {_happened(certificate, occurrence, now, f'{what} ')}."
    detail = [bounded(occurrence.detail, _DETAIL_LIMIT)] if occurrence.detail else []
    it = "What is served there" if occurrence.event is CertificateEvent.DEPLOYMENT_FAILURE else "It"
    left = remaining_text(certificate.expires_at, now, nouns_of(certificate))
    how_long = f"{it} {left}, at {written(certificate.expires_at)}."
    return "\n".join([first, *detail, how_long, _NEXT.get(occurrence.event, _NOTHING), *_facts(certificate)])


def _happened(certificate: Certificate, occurrence: Occurrence, now: datetime, whose: str = "") -> str:
    """Say it in a sentence without its end; `whose` stands before the name of what has words of its own."""
    words = nouns_of(certificate)
    own = words.happened.get(occurrence.event)
    sentence = _HAPPENED[occurrence.event] if own is None else f"{whose or words.in_subject}{{name}} {own}"
    return sentence.format(
        name=bounded(certificate.common_name, _NAME_IN_SUBJECT),
        place=bounded(certificate.source_ref or certificate.common_name, _NAME_IN_SUBJECT),
        left=remaining_text(certificate.expires_at, now, words),
    )


def _facts(certificate: Certificate) -> list[str]:
    facts = (
        ("Renewal", certificate.renewal_status),
        ("Found at", certificate.source_ref),
        ("In use by", ", ".join(certificate.in_use_by)),
        ("Issuer", certificate.issuer),
        ("Serial", certificate.serial),
        ("SHA-256", certificate.fingerprint_sha256),
        ("Id", certificate.id),
    )
    return [f"{label}: {bounded(value, _TEXT_LIMIT)}" for label, value in facts if value]


def remaining_text(expires_at: datetime, now: datetime, words: Nouns = CERTIFICATE) -> str:
    """Say how far off expiry is, e.g. `expires in 6 days 23 hours` or `expired 2 hours ago`."""
    left = expires_at - now
    if left > timedelta():
        return f"{words.ahead} in {_duration(left)}"
    return f"{words.behind} just now" if left > -timedelta(minutes=1) else f"{words.behind} {_duration(-left)} ago"


def _duration(time: timedelta) -> str:
    """Write the two largest units, rounded down: what is said to be left is never more than there is."""
    if time < timedelta(minutes=1):
        return "less than a minute"
    minutes = int(time.total_seconds()) // 60
    days, hours = minutes // (24 * 60), minutes // 60 % 24
    if days:
        return " ".join(_counted([(days, "day"), (hours, "hour")]))
    return " ".join(_counted([(hours, "hour"), (minutes % 60, "minute")]))


def _counted(parts: list[tuple[int, str]]) -> list[str]:
    return [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
