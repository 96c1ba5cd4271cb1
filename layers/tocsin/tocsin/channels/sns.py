"""SNS: one message to a topic; who reads it is the topic's affair.

Needs no secret, so a stack with a default topic has this channel without a parameter.
"""

import re
from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import AfterValidator, BaseModel, ConfigDict

from tocsin.channels.aws import called
from tocsin.channels.channel import Tools, permanent
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


class SnsConfig(BaseModel):
    """The channel's parameter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic_arn: Annotated[str, AfterValidator(_checked)] = ""
    """Where notifications go that name no topic; if empty, the stack's default."""


class SnsChannel:
    """Publishes each notification as one message."""

    def __init__(self, config: SnsConfig, tools: Tools) -> None:
        """Keep the topic; the client is made at the first message."""
        self._default_topic = config.topic_arn or tools.settings.default_topic_arn
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Publish it once."""
        topic = notification.recipient or self._default_topic
        if not topic:
            return permanent("no topic: neither the notification, the channel's configuration nor the stack has one")
        if problem := topic_problem(topic):
            return permanent(problem)
        request = publish_request(topic, notification)
        client = self._tools.clients.sns()  # made here: boto3 makes clients safely on one thread only
        return await called(self._tools, lambda: client.publish(**request), _mendable)


def default(tools: Tools) -> SnsConfig | None:
    """Return the configuration of a stack that names a default topic and has no parameter."""
    return SnsConfig() if tools.settings.default_topic_arn else None


def destination(notification: Notification) -> str:
    """Name the topic; all that go to the configured one share one name."""
    return f"SNS:{notification.recipient}" if notification.recipient else "SNS"


def publish_request(topic: str, notification: Notification) -> "PublishInputTypeDef":
    """Return the request: the message's text, and what a subscription's filter may ask for."""
    attributes = {
        "notification_id": notification.id,
        "severity": notification.severity.value,
        "type": notification.type,
    }
    request: PublishInputTypeDef = {
        "TopicArn": topic,
        "Subject": subject_line(notification.subject),
        "Message": notification.message or notification.subject or FALLBACK_SUBJECT,  # SNS refuses an empty one
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


def _mendable(_error: ClientError) -> bool:
    """Nothing beyond what every AWS API says; a topic that is not there is permanent."""
    return False
