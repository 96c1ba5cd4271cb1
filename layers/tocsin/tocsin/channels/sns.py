"""SNS: one message to a topic; who reads it is the topic's affair.

Needs no secret, so a stack with a default topic has this channel without a parameter.
"""

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from tocsin.channels import amazon_q
from tocsin.channels.aws import called
from tocsin.channels.channel import Tools, permanent
from tocsin.channels.document import ChannelDocument
from tocsin.channels.wording import Wording, as_it_is
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification
from tocsin.delivery.recipient import topic_problem

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import PublishInputTypeDef

SUBJECT_LIMIT = 99
"""Characters: SNS takes subjects of fewer than 100, printable ASCII on one line, beginning with no space."""
FALLBACK_SUBJECT = "Notification"


def _checked(topic: str) -> str:
    if problem := topic and topic_problem(topic):
        raise ValueError(problem)
    return topic


class SnsDocument(ChannelDocument):
    """The channel's parameter."""

    topic_arn: Annotated[str, AfterValidator(_checked)] = ""
    """Where notifications go that name no topic; if empty, the stack's default."""
    format: Literal["plain", "amazon_q"] = "plain"
    """What a message is: the notification's text, or what Amazon Q Developer shows in a chat."""


class SnsChannel:
    """Publishes each notification as one message."""

    def __init__(self, config: SnsDocument, tools: Tools) -> None:
        """Keep the topic; the client is made at the first message."""
        self._is_for_amazon_q = config.format == "amazon_q"
        self._default_topic = config.topic_arn or tools.settings.default_topic_arn
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Publish it once."""
        topic = notification.recipient or self._default_topic
        if not topic:
            return permanent("no topic: neither the notification, the channel's configuration nor the stack has one")
        if problem := topic_problem(topic):
            return permanent(problem)
        request = await self._request(topic, notification)
        client = self._tools.clients.sns()  # made here: boto3 makes clients safely on one thread only
        call = lambda: client.publish(**request)  # noqa: E731 - it is short
        return await called(self._tools, call, receipt=lambda answer: answer["MessageId"])

    async def _request(self, topic: str, notification: Notification) -> "PublishInputTypeDef":
        if not self._is_for_amazon_q:
            return publish_request(topic, notification, await self._tools.words(notification, as_it_is))
        wording = await self._tools.words(notification, amazon_q.escape)
        message = amazon_q.message(notification, wording, self._tools.settings.links)
        return {**publish_request(topic, notification, wording), "Message": message}


def default(tools: Tools) -> SnsDocument | None:
    """Return the configuration of a stack that names a default topic and has no parameter."""
    return SnsDocument() if tools.settings.default_topic_arn else None


def where(notification: Notification) -> str:
    """Name the topic; empty for the configured one."""
    return notification.recipient


def publish_request(topic: str, notification: Notification, wording: Wording) -> "PublishInputTypeDef":
    """Return the request: the message's text, and what a subscription's filter may ask for."""
    attributes = {
        "notification_id": notification.id,
        "severity": notification.severity.value,
        "type": notification.type,
    }
    request: PublishInputTypeDef = {
        "TopicArn": topic,
        "Subject": subject_line(wording.subject),
        "Message": wording.body or wording.subject or FALLBACK_SUBJECT,  # SNS refuses an empty one
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        },
    }
    if topic.endswith(".fifo"):  # a FIFO topic drops a copy with the same id, for five minutes
        request["MessageDeduplicationId"] = notification.id
        request["MessageGroupId"] = notification.id
    return request


def subject_line(text: str) -> str:
    """Return `text` as SNS takes it: other characters become a question mark, runs of space one space."""
    ascii_only = re.sub(r"[^ -~\s]", "?", text)
    return " ".join(ascii_only.split())[:SUBJECT_LIMIT].rstrip() or FALLBACK_SUBJECT
