"""The audit trail: who did what to which thing, and when. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from ulid import ULID

from tocsin.text import bounded

DETAIL_LIMIT = 512
"""Bytes of UTF-8 kept of each value of an event's detail."""


class Action(StrEnum):
    """What somebody can do."""

    ALERT_SENT = "expiration_alert_sent"
    """An alert was created, in the same write. Whether it arrived is the notification's own history."""
    EVENT_ALERTED = "certificate_event_alerted"
    """A notification of something that happened to a certificate was created, in the same write."""
    CERTIFICATE_CREATED = "certificate_created"
    CERTIFICATE_UPDATED = "certificate_updated"
    CERTIFICATE_RENEWED = "certificate_renewed"
    CERTIFICATE_ARCHIVED = "certificate_archived"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_DELETED = "certificate_deleted"
    CERTIFICATE_REPLACED = "certificate_replaced"
    CERTIFICATE_JUDGED = "certificate_judged"
    """It keeps a rule that it did not keep, or the other way round, or violates one for another reason."""
    RENEWAL_REQUESTED = "renewal_requested"
    RENEWAL_REPORTED = "renewal_reported"
    """Who renews it said how far that is."""
    RENEWAL_SUCCEEDED = "renewal_succeeded"
    """A source has seen the renewed certificate."""
    RENEWAL_OVERDUE = "renewal_overdue"
    RENEWAL_CANCELLED = "renewal_cancelled"
    RULE_CREATED = "policy_created"
    RULE_UPDATED = "policy_updated"
    RULE_DELETED = "policy_deleted"
    POLICY_CREATED = "renewal_policy_created"
    POLICY_UPDATED = "renewal_policy_updated"
    POLICY_DELETED = "renewal_policy_deleted"
    OWNER_CREATED = "owner_created"
    OWNER_UPDATED = "owner_updated"
    OWNER_DELETED = "owner_deleted"
    TEAM_CREATED = "team_created"
    TEAM_UPDATED = "team_updated"
    TEAM_DELETED = "team_deleted"
    NOTIFICATION_REQUEUED = "notification_requeued"
    NOTIFICATION_READ = "notification_read"
    AGENT_CREATED = "agent_created"
    """A host reported its certificates for the first time."""
    AGENT_DELETED = "agent_deleted"
    REQUEUE_JOB_STARTED = "requeue_job_started"
    REQUEUE_JOB_CANCELLED = "requeue_job_cancelled"
    CHANNEL_TESTED = "channel_tested"
    """Somebody asked for one message by a channel; written before it is sent."""
    RECIPIENT_COMPLAINED = "recipient_complained"
    """Whom a notification went to complained of it, as mail readers do by marking a mail as spam."""


class Kind(StrEnum):
    """What things are done to. With an id it names a resource: `certificate/<id>`."""

    CERTIFICATE = "certificate"
    POLICY = "renewal_policy"
    OWNER = "owner"
    TEAM = "team"
    NOTIFICATION = "notification"
    CHANNEL = "channel"
    REQUEUE_JOB = "requeue_job"
    RULE = "policy"
    """A compliance policy: one rule that certificates keep or violate."""
    RENEWAL_JOB = "renewal_job"
    AGENT = "agent"
    ISSUER = "issuer"

    def resource(self, id_: str) -> str:
        """Name one of them."""
        return f"{self}/{id_}"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the trail. It never changes."""

    id: str
    at: datetime
    action: str
    resource: str
    actor: str
    """Who did it: an IAM principal, or a part of Tocsin such as `expiry_check`."""
    detail: Mapping[str, str]


def event(action: Action, resource: str, actor: str, at: datetime, **detail: str) -> AuditEvent:
    """Write a line. Its id is derived from all that it says, so the same line written twice is one."""
    kept = {name: bounded(value, DETAIL_LIMIT) for name, value in detail.items()}
    text = json.dumps([action, resource, actor, at.isoformat(), kept], sort_keys=True)
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return AuditEvent(str(ULID.from_datetime(at))[:10] + str(ULID(digest[:16]))[10:], at, action, resource, actor, kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilters:
    """What a list of events may be narrowed to. `after` is inclusive, `before` exclusive."""

    resource: str | None = None
    action: str | None = None
    after: datetime | None = None
    before: datetime | None = None

    @property
    def digest(self) -> str:
        """Name these filters in a cursor, so that it can't be used with others."""
        text = json.dumps(["audit", asdict(self)], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def match(self, found: AuditEvent) -> bool:
        """Tell whether `found` is wanted."""
        return (
            self.resource in (None, found.resource)
            and self.action in (None, found.action)
            and (self.after is None or found.at >= self.after)
            and (self.before is None or found.at < self.before)
        )
