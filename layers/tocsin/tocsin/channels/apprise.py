"""Apprise: services that have no channel of their own, sent to by a function that has Apprise in it, and no permission.

That function alone decides which services there are (functions/apprise/services.py) and refuses every other URL.

| what the function says                                               | class                                  |
|----------------------------------------------------------------------|----------------------------------------|
| the service took it                                                  | accepted                               |
| 429 of the service; Lambda takes no more                             | throttled: no attempt is spent         |
| 401, 403, 404, 410 of the service; a URL that is refused             | the channel is broken: it is held      |
| Lambda knows no such function, or lets nobody in                     | the same                               |
| 408, 425, 5xx of the service; no connection to it; Lambda's own 5xx  | retryable                              |
| the other 4xx, and 3xx, for redirects are never followed             | permanent                              |
| no answer in time; a 2xx that the service's plugin takes for no yes; | unknown                                |
| the function crashed or ran out of time                              |                                        |
"""

import json
import re
from http import HTTPStatus
from typing import Annotated, Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, Field, SecretStr, ValidationError

from tocsin.channels.aws import asked, code_of
from tocsin.channels.channel import Tools, broken, is_retryable, refused, retryable, unknown
from tocsin.channels.document import ChannelDocument
from tocsin.channels.retry_after import retry_after
from tocsin.delivery.attempt import Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.notification import Notification, Severity

ALIAS = "live"
START_SECONDS = 2.0
"""What of the deadline is kept for Lambda: the call, and the start of a new instance."""
SHORTEST_SECONDS = 0.1
"""What the function gets all the same of a deadline that is shorter than that."""
URL_LIMIT = 2048
"""Characters. Nothing that services publish comes near it."""

_TYPES = {Severity.INFORMATIONAL: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
"""In Apprise's words (its `NotifyType`)."""
_BROKEN_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_BROKEN_CODES = frozenset({"ResourceNotFoundException", "ResourceConflictException"})
"""No such function or alias; one that is being made or changed (Lambda API reference, Invoke)."""
_MENTION = re.compile(r"(?<!\w)@|<")
_WORD_JOINER = "\u2060"
"""Nothing to see, and it parts what would otherwise be read as a mention."""


class AppriseDocument(ChannelDocument):
    """The channel's parameter."""

    url: Annotated[SecretStr, Field(min_length=1, max_length=URL_LIMIT)]
    """One URL of Apprise's, with one target."""


class _Answer(BaseModel):
    """What the function says (functions/apprise/app.py)."""

    outcome: str
    error: str | None
    status: int | None
    retry_after: str | None
    is_late: bool


class AppriseChannel:
    """Has each notification sent by one invocation of the function."""

    def __init__(self, config: AppriseDocument, tools: Tools) -> None:
        """Keep the URL; the client is made at the first notification."""
        self._url = config.url
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Have it sent once."""
        client = self._tools.clients.lambda_()  # made here: boto3 makes clients safely on one thread only
        name = f"{self._tools.settings.apprise_function}:{ALIAS}"
        payload = await self._event(notification)

        def call() -> tuple[bool, bytes]:
            answer = client.invoke(FunctionName=name, InvocationType="RequestResponse", Payload=payload)
            return "FunctionError" in answer, answer["Payload"].read()

        answer = await asked(self._tools, call, is_broken=_is_broken)
        if isinstance(answer, Refused | Throttled | Broken):
            return answer
        has_failed, text = answer
        if has_failed:  # it may have sent before that; its own text may carry the URL
            return unknown("the function that sends by Apprise failed")
        return self._judged(text)

    async def _event(self, notification: Notification) -> bytes:
        words = await self._tools.words(notification, defused)
        subject = defused(words.subject)
        event: dict[str, Any] = {
            "url": self._url.get_secret_value(),
            "title": subject,
            "body": f"{words.body or subject}\n\n{self._footer(notification)}",
            "type": _TYPES[notification.severity],
            "deadline": max(SHORTEST_SECONDS, self._tools.settings.deadline - START_SECONDS),
        }
        return json.dumps(event).encode()

    def _footer(self, notification: Notification) -> str:
        links = self._tools.settings.links
        found = [link for link in (links.notification(notification), links.explanation(notification)) if link]
        return "\n".join(found) or f"Id: {notification.id}"

    def _judged(self, text: bytes) -> SendResult:
        try:
            answer = _Answer.model_validate_json(text)
        except ValidationError:
            return unknown("an answer that can't be read")
        match answer:
            case _Answer(outcome="accepted"):
                return Accepted(answer.status)
            case _Answer(outcome="answered", status=int(status)):
                return self._refused(status, answer)
            case _Answer(outcome="unsent"):
                return retryable(f"the service could not be reached: {answer.error}", hung=answer.is_late)
            case _Answer(outcome="refused"):
                return broken(f"Apprise can't be used with this channel's url: {answer.error}")
        return unknown(f"the service did not answer: {answer.error}", hung=answer.is_late)

    def _refused(self, status: int, answer: _Answer) -> SendResult:
        error = f"the service answered {answer.error}"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(error, retry_after(answer.retry_after, self._tools.now()))
        if status in _BROKEN_STATUSES:
            return broken(error, status)
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return refused(FailureClass.UNKNOWN, f"{error}, and not what it says when it has taken something", status)
        if is_retryable(status):
            wait = retry_after(answer.retry_after, self._tools.now())
            return refused(FailureClass.RETRYABLE, error, status, wait)
        return refused(FailureClass.PERMANENT, error, status)


def defused(text: str) -> str:
    """Make foreign text mention nobody. Other markup is Apprise's to escape: it is told that this is plain text."""
    return _MENTION.sub(lambda found: found[0] + _WORD_JOINER, text)


def _is_broken(error: ClientError) -> bool:
    return code_of(error) in _BROKEN_CODES
