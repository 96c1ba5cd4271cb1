"""EventBridge: one event on a bus; what rules make of it is the bus's affair.

An answer of 200 may still say that the entry failed, and why (API reference, PutEvents and PutEventsResultEntry; that
the source, the detail's type and the detail are needed says PutEventsRequestEntry). EventBridge drops no copies: the
key is `detail.id`. It sends data, not words, so there are no templates for it. What asks for a renewal goes to the
stack's own bus, which needs no configuration. For a bus of the account that is not there EventBridge answers with an
event's id (aws/aws-sdk#186, aws/aws-cli#9186): that is accepted like any other.

| what happened                                                                             | class     |
|-------------------------------------------------------------------------------------------|-----------|
| the entry has an event id                                                                 | accepted  |
| `ThrottlingException` and its like                                                        | throttled |
| `InternalFailure`, `InternalException`, 5xx, a code that nobody documents                 | retryable |
| no permission on the bus, for the source or for the detail's type; no such bus or account | broken    |
| `InvalidArgument`, `MalformedDetail`, `RedactionFailure`; an event that is too large      | permanent |
| no answer; one with neither an id nor a code                                              | unknown   |
"""

import json
import re
from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import AfterValidator

from tocsin.channels.aws import BROKEN_CODES, THROTTLING_CODES, asked, code_of
from tocsin.channels.channel import ChannelSettings, Tools, broken, permanent, retryable, unknown
from tocsin.channels.document import ChannelDocument
from tocsin.channels.incident import fitted, links_of
from tocsin.channels.webhook import event_data
from tocsin.delivery.attempt import RECEIPT_LIMIT, Accepted, Broken, Refused, SendResult, Throttled
from tocsin.delivery.hand_off import is_hand_off
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Notification
from tocsin.text import bounded

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import (
        PutEventsRequestEntryTypeDef,
        PutEventsResponseTypeDef,
        PutEventsResultEntryTypeDef,
    )

DEFAULT_BUS = "default"
OWN_BUS = "own-bus"
"""What the circuit of the stack's own bus is named by."""
DETAIL_TYPE = "Tocsin Notification"
HAND_OFF_DETAIL_TYPE = "Renewal Requested"
DETAIL_TYPE_LIMIT = 128
"""Characters (API reference, PutEventsRequestEntry)."""
ENTRY_LIMIT = 256 * 1024
"""Bytes that an entry must stay below, as the user guide has it (Calculating PutEvents event entry size); the service's
model says 1 MB. A message is at most 32 KB, and each byte of it at most 6 of JSON, so what was accepted always fits."""

_BUS = re.compile(r"(arn:aws[a-z-]*:events:[a-z]+-[a-z]+-[a-z0-9-]+:[0-9]{12}:event-bus/)?[._A-Za-z0-9-]{1,256}")
"""A name or an ARN, and no partner's (API reference, PutEventsRequestEntry, EventBusName)."""
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_OF_AWS = "aws."
"""What begins the sources of AWS's own events; nobody else may use it."""
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{0,12}:[!-~]{1,1024}")

_PERMANENT_CODES = frozenset({"InvalidArgument", "MalformedDetail", "RedactionFailure"})
"""What this very event will always get. Any other code that nobody documents is tried again: nothing was taken."""
_BROKEN_BEGINNINGS = ("AccessDenied", "NotAuthorizedFor", "ResourceNotFound", "InvalidAccountId")
"""What every event would get: `NotAuthorizedForSourceException`, `ResourceNotFoundException` for a bus, …"""


def _checked_bus(bus: str) -> str:
    if not _BUS.fullmatch(bus):
        raise ValueError("must be the name or the ARN of an event bus")
    return bus


def _checked_source(source: str) -> str:
    if source and not _SOURCE.fullmatch(source):
        raise ValueError("must be up to 128 letters, digits and . _ / -, beginning with a letter or a digit")
    if source.lower().startswith(_OF_AWS):
        raise ValueError("must not begin with aws., which is for events of AWS")
    return source


class EventBridgeDocument(ChannelDocument):
    """The channel's parameter."""

    bus: Annotated[str, AfterValidator(_checked_bus)] = DEFAULT_BUS
    """Its name, or its ARN if it is in another account or Region."""
    source: Annotated[str, AfterValidator(_checked_source)] = ""
    """What rules know its events by; if empty, `tocsin.` and the stack's name."""


class EventBridgeChannel:
    """Puts each notification on the bus as one event; the same entry on every try."""

    def __init__(self, config: EventBridgeDocument, tools: Tools) -> None:
        """Keep the bus; the client is made at the first event."""
        self._config = config
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Put its event once."""
        try:
            entry = entry_of(notification, self._config, self._tools.settings)
        except (ValueError, TypeError, RecursionError):  # a hand-off that somebody has written into the table
            return permanent("its message is no request for a renewal")
        if size_of(entry) >= ENTRY_LIMIT:
            return permanent(f"its event would have {ENTRY_LIMIT // 1024} KB or more")
        client = self._tools.clients.events()  # made here: boto3 makes clients safely on one thread only
        answer = await asked(self._tools, lambda: client.put_events(Entries=[entry]), is_broken=_is_broken)
        return answer if isinstance(answer, Refused | Throttled | Broken) else _judged(answer)


def entry_of(
    notification: Notification, config: EventBridgeDocument, settings: ChannelSettings
) -> "PutEventsRequestEntryTypeDef":
    """Return the entry. Made of what never changes, so every try sends the same one."""
    links = {label.lower(): address for label, address in links_of(notification, settings.links)}
    detail_type, said = fitted(f"{DETAIL_TYPE} {notification.type}", DETAIL_TYPE_LIMIT), event_data(notification)
    if is_hand_off(notification):
        detail_type, said = HAND_OFF_DETAIL_TYPE, {"id": notification.id, **json.loads(notification.message)}
    entry: PutEventsRequestEntryTypeDef = {
        "EventBusName": config.bus,
        "Source": config.source or f"tocsin.{settings.stack}".rstrip("."),
        "DetailType": detail_type,
        # A request for a renewal may have 100 names: an escape takes three times the bytes of what it stands for.
        "Detail": json.dumps(
            {**said, "links": links}, separators=(",", ":"), ensure_ascii=not is_hand_off(notification)
        ),
    }
    if notification.certificate_id and _ARN.fullmatch(notification.certificate_id):
        entry["Resources"] = [notification.certificate_id]
    return entry


def of_stack(tools: Tools) -> EventBridgeChannel | None:
    """Make the channel that hands work off on the stack's own bus, whatever is configured; null: there is no bus."""
    bus = tools.settings.event_bus
    return EventBridgeChannel(EventBridgeDocument(bus=bus), tools) if bus else None


def where(notification: Notification) -> str:
    """Name the destination of hand-offs, which have a circuit of their own; empty for the configured bus."""
    return OWN_BUS if is_hand_off(notification) else ""


def size_of(entry: "PutEventsRequestEntryTypeDef") -> int:
    """Count bytes as EventBridge does; it counts no name of a bus."""
    texts = (entry["Source"], entry["DetailType"], entry["Detail"], *entry.get("Resources", ()))
    return sum(len(text.encode()) for text in texts)


def _judged(answer: "PutEventsResponseTypeDef") -> SendResult:
    """Say what became of the one entry."""
    nothing: PutEventsResultEntryTypeDef = {}
    entry = next(iter(answer.get("Entries", ())), nothing)
    if code := entry.get("ErrorCode"):
        return _failed(code, f"{code}: {entry.get('ErrorMessage', '')}")
    if event_id := entry.get("EventId"):
        return Accepted(200, event_id[:RECEIPT_LIMIT])
    return unknown("an answer with neither an event's id nor an error's code")


def _failed(code: str, text: str) -> Refused | Throttled | Broken:
    if code in THROTTLING_CODES:
        return Throttled(bounded(text, LAST_ERROR_LIMIT))
    if code in BROKEN_CODES or code.startswith(_BROKEN_BEGINNINGS):
        return broken(text)
    return permanent(text) if code in _PERMANENT_CODES else retryable(text)


def _is_broken(error: ClientError) -> bool:
    """Tell whether every event would be refused so."""
    return code_of(error).startswith(_BROKEN_BEGINNINGS)
