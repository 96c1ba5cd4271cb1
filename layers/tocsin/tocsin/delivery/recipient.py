"""What is wrong with a recipient, before anything is accepted for it. Pure, and light enough for the API to import."""

import re
from collections.abc import Sequence

from tocsin.delivery.notification import ChannelName
from tocsin.network.address import check_url

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@({_LABEL}\.)+{_LABEL}")
_EMAIL_LIMIT = 254
"""Characters in an address (RFC 5321: 256 with the angle brackets)."""
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


def email_problem(text: str) -> str | None:
    """Say why `text` is no e-mail address that SES takes (ASCII only), or None. Nothing in it ends a header."""
    if len(text) <= _EMAIL_LIMIT and _EMAIL.fullmatch(text):
        return None
    return "must be one e-mail address, like ops@example.com"


def topic_problem(text: str) -> str | None:
    """Say why `text` is no topic of SNS, or None."""
    return None if _TOPIC.fullmatch(text) else "must be the ARN of an SNS topic"


def recipient_problem(channel: ChannelName, recipient: str, allowed_networks: Sequence[str] = ()) -> str | None:
    """Say why `channel` can't take `recipient`, or None. Only e-mail needs one: the others have a default."""
    match channel:
        case ChannelName.EMAIL:
            return email_problem(recipient)
        case ChannelName.WEBHOOK if recipient:
            return check_url(recipient, allowed_networks)
        case ChannelName.SNS if recipient:
            return topic_problem(recipient)
    return None
