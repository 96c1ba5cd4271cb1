"""What is wrong with a recipient, before anything is accepted for it. Pure, and light enough for the API to import."""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import urlsplit

from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.network.address import AddressGuard

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL_PATTERN = rf"^[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@({_LABEL}\.)+{_LABEL}$"
"""The form of an e-mail address, as the API's description has it; at most EMAIL_LIMIT characters."""
_EMAIL = re.compile(EMAIL_PATTERN.removesuffix("$"))
EMAIL_LIMIT = 254
"""Characters in an address (RFC 5321: 256 with the angle brackets)."""
TOPIC_PATTERN = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$"
_TOPIC = re.compile(TOPIC_PATTERN.removesuffix("$"))
_BELOW = "*."
"""What begins the name of all that is below a domain."""


def email_problem(text: str) -> str | None:
    """Say why `text` is no e-mail address that SES takes (ASCII only), or None. Nothing in it ends a header."""
    if len(text) <= EMAIL_LIMIT and _EMAIL.fullmatch(text):
        return None
    return "must be one e-mail address, like ops@example.com"


def topic_problem(text: str) -> str | None:
    """Say why `text` is no topic of SNS, or None."""
    return None if _TOPIC.fullmatch(text) else "must be the ARN of an SNS topic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a stack's notifications may go. Names are in lower case; `*.example.com` means all below it."""

    guard: AddressGuard = field(default_factory=AddressGuard)
    mail_domains: tuple[str, ...] = ()
    """Where mail may go; empty: anywhere."""
    webhook_hosts: tuple[str, ...] = ()
    """Where webhooks may go; empty: to any host that `guard` permits."""
    plain_http: bool = False
    """Whether a webhook may go where anybody on the way can read it."""

    def problem(self, channel: ChannelName, recipient: str) -> str | None:
        """Say why `channel` can't take `recipient`, or None. Only e-mail needs one: the others have a default."""
        match channel.kind:
            case ChannelKind.EMAIL:
                return self.mail_problem(recipient)
            case ChannelKind.WEBHOOK if recipient:
                return self.url_problem(recipient)
            case ChannelKind.SNS if recipient:
                return topic_problem(recipient)
        return None

    def mail_problem(self, address: str) -> str | None:
        """Say why no mail may go to `address`, or None."""
        if problem := email_problem(address):
            return problem
        if _is_among(address.rpartition("@")[2], self.mail_domains):
            return None
        return "its domain is not one that this stack may send mail to (AllowedRecipientDomains)"

    def endpoint_problem(self, url: str) -> str | None:
        """Say why a channel may not post to the `url` of its own document, or None. `webhook_hosts` is for others."""
        return _url_problem(replace(self, webhook_hosts=()), url)

    def url_problem(self, url: str) -> str | None:
        """Say why no webhook may go to `url`, or None. The reason repeats nothing of it but its host's address."""
        return _url_problem(self, url)


@lru_cache(maxsize=1024)  # a run posts to few URLs, each of them often
def _url_problem(reach: Reach, url: str) -> str | None:
    if problem := reach.guard.url_problem(url):
        return problem
    split = urlsplit(url)
    if split.scheme != "https" and not reach.plain_http:
        return "the URL must begin with https:// (or the stack be deployed with AllowPlainHttp)"
    if _is_among(split.hostname or "", reach.webhook_hosts):
        return None
    return "its host is not one that this stack may post to (AllowedWebhookHosts)"


def _is_among(name: str, allowed: tuple[str, ...]) -> bool:
    lower = name.lower()
    return not allowed or any(
        lower.endswith(entry[1:]) if entry.startswith(_BELOW) else lower == entry for entry in allowed
    )
