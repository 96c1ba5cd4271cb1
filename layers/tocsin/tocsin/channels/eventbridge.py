"""EventBridge: one event on a bus, so that anything on AWS can react.

`PutEvents` answers 200 also where it took nothing: what became of the entry is in it (EventBridge API reference,
PutEvents, PutEventsResultEntry).

| what happened                                                       | class                          |
|---------------------------------------------------------------------|--------------------------------|
| EventBridge took the event                                          | accepted                       |
| `ThrottlingException`                                               | throttled: no attempt is spent |
| `InternalFailure`, `InternalException`, 5xx                         | retryable                      |
| `AccessDenied…`, `NotAuthorizedFor…`, a bus that is not there       | broken                         |
| `MalformedDetail`, `InvalidArgument` and whatever else is said of it | permanent                      |
| no answer, or one that says neither                                 | unknown                        |
"""

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

from botocore.exceptions import ClientError
from pydantic import AfterValidator, StringConstraints

from tocsin.channels.aws import THROTTLING_CODES, asked, code_of
from tocsin.channels.channel import Tools, broken, refused
from tocsin.channels.document import ChannelDocument
from tocsin.delivery.attempt import Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Notification
from tocsin.text import bounded

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

DETAIL_TYPE_LIMIT = 128
"""Characters of a detail type (EventBridge API reference, PutEventsRequestEntry)."""
_INTERNAL = frozenset({"InternalFailure", "InternalException", "InternalErrorException"})
_NO_BUS = frozenset({"ResourceNotFoundException", "EventBusNotFoundException"})
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[!-~]{1,1024}")


def _not_aws(source: str) -> str:
    if source.startswith("aws."):
        raise ValueError("begins with aws., which AWS keeps for itself")
    return source


class EventBridgeDocument(ChannelDocument):
    """The channel's parameter."""

    bus: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/-]{1,1600}$")] = "default"
    """The name of a bus of this account, or the ARN of any."""
    source: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{0,256}$"), AfterValidator(_not_aws)] = ""
    """The event's source; empty: `tocsin.<stack>`."""


class EventBridgeChannel:
    """Puts each notification on a bus as one event."""

    def __init__(self, config: EventBridgeDocument, tools: Tools) -> None:
        """Keep the bus; the client is made at the first event."""
        self._config = config
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Put it there once."""
        source = self._config.source or f"tocsin.{self._tools.settings.stack or 'stack'}"
        links = self._tools.settings.links
        entry = entry_of(notification, self._config.bus, source, links.notification(notification))
        client = self._tools.clients.events()  # made here: boto3 makes clients safely on one thread only
        answer = await asked(self._tools, lambda: client.put_events(Entries=[entry]), is_broken=_is_broken)
        if isinstance(answer, Refused | Throttled | Broken):
            return answer
        found: Any = answer["Entries"][0] if answer.get("Entries") else {}
        return _judged(found)


def entry_of(notification: Notification, bus: str, source: str, link: str | None) -> "PutEventsRequestEntryTypeDef":
    """Return the entry: made of what never changes, so every try puts the same event; its id is in the detail."""
    detail = {
        "id": notification.id,
        "type": notification.type,
        "severity": notification.severity,
        "subject": notification.subject,
        "message": notification.message,
        "certificate_id": notification.certificate_id,
        "instead_of": notification.fallback_of,
        "created_at": notification.created_at.isoformat().replace("+00:00", "Z"),
        "link": link,
    }
    entry: PutEventsRequestEntryTypeDef = {
        "EventBusName": bus,
        "Source": source,
        "DetailType": f"Tocsin Notification {notification.type}"[:DETAIL_TYPE_LIMIT],
        "Detail": json.dumps(detail, separators=(",", ":")),
        "Time": notification.created_at,
    }
    if notification.certificate_id and _ARN.fullmatch(notification.certificate_id):
        entry["Resources"] = [notification.certificate_id]
    return entry


def _judged(entry: dict[str, Any]) -> SendResult:
    """Say what became of the one entry."""
    if entry.get("EventId"):
        return Accepted(200, entry["EventId"])
    code = str(entry.get("ErrorCode", ""))
    text = f"{code}: {entry.get('ErrorMessage', '')}" if code else "EventBridge said neither yes nor no"
    if code in THROTTLING_CODES:
        return Throttled(bounded(text, LAST_ERROR_LIMIT))
    if code.startswith(("AccessDenied", "NotAuthorizedFor")) or code in _NO_BUS:
        return broken(text, 200)
    if not code:
        return refused(FailureClass.UNKNOWN, text, 200)
    return refused(FailureClass.RETRYABLE if code in _INTERNAL else FailureClass.PERMANENT, text, 200)


def _is_broken(error: ClientError) -> bool:
    return code_of(error) in _NO_BUS
