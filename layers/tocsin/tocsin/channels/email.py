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
from tocsin.channels.mail_body import html_of, links_of
from tocsin.channels.wording import Links, Wording, as_it_is, facts_of
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification
from tocsin.delivery.recipient import email_problem

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import MessageHeaderTypeDef, SendEmailRequestTypeDef

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
    """Sends each notification as one mail, as text and as HTML."""

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
        return await called(self._tools, call, is_broken=self._is_broken, receipt=lambda answer: answer["MessageId"])

    def _request(self, notification: Notification, wording: Wording) -> "SendEmailRequestTypeDef":
        settings = self._tools.settings
        tags = {"notification_id": notification.id, "stack": settings.stack}
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": self._config.sender,
            "Destination": {"ToAddresses": [notification.recipient]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": wording.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": _text(notification, wording, settings.links), "Charset": "UTF-8"},
                        "Html": {"Data": html_of(notification, wording, settings.links), "Charset": "UTF-8"},
                    },
                    "Headers": self._headers(notification),
                }
            },
            # By these its events name it (SES API reference v2, MessageTag: letters, digits, _ and -).
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags.items() if value],
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

    def _is_broken(self, error: ClientError) -> bool:
        """Tell apart what an operator mends: also a sender that is not verified. A recipient that is not, in SES's
        sandbox, is this row's affair.

        SES names those that failed (developer guide, "Amazon SES email sending errors").
        """
        message = str(error.response.get("Error", {}).get("Message", "")).lower()
        if code_of(error) in _BROKEN_CODES:
            return True
        if code_of(error) != "MessageRejected" or "not verified" not in message:
            return False
        _, is_named, failed = message.rpartition("failed the check in region")
        sender = self._config.sender.lower()
        return not is_named or any(
            name.strip() in (sender, sender.rpartition("@")[2]) for name in failed.partition(":")[2].split(",")
        )


def _text(notification: Notification, wording: Wording, links: Links) -> str:
    """Write the mail as text. Its end begins with two hyphens and a space, by which readers know a signature."""
    more = "".join(f"{label}: {address}\n" for label, address in links_of(notification, links))
    facts = "".join(f"{label}: {value}\n" for label, value in facts_of(notification))
    return f"{wording.body}\n\n{more}-- \n{facts}"
