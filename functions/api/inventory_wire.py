"""Certificates, policies, owners, teams and audit events as the API shows and takes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from wire import Instant, Line, NotificationOut

from tocsin.audit import AuditEvent
from tocsin.certificate import Certificate, CertificateStatus, Source
from tocsin.directory import Owner, Team
from tocsin.explanation import Explanation
from tocsin.notification import ChannelName, Severity
from tocsin.policy import RenewalPolicy, parse_policy
from tocsin.simulation import SimulatedAlert
from tocsin.thresholds import Threshold, Unit

_LIMIT = 1024
_CHOICES = 64
"""Severities, and channels of one, in a policy: more than there are, and few enough to be looked at one by one."""
Name = Annotated[Line, Field(min_length=1, max_length=256)]
Text = Annotated[Line, Field(max_length=_LIMIT)]
Id = Annotated[Line, Field(min_length=1, max_length=256)]
ThresholdText = Annotated[str, BeforeValidator(str)]


class Strict(BaseModel):
    """A body: a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """An answer, read off the attributes of what it shows."""

    model_config = ConfigDict(from_attributes=True)


class CertificateIn(Strict):
    """What a caller says of a certificate. A time needs its zone; an expiry in the past is accepted: it is the fact."""

    common_name: Name
    expires_at: Instant
    names: Annotated[list[Name], Field(max_length=100)] = []
    serial: Annotated[Line, Field(max_length=256)] = ""
    fingerprint_sha256: Annotated[Line, Field(max_length=256)] = ""
    issuer: Text = ""
    not_before: Instant | None = None
    owner_id: Id | None = None
    team_id: Id | None = None
    policy_id: Id | None = None
    renewal_status: Annotated[Line, Field(max_length=256)] = ""
    archived_at: Instant | None = None
    revoked_at: Instant | None = None


class CertificateOut(Shown):
    """A certificate. `status` is that of this moment, under the thresholds of its policy."""

    id: str
    common_name: str
    names: list[str]
    serial: str
    fingerprint_sha256: str
    issuer: str
    not_before: datetime | None
    expires_at: datetime
    status: CertificateStatus
    owner_id: str | None
    team_id: str | None
    policy_id: str | None
    source: Source
    source_ref: str
    renewal_status: str
    chain_verified: bool | None
    chain_problem: str
    archived_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, certificate: Certificate, status: CertificateStatus) -> Self:
        """Show `certificate`."""
        return cls(**{name: getattr(certificate, name) for name in cls.model_fields if name != "status"}, status=status)


class CertificateList(BaseModel):
    """A page, the soonest to expire first."""

    items: list[CertificateOut]
    next_cursor: str | None


class ImportIn(Strict):
    """PEM text: every certificate in it is taken. A private key in it is neither read nor kept."""

    pem: Annotated[str, Field(min_length=1)]
    owner_id: Id | None = None
    team_id: Id | None = None
    policy_id: Id | None = None


class ImportedOut(BaseModel):
    """One certificate of an import, and what it meant: created, renewed, changed, unchanged, outdated."""

    result: str
    certificate: CertificateOut


class ImportOut(BaseModel):
    """All certificates of an import, in their order."""

    items: list[ImportedOut]


class PolicyIn(Strict):
    """A renewal policy. Thresholds are whole days, or percent of the validity period like "33%"; none: the default."""

    name: str
    alert_thresholds_days: list[JsonValue] = []
    severities: Annotated[dict[str, str], Field(max_length=_CHOICES)] = {}
    """By threshold, e.g. {"30": "warning"}; the others follow the default."""
    channels: Annotated[dict[str, Annotated[list[str], Field(max_length=_CHOICES)]], Field(max_length=_CHOICES)] = {}
    """By severity, e.g. {"critical": ["Email", "PagerDuty"]}; the others go by Email."""

    def parsed(self, id_: str, now: datetime) -> RenewalPolicy:
        """Read it; raise InvalidFieldsError."""
        return parse_policy(
            id_,
            self.name,
            now,
            thresholds=self.alert_thresholds_days,
            severities=self.severities,
            channels=self.channels,
        )


class PolicyOut(BaseModel):
    """A renewal policy, with what its defaults come to written out."""

    id: str
    name: str
    alert_thresholds_days: list[int | str]
    severities: dict[str, Severity]
    channels: dict[Severity, list[ChannelName]]
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, policy: RenewalPolicy) -> Self:
        """Show `policy`."""
        return cls(
            id=policy.id,
            name=policy.name,
            alert_thresholds_days=[_written(threshold) for threshold in policy.thresholds],
            severities={str(threshold): policy.severity_of(threshold) for threshold in policy.thresholds},
            channels={severity: list(policy.channels_of(severity)) for severity in Severity},
            created_at=policy.created_at,
            updated_at=policy.updated_at,
            version=policy.version,
        )


def _written(threshold: Threshold) -> int | str:
    return threshold.amount if threshold.unit is Unit.DAYS else str(threshold)


class PolicyList(BaseModel):
    """A page, by creation."""

    items: list[PolicyOut]
    next_cursor: str | None


class SimulateIn(PolicyIn):
    """A draft policy and a stretch of time, over the certificates of the policy or over all of them."""

    start: Instant
    end: Instant
    all_certificates: bool = False


class SimulatedOut(Shown):
    """An alert that would be raised. A null channel: nobody would be told."""

    at: datetime
    certificate_id: str
    common_name: str
    expires_at: datetime
    threshold: ThresholdText
    severity: Severity
    channel: ChannelName | None
    message: str

    @classmethod
    def of(cls, alert: SimulatedAlert) -> Self:
        """Show `alert`."""
        return cls.model_validate(alert)


class SimulationOut(BaseModel):
    """What a draft would raise, in the order of time. Nothing was sent."""

    items: list[SimulatedOut]
    certificates: int
    """How many were looked at."""
    is_complete: bool
    """False: there are more certificates, or more alerts, than one answer holds."""


class ContactIn(Strict):
    """What owners and teams have in common."""

    name: str
    email: str


class OwnerIn(ContactIn):
    """A person."""

    team_id: Id | None = None


class TeamIn(ContactIn):
    """Some people behind one address."""


class TeamOut(Shown):
    """A team."""

    id: str
    name: str
    email: str
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, contact: Owner | Team) -> Self:
        """Show `contact`."""
        return cls.model_validate(contact)


class OwnerOut(TeamOut):
    """An owner."""

    team_id: str | None


class OwnerList(BaseModel):
    """A page, by creation."""

    items: list[OwnerOut]
    next_cursor: str | None


class TeamList(BaseModel):
    """A page, by creation."""

    items: list[TeamOut]
    next_cursor: str | None


class AuditEventOut(Shown):
    """One line of the trail."""

    id: str
    at: datetime
    action: str
    resource: str
    actor: str
    detail: Mapping[str, str]


class AuditEventList(BaseModel):
    """A page, newest first."""

    items: list[AuditEventOut]
    next_cursor: str | None

    @classmethod
    def of(cls, events: list[AuditEvent], after: str | None) -> Self:
        """Show `events`."""
        return cls(items=[AuditEventOut.model_validate(event) for event in events], next_cursor=after)


class ToldOut(Shown):
    """An alert that was raised, and what became of it. `arrived` is null while that is not known."""

    notification_id: str
    expires_at: datetime
    threshold: ThresholdText
    severity: Severity
    channel: ChannelName | None
    recipient: str | None
    raised_at: datetime
    arrived: bool | None
    arrived_at: datetime | None
    fate: str


class FindingOut(Shown):
    """Why nobody is alerted (again) by a route. A null `since`: it is so at present, and nothing was recorded."""

    threshold: str | None
    channel: ChannelName | None
    reason: str
    since: datetime | None


class NextOut(Shown):
    """What comes next."""

    at: datetime
    threshold: ThresholdText
    severity: Severity
    channel: ChannelName | None


class ExplanationOut(BaseModel):
    """Was anybody alerted, about what, when, did it arrive; what comes next; and if nothing was sent, why not."""

    status: CertificateStatus
    policy: str
    problems: list[str]
    summary: str
    told: list[ToldOut]
    findings: list[FindingOut]
    next: NextOut | None

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Show `explanation`."""
        return cls(
            status=explanation.status,
            policy=explanation.policy,
            problems=list(explanation.problems),
            summary=explanation.summary,
            told=[ToldOut.model_validate(one) for one in explanation.told],
            findings=[
                FindingOut(
                    threshold=str(one.threshold) if one.threshold else None,
                    channel=one.channel,
                    reason=one.reason,
                    since=one.since,
                )
                for one in explanation.findings
            ],
            next=NextOut.model_validate(explanation.next) if explanation.next else None,
        )


class CertificateNotifications(BaseModel):
    """A page of the alerts of one certificate, the latest cycle first."""

    items: list[NotificationOut]
    next_cursor: str | None


class SourceOut(BaseModel):
    """A source of certificates, and whether it can be read."""

    source: str
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    last_failure: str | None


class SourceList(BaseModel):
    """All sources that were ever tried."""

    items: list[SourceOut]
    next_cursor: str | None
