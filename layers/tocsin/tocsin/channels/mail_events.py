"""What SES says of a mail that it took, as evidence. Pure.

Its configuration set publishes to EventBridge. The tags are those that the mail was sent with; the receipt is the
message id that SES answered. Sources: EventBridge reference, "Amazon Simple Email Service events", for the detail
types; SES developer guide, "Contents of event data that Amazon SES publishes", for what is in them.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from tocsin.delivery.attempt import RECEIPT_LIMIT
from tocsin.delivery.evidence import Evidence, EvidenceKind
from tocsin.errors import MalformedEventError

NOTIFICATION_TAG = "notification_id"
"""The tag by which a mail names its notification."""
STACK_TAG = "stack"
PERMANENT = "Permanent"
"""The type of a final bounce. `Transient`: a full mailbox, a note of absence. `Undetermined`: SES can't tell."""

_Id = Annotated[str, StringConstraints(pattern="^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, hide_input_in_errors=True)


class _Tags(BaseModel):
    notification_id: Annotated[list[_Id], Field(min_length=1, max_length=1)]


class _Mail(_Part):
    message_id: Annotated[str, Field(min_length=1, max_length=RECEIPT_LIMIT)]
    timestamp: AwareDatetime
    """When SES took it."""
    tags: _Tags


class _Moment(_Part):
    timestamp: AwareDatetime | None = None


class _Bounced(_Part):
    diagnostic_code: str | None = None
    """What the receiving server said; foreign."""


class _Bounce(_Moment):
    bounce_type: str
    bounce_sub_type: str = ""
    bounced_recipients: tuple[_Bounced, ...] = ()

    @property
    def reason(self) -> str:
        """Say why, in SES's words and the server's."""
        said = next((one.diagnostic_code for one in self.bounced_recipients if one.diagnostic_code), "")
        kind = "/".join(filter(None, (self.bounce_type, self.bounce_sub_type)))
        return f"bounced ({kind}): {said}" if said else f"bounced ({kind})"


class _Reject(_Part):
    reason: str = ""


class _Failure(_Part):
    error_message: str = ""


class _Detail(_Part):
    mail: _Mail
    bounce: _Bounce | None = None
    complaint: _Moment | None = None
    delivery: _Moment | None = None
    reject: _Reject = _Reject()
    failure: _Failure = _Failure()


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    detail_type: Annotated[str, Field(alias="detail-type")]
    detail: _Detail


def evidence_of(event: Mapping[str, Any]) -> Evidence | None:
    """Read one event; null: it says that nothing is final yet. Raises MalformedEventError, which repeats no value."""
    try:
        read = _Event.model_validate(event)
    except ValidationError as error:
        places = {".".join(map(str, problem["loc"])): problem["msg"] for problem in error.errors(include_input=False)}
        raise MalformedEventError("; ".join(f"{place}: {problem}" for place, problem in places.items())) from None
    detail = read.detail
    match read.detail_type:
        case "Email Delivered":
            return _evidence(detail, EvidenceKind.DELIVERED, detail.delivery)
        case "Email Bounced" if detail.bounce is not None:
            is_final = detail.bounce.bounce_type == PERMANENT
            return _evidence(detail, EvidenceKind.BOUNCED, detail.bounce, detail.bounce.reason) if is_final else None
        case "Email Rejected":
            return _evidence(detail, EvidenceKind.BOUNCED, reason=f"SES rejected it: {detail.reject.reason}")
        case "Email Rendering Failed":
            return _evidence(
                detail, EvidenceKind.BOUNCED, reason=f"it can't be rendered: {detail.failure.error_message}"
            )
        case "Email Complaint Received":
            return _evidence(detail, EvidenceKind.COMPLAINED, detail.complaint)
        case "Email Delivery Delayed":
            return None
    raise MalformedEventError("detail-type: none that this code knows, or without what it is about")


def _evidence(detail: _Detail, kind: EvidenceKind, moment: _Moment | None = None, reason: str = "") -> Evidence:
    return Evidence(
        notification_id=detail.mail.tags.notification_id[0],
        kind=kind,
        at=detail.mail.timestamp,
        receipt=detail.mail.message_id,
        reason=reason,
        happened_at=moment.timestamp if moment else None,
    )
