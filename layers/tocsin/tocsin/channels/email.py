"""Email, by SES.

SES overwrites `Message-ID` (and refuses the header in this operation), so the notification's id goes out in
`X-Tocsin-Notification-Id`, for filters, and in `References`, by which mail readers show a second copy with the first.
Source: https://docs.aws.amazon.com/ses/latest/dg/header-fields.html

The notification's id and the stack go out as tags as well: SES's events bring these back, and no header.
"""

import re
from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import AfterValidator

from tocsin.channels.aws import called, code_of
from tocsin.channels.channel import Tools, permanent
from tocsin.channels.document import ChannelDocument
from tocsin.channels.mail_body import html_of, text_of, title_of
from tocsin.channels.wording import Wording, as_it_is
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification
from tocsin.delivery.recipient import email_problem

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import MessageHeaderTypeDef, MessageTagTypeDef, SendEmailRequestTypeDef

_BROKEN_CODES = frozenset(
    {
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",  # of what the account has set up, such as the configuration set
        "SendingPausedException",
    }
)
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""What SES takes as a tag's value (API reference v2, MessageTag)."""
_FAILED_CHECK = re.compile(r"identities failed the check in region [\w-]+: (.+)", re.DOTALL)
"""What SES says of addresses that are not verified, and then names them, separated by commas; an ellipsis stands for
those that it can't show (https://repost.aws/knowledge-center/ses-554-400-message-rejected-error; the developer guide on
the ellipsis is quoted in 3box/3box#469)."""


def _checked(sender: str) -> str:
    if problem := email_problem(sender):
        raise ValueError(problem)
    return sender


class EmailDocument(ChannelDocument):
    """The channel's parameter."""

    sender: Annotated[str, AfterValidator(_checked)]
    """An address, or one in a domain, that SES has verified."""


class EmailChannel:
    """Sends each notification as one mail, in plain text and in HTML."""

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
        return await called(
            self._tools,
            lambda: client.send_email(**request),
            is_broken=lambda error: _is_broken(error, notification.recipient, self._config.sender),
            receipt=lambda answer: answer["MessageId"],
        )

    def _request(self, notification: Notification, wording: Wording) -> "SendEmailRequestTypeDef":
        settings = self._tools.settings
        text, html = (body(notification, wording, settings.links) for body in (text_of, html_of))
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": self._config.sender,
            "Destination": {"ToAddresses": [notification.recipient]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": title_of(notification, wording), "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": text, "Charset": "UTF-8"},
                        "Html": {"Data": html, "Charset": "UTF-8"},
                    },
                    "Headers": self._headers(notification),
                }
            },
            "EmailTags": _tags(notification_id=notification.id, stack=settings.stack),
        }
        if settings.configuration_set:
            request["ConfigurationSetName"] = settings.configuration_set
        return request

    def _headers(self, notification: Notification) -> "list[MessageHeaderTypeDef]":
        domain = self._config.sender.rpartition("@")[2]
        return [
            {"Name": "X-Tocsin-Notification-Id", "Value": notification.id},
            {"Name": "References", "Value": f"<{notification.id}@{domain}>"},
            {"Name": "Auto-Submitted", "Value": "auto-generated"},  # RFC 3834: no vacation notes in reply
        ]


def _tags(**values: str) -> "list[MessageTagTypeDef]":
    """Leave out what SES would refuse the whole mail for."""
    return [{"Name": name, "Value": value} for name, value in values.items() if _TAG.fullmatch(value)]


def _is_broken(error: ClientError, recipient: str, sender: str) -> bool:
    """Tell apart what an operator mends: SES says MessageRejected for a sender that is not verified, too.

    A configuration set that was deleted is a bad request
    (https://docs.aws.amazon.com/ses/latest/dg/managing-configuration-sets.html).
    """
    message = str(error.response.get("Error", {}).get("Message", ""))
    match code_of(error):
        case "MessageRejected":
            return "not verified" in message.lower() and not _is_recipients_own(message, recipient, sender)
        case "BadRequestException":
            return "configuration set" in message.lower()
        case code:
            return code in _BROKEN_CODES


def _is_recipients_own(message: str, recipient: str, sender: str) -> bool:
    """Tell whether SES names the recipient, and nobody else, as not verified: it is in the sandbox."""
    found = _FAILED_CHECK.search(message)
    named = {name.strip().lower() for name in found[1].split(",")} if found else set()
    return named == {recipient.lower()} and named != {sender.lower()}
