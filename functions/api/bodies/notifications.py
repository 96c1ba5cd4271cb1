"""Notifications as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Self

from fields import Line, storable
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic.functional_validators import AfterValidator

from tocsin.bootstrap import resources
from tocsin.delivery.attempt import Attempt, AttemptClass
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import MESSAGE_LIMIT, Notification, Outcome, Severity, Status

TYPE_PATTERN = (
    "^(ExpirationWarning|RenewalSuccess|RenewalFailure|DeploymentSuccess|DeploymentFailure|PolicyViolation|Revocation"
    "|Custom:[A-Za-z0-9_.-]{1,64})$"
)


def _fits(text: str) -> str:
    if len(text.encode()) > MESSAGE_LIMIT:
        raise ValueError(f"is over {MESSAGE_LIMIT} bytes of UTF-8")
    return text


Message = Annotated[str, StringConstraints(min_length=1), AfterValidator(storable), AfterValidator(_fits)]
Type = Annotated[str, StringConstraints(pattern=TYPE_PATTERN)]


class NewNotification(BaseModel):
    """What a caller says of an alert."""

    model_config = ConfigDict(extra="forbid")

    type: Type
    channel: ChannelName
    recipient: Annotated[Line, Field(max_length=2048, validate_default=True)] = ""
    subject: Annotated[Line, Field(max_length=256)] = ""
    message: Message
    severity: Severity = Severity.INFORMATIONAL
    certificate_id: Annotated[Line, Field(min_length=1, max_length=256)] | None = None

    @field_validator("recipient")
    @classmethod
    def _check_recipient(cls, recipient: str, others: ValidationInfo) -> str:
        channel = others.data.get("channel")  # absent where it is wrong itself
        if channel and (problem := resources.settings().reach.problem(channel, recipient)):
            raise ValueError(problem)
        return recipient


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
    attempts: list[AttemptOut]

    @classmethod
    def of(cls, row: Notification) -> Self:
        """Show `row`."""
        fields = {name: getattr(row, name) for name in cls.model_fields if name not in ("attempts", "max_attempts")}
        limit = resources.settings().delivery.retry_of(row).max_attempts
        return cls(**fields, max_attempts=limit, attempts=[AttemptOut.of(attempt) for attempt in row.attempts])


class NotificationList(BaseModel):
    """A page, newest first. `next_cursor` is null at the end; a page may be empty and still have a next one.

    `searched_until` says how far this page got: all that match and were created (or died, in a list of dead ones) since
    then are in this page and those before it. Null at the end.
    """

    items: list[NotificationOut]
    next_cursor: str | None
    searched_until: datetime | None = None
