"""Email, by SES.

SES overwrites `Message-ID` (and refuses the header in this operation), so the notification's id goes out in
`X-Tocsin-Notification-Id`, for filters, and in `References`, by which mail readers show a second copy with the first.
Source: https://docs.aws.amazon.com/ses/latest/dg/header-fields.html
"""

from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import AfterValidator

from tocsin.channels.aws import called, code_of
from tocsin.channels.channel import Tools, permanent
from tocsin.channels.document import ChannelDocument
from tocsin.channels.wording import Wording, as_it_is
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification
from tocsin.delivery.recipient import email_problem

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import BodyTypeDef, MessageHeaderTypeDef, SendEmailRequestTypeDef

_BROKEN_CODES = frozenset(
    {
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",  # of what the account has set up: the request names nothing but addresses
        "SendingPausedException",
    }
)


def _checked(sender: str) -> str:
    if problem := email_problem(sender):
        raise ValueError(problem)
    return sender


class EmailDocument(ChannelDocument):
    """The channel's parameter."""

    sender: Annotated[str, AfterValidator(_checked)]
    """An address, or one in a domain, that SES has verified."""


class EmailChannel:
    """Sends each notification as one mail: plain text, and HTML beside it where a template has some."""

    def __init__(self, config: EmailDocument, tools: Tools) -> None:
        """Keep the sender; the client is made at the first mail."""
        self._config = config
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Send it once."""
        if problem := self._tools.settings.reach.mail_problem(notification.recipient):
            return permanent(problem)
        request = self._request(notification, await self._tools.words(notification, as_it_is))
        client = self._tools.clients.sesv2()  # made here: boto3 makes clients safely on one thread only
        call = lambda: client.send_email(**request)  # noqa: E731 - it is short
        return await called(self._tools, call, is_broken=_is_broken, receipt=lambda answer: answer["MessageId"])

    def _request(self, notification: Notification, wording: Wording) -> "SendEmailRequestTypeDef":
        return {
            "FromEmailAddress": self._config.sender,
            "Destination": {"ToAddresses": [notification.recipient]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": wording.subject, "Charset": "UTF-8"},
                    "Body": _body(notification, wording),
                    "Headers": self._headers(notification),
                }
            },
        }

    def _headers(self, notification: Notification) -> "list[MessageHeaderTypeDef]":
        domain = self._config.sender.rpartition("@")[2]
        return [
            {"Name": "X-Tocsin-Notification-Id", "Value": notification.id},
            {"Name": "References", "Value": f"<{notification.id}@{domain}>"},
            {"Name": "Auto-Submitted", "Value": "auto-generated"},  # RFC 3834: no vacation notes in reply
        ]


def _body(notification: Notification, wording: Wording) -> "BodyTypeDef":
    text: BodyTypeDef = {"Text": {"Data": _text(notification, wording), "Charset": "UTF-8"}}
    return text if wording.html is None else {**text, "Html": {"Data": wording.html, "Charset": "UTF-8"}}


def _text(notification: Notification, wording: Wording) -> str:
    certificate = f"\nCertificate: {notification.certificate_id}" if notification.certificate_id else ""
    return f"{wording.body}\n\n-- \nSeverity: {notification.severity}{certificate}\nId: {notification.id}\n"


def _is_broken(error: ClientError) -> bool:
    """Tell apart what an operator mends. SES also says MessageRejected for a sender that is not verified."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    return code_of(error) in _BROKEN_CODES or (
        code_of(error) == "MessageRejected" and "not verified" in message.lower()
    )
