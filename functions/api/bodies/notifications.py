"""Notifications as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Self

from fields import ULID_PATTERN, Line, Says, Shown, Strict, storable
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic.functional_validators import AfterValidator

from tocsin.bootstrap import resources
from tocsin.delivery.attempt import Attempt, AttemptClass
from tocsin.delivery.channel_name import ChannelKind, ChannelName, Target
from tocsin.delivery.hand_off import RENEWAL_REQUESTED
from tocsin.delivery.notification import MESSAGE_LIMIT, Act, Notification, Outcome, Severity, Status
from tocsin.delivery.recipient import EMAIL_LIMIT, EMAIL_PATTERN, TOPIC_PATTERN

KEEP_INCIDENTS = (ChannelKind.PAGERDUTY, ChannelKind.OPSGENIE, ChannelKind.JSM)
"""Kinds at which something that was opened can be acknowledged and resolved."""
TYPE_PATTERN = (
    "^(ExpirationWarning|RenewalSuccess|RenewalFailure|DeploymentSuccess|DeploymentFailure|PolicyViolation|Revocation"
    "|Custom:[A-Za-z0-9_.-]{1,64})$"
)


def _fits(text: str) -> str:
    if len(text.encode()) > MESSAGE_LIMIT:
        raise ValueError(f"is over {MESSAGE_LIMIT} bytes of UTF-8")
    return text


_MESSAGE = Says(
    {
        "maxLength": MESSAGE_LIMIT,
        "description": f"At most {MESSAGE_LIMIT:,} bytes of UTF-8, in which a character has one to four.",
    }
)
Message = Annotated[str, StringConstraints(min_length=1), AfterValidator(storable), AfterValidator(_fits), _MESSAGE]
Type = Annotated[str, StringConstraints(pattern=TYPE_PATTERN)]
AnyType = Annotated[str, StringConstraints(pattern=TYPE_PATTERN.replace("^(", f"^({RENEWAL_REQUESTED}|"))]
"""Of what there is: nobody but Tocsin itself asks for renewals."""


Recipient = Annotated[Line, Field(max_length=2048, validate_default=True)]


def _of_kind(*kinds: ChannelKind) -> dict[str, object]:
    """Describe a body whose channel is one of `kinds`."""
    return {"required": ["channel"], "properties": {"channel": {"pattern": f"^({'|'.join(kinds)})(:|$)"}}}


_URL = r"^https://([A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?\.){1,3}[A-Za-z]{2,40}(:[1-9][0-9]{0,3})?(/[!-\[\]-~]*)?$"
RECIPIENTS: list[dict[str, object]] = [
    {
        "if": _of_kind(ChannelKind.EMAIL),
        "then": {
            "required": ["recipient"],
            "properties": {"recipient": {"pattern": EMAIL_PATTERN, "maxLength": EMAIL_LIMIT}},
        },
    },
    {
        "if": _of_kind(ChannelKind.WEBHOOK),
        "then": {"properties": {"recipient": {"anyOf": [{"const": ""}, {"pattern": _URL}]}}},
    },
    {
        "if": _of_kind(ChannelKind.SNS),
        "then": {"properties": {"recipient": {"anyOf": [{"const": ""}, {"pattern": TOPIC_PATTERN}]}}},
    },
]
"""What recipient a channel takes, for the description; which hosts and domains, is the stack's own matter."""
_ACTS: dict[str, object] = {
    "if": {"required": ["act"], "properties": {"act": {"enum": [Act.ACKNOWLEDGE, Act.RESOLVE]}}},
    "then": {
        "required": ["about"],
        "properties": {"about": {"type": "string", "pattern": ULID_PATTERN}, **_of_kind(*KEEP_INCIDENTS)["properties"]},
    },
    "else": {"properties": {"about": {"type": "null"}}},
}


def _fit(recipient: str, others: ValidationInfo) -> str:
    """Refuse a recipient that its channel can't take."""
    channel = others.data.get("channel")  # absent where it is wrong itself
    if channel and (problem := resources.settings().reach.problem(channel, recipient)):
        raise ValueError(problem)
    return recipient


class TargetIn(Strict):
    """Where a notification goes if its own channel can't deliver it."""

    model_config = ConfigDict(json_schema_extra={"allOf": RECIPIENTS})

    channel: ChannelName
    recipient: Recipient = ""

    check_recipient = field_validator("recipient")(_fit)


class NewNotification(BaseModel):
    """What a caller says of an alert."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"allOf": [*RECIPIENTS, _ACTS]})

    type: Type
    channel: ChannelName
    recipient: Recipient = ""
    subject: Annotated[Line, Field(max_length=256)] = ""
    message: Message
    severity: Severity = Severity.INFORMATIONAL
    certificate_id: Annotated[Line, Field(min_length=1, max_length=256)] | None = None

    fallback: TargetIn | None = None
    act: Act = Act.TRIGGER
    about: Annotated[Annotated[Line, Field(max_length=64)] | None, Field(validate_default=True)] = None
    """The notification that opened what this one acknowledges or resolves."""

    check_recipient = field_validator("recipient")(_fit)

    @field_validator("fallback")
    @classmethod
    def _check_fallback(cls, fallback: TargetIn | None, others: ValidationInfo) -> TargetIn | None:
        if fallback and (fallback.channel, fallback.recipient) == (
            others.data.get("channel"),
            others.data.get("recipient"),
        ):
            raise ValueError("is where the notification goes anyway")
        return fallback

    @field_validator("act")
    @classmethod
    def _check_act(cls, act: Act, others: ValidationInfo) -> Act:
        channel = others.data.get("channel")
        if act is not Act.TRIGGER and channel and channel.kind not in KEEP_INCIDENTS:
            raise ValueError(f"is for {', '.join(KEEP_INCIDENTS)}: {channel.kind} keeps nothing open")
        return act

    @field_validator("about")
    @classmethod
    def _check_about(cls, about: str | None, others: ValidationInfo) -> str | None:
        act = others.data.get("act", Act.TRIGGER)
        if about is None and act is not Act.TRIGGER:
            raise ValueError(f"must be the id of the notification that opened what this is to {act}")
        if about is not None and others.data.get("act") is Act.TRIGGER:
            raise ValueError("is for acknowledge and resolve: a trigger opens something of its own")
        return about

    @property
    def target(self) -> Target | None:
        """Give the fallback as delivery has it."""
        return Target(self.fallback.channel, self.fallback.recipient) if self.fallback else None


class Why(Strict):
    """Why somebody does something: for the audit trail."""

    reason: Annotated[Line, Field(min_length=1, max_length=512)] | None = None


class TargetOut(Shown):
    """Where a notification goes if its own channel can't deliver it."""

    channel: ChannelName
    recipient: str


class DeferredOut(BaseModel):
    """Why a notification waits with no attempt spent. A null `by`: its service takes no more just now."""

    by: str | None
    reason: str | None
    since: datetime
    until: datetime | None

    @classmethod
    def of(cls, row: Notification) -> Self | None:
        """Show why `row` waits; null: it does not."""
        if not row.is_deferred:
            return None
        until = row.due_at if row.deferred_by else row.claimed_until
        return cls(by=row.deferred_by, reason=row.last_error, since=row.updated_at, until=until)


class AttemptOut(BaseModel):
    """One attempt of the history."""

    number: int
    started_at: datetime
    duration_ms: int
    result: AttemptClass
    http_status: int | None
    error: str | None
    next_retry_at: datetime | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Show `attempt`."""
        return cls.model_validate(attempt, from_attributes=True)


class NotificationOut(BaseModel):
    """A notification. Times are RFC 3339 in UTC."""

    id: str
    type: str
    channel: ChannelName
    recipient: str
    subject: str
    message: str
    severity: Severity
    certificate_id: str | None
    created_by: str | None
    status: Status
    outcome: Outcome | None
    retry_count: int
    max_attempts: int
    next_retry_at: datetime | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    read_at: datetime | None
    complained_at: datetime | None
    act: Act
    about: str | None
    fallback: TargetOut | None
    resolved_by: str | None
    """The notification that closes what this one opened."""
    fallback_of: str | None
    fell_back_to: str | None
    deferred: DeferredOut | None
    attempts: list[AttemptOut]

    @classmethod
    def of(cls, row: Notification) -> Self:
        """Show `row`."""
        made = {
            "max_attempts": resources.settings().delivery.retry_of(row).max_attempts,
            "fallback": row.fallback and TargetOut.model_validate(row.fallback),
            "deferred": DeferredOut.of(row),
            "attempts": [AttemptOut.of(attempt) for attempt in row.attempts],
        }
        return cls(**{name: getattr(row, name) for name in cls.model_fields if name not in made}, **made)


class NotificationList(BaseModel):
    """A page, newest first. `next_cursor` is null at the end; a page may be empty and still have a next one.

    `searched_until` says how far this page got: all that match and were created (or died, in a list of dead ones) since
    then are in this page and those before it. Null at the end.
    """

    items: list[NotificationOut]
    next_cursor: str | None
    searched_until: datetime | None = None
