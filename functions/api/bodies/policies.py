"""Renewal policies and their simulation as the API shows and takes them."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from fields import Instant, Named, Says, Shown, Strict, ThresholdText, whole
from pydantic import BaseModel, BeforeValidator, Field, JsonValue, StrictBool

from tocsin.delivery.channel_name import CHANNEL_PATTERN, ChannelName
from tocsin.delivery.notification import Severity
from tocsin.expiry.simulation import SimulatedAlert
from tocsin.inventory.occurrences import CertificateEvent
from tocsin.inventory.policy import (
    DEPLOYMENT_GRACE,
    GRACE_LIMIT,
    RENEWAL_DEADLINE_HOURS,
    RENEWAL_DEADLINE_LIMIT,
    RenewalPolicy,
    parse_policy,
)
from tocsin.inventory.thresholds import COUNT_LIMIT, DAYS_LIMIT, Threshold, Unit

_HOUR = timedelta(hours=1)
_GRACE = DEPLOYMENT_GRACE // _HOUR
_CHOICES = 64
"""Severities, and channels of one, in a policy: more than there are, and few enough to be looked at one by one."""


# What `parse_policy` takes, for the description.
_PERCENT = "([1-9][0-9]?|100)%"
_DAYS = "(0|[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-4][0-9]|3650)"
_SEVERITY = {"type": "string", "enum": [*Severity]}
_CHANNEL = {"type": "string", "pattern": CHANNEL_PATTERN}
Thresholds = Annotated[
    list[JsonValue],
    Says(
        {
            "items": {
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": DAYS_LIMIT},
                    {"type": "string", "pattern": f"^{_PERCENT}$"},
                ]
            },
            "maxItems": COUNT_LIMIT,
            "uniqueItems": True,
        }
    ),
]
Severities = Annotated[
    dict[str, str],
    Field(max_length=_CHOICES),
    Says(
        {
            "propertyNames": {"type": "string", "pattern": f"^({_DAYS}|{_PERCENT})$"},
            "additionalProperties": _SEVERITY,
        }
    ),
]
Channels = Annotated[
    dict[str, Annotated[list[str], Field(max_length=_CHOICES)]],
    Field(max_length=_CHOICES),
    Says(
        {
            "propertyNames": _SEVERITY,
            "additionalProperties": {"type": "array", "items": _CHANNEL, "maxItems": _CHOICES, "uniqueItems": True},
        }
    ),
]
Events = Annotated[
    dict[str, str | None],
    Field(max_length=_CHOICES),
    Says(
        {
            "propertyNames": {"type": "string", "enum": [*CertificateEvent]},
            "additionalProperties": {"anyOf": [_SEVERITY, {"type": "null"}]},
        }
    ),
]
Fallbacks = Annotated[
    dict[str, str], Field(max_length=_CHOICES), Says({"propertyNames": _CHANNEL, "additionalProperties": _CHANNEL})
]
RenewBefore = Annotated[
    JsonValue,
    Says(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": DAYS_LIMIT},
                {"type": "string", "pattern": f"^({_PERCENT}|ari)$"},
                {"type": "null"},
            ]
        }
    ),
]


class PolicyIn(Strict):
    """A renewal policy. Thresholds are whole days, or percent of the validity period like "33%"; none: the default."""

    name: Named
    alert_thresholds_days: Thresholds = Field(default_factory=list)
    severities: Severities = Field(default_factory=dict)
    """By threshold, e.g. {"30": "warning"}; the others follow the default."""
    channels: Channels = Field(default_factory=dict)
    """By severity, e.g. {"critical": ["Email", "PagerDuty"]}; the others go by Email."""
    events: Events = Field(default_factory=dict)
    """By event, e.g. {"RenewalSuccess": null, "Revocation": "critical"}: how much it matters; null tells nobody."""
    deployment_grace_hours: Annotated[
        int, Field(ge=1, le=GRACE_LIMIT // _HOUR, strict=True), BeforeValidator(whole)
    ] = _GRACE
    """How long after a renewal a server may serve the old certificate, before that is a DeploymentFailure."""
    fallbacks: Fallbacks = Field(default_factory=dict)
    """By channel, e.g. {"Slack:payments": "Email"}: what can't be delivered by the one goes by the other."""

    renew_before: RenewBefore = None
    """When a renewal is asked for: days before expiry, percent of the validity period, or "ari"; null: never."""
    renewal_deadline_hours: Annotated[
        int, Field(ge=1, le=RENEWAL_DEADLINE_LIMIT, strict=True), BeforeValidator(whole)
    ] = RENEWAL_DEADLINE_HOURS
    """How long it may take until a source sees the renewed certificate."""

    def parsed(self, id: str, now: datetime) -> RenewalPolicy:
        """Read it; raise InvalidFieldsError."""
        return parse_policy(
            id,
            self.name,
            now,
            thresholds=self.alert_thresholds_days,
            severities=self.severities,
            channels=self.channels,
            events=self.events,
            deployment_grace_hours=self.deployment_grace_hours,
            fallbacks=self.fallbacks,
            renew_before=self.renew_before,
            renewal_deadline_hours=self.renewal_deadline_hours,
        )


class PolicyOut(BaseModel):
    """A renewal policy, with what its defaults come to written out."""

    id: str
    name: str
    alert_thresholds_days: list[int | str]
    severities: dict[str, Severity]
    channels: dict[Severity, list[ChannelName]]
    events: dict[CertificateEvent, Severity | None]
    deployment_grace_hours: int
    fallbacks: dict[ChannelName, ChannelName]
    renew_before: int | str | None
    renewal_deadline_hours: int
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
            events={event: policy.severity_of_event(event) for event in CertificateEvent},
            deployment_grace_hours=policy.deployment_grace // _HOUR,
            fallbacks=dict(policy.fallbacks),
            renew_before=_written(policy.renew_before) if isinstance(policy.renew_before, Threshold) else _ari(policy),
            renewal_deadline_hours=policy.renewal_deadline_hours,
            created_at=policy.created_at,
            updated_at=policy.updated_at,
            version=policy.version,
        )


def _ari(policy: RenewalPolicy) -> str | None:
    return None if policy.renew_before is None else str(policy.renew_before)


def _written(threshold: Threshold) -> int | str:
    return threshold.amount if threshold.unit is Unit.DAYS else str(threshold)


class PolicyList(BaseModel):
    """A page, by creation."""

    items: list[PolicyOut]
    next_cursor: str | None


class SimulateIn(PolicyIn):
    """A draft policy and a stretch of time, over the certificates of the policy or over all of them.

    Only thresholds are simulated: what else may happen to a certificate nobody knows before, so `events` says nothing.
    """

    start: Instant
    end: Instant
    all_certificates: StrictBool = False


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
