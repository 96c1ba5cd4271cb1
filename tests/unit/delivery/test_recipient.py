"""Which recipients a channel can take: the check at the API's door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.recipient import Reach
from tocsin.network.address import AddressGuard

REACH = Reach()

GOOD = [
    (ChannelName.EMAIL, "ops@example.com"),
    (ChannelName.EMAIL, "first.last+tag@sub.example.co.uk"),
    (ChannelName.EMAIL, "o'neill@example.com"),
    (ChannelName.WEBHOOK, ""),
    (ChannelName.WEBHOOK, "https://example.com/hook"),
    (ChannelName.SNS, ""),
    (ChannelName.SNS, "arn:aws:sns:eu-west-1:123456789012:alerts"),
    (ChannelName.SNS, "arn:aws-cn:sns:cn-north-1:123456789012:alerts.fifo"),
    (ChannelName.SLACK, ""),
    (ChannelName.TEAMS, ""),
    (ChannelName.PAGERDUTY, ""),
    (ChannelName.OPSGENIE, ""),
]
BAD = [
    (ChannelName.EMAIL, ""),
    (ChannelName.EMAIL, "ops"),
    (ChannelName.EMAIL, "ops@localhost"),
    (ChannelName.EMAIL, "@example.com"),
    (ChannelName.EMAIL, "ops@"),
    (ChannelName.EMAIL, "ops@example..com"),
    (ChannelName.EMAIL, "ops@-example.com"),
    (ChannelName.EMAIL, "a@b.example,c@d.example"),
    (ChannelName.EMAIL, "Ops <ops@example.com>"),
    (ChannelName.EMAIL, "ops@example.com\r\nBcc: all@example.com"),
    (ChannelName.EMAIL, "ops@example.com\n"),
    (ChannelName.EMAIL, "öps@example.com"),
    (ChannelName.EMAIL, f"{'a' * 65}@example.com"),
    (ChannelName.EMAIL, f"a@{'b.' * 130}com"),
    (ChannelName.WEBHOOK, "ops@example.com"),
    (ChannelName.WEBHOOK, "http://127.0.0.1/"),
    (ChannelName.SNS, "alerts"),
    (ChannelName.SNS, "arn:aws:sqs:eu-west-1:123456789012:alerts"),
    (ChannelName.SNS, "arn:aws:sns:eu-west-1:123456789012:alerts:subscription"),
    (ChannelName.SNS, "arn:aws:sns:eu-west-1:123456789012:alerts\n"),
]


@pytest.mark.parametrize(("channel", "recipient"), GOOD)
def test_a_good_recipient(channel: ChannelName, recipient: str) -> None:
    assert REACH.problem(channel, recipient) is None


@pytest.mark.parametrize(("channel", "recipient"), BAD)
def test_a_bad_recipient(channel: ChannelName, recipient: str) -> None:
    assert REACH.problem(channel, recipient)


def test_a_stack_s_networks_count_at_the_door_too() -> None:
    reach = Reach(guard=AddressGuard.allowing(["10.0.0.0/8"]))
    assert reach.problem(ChannelName.WEBHOOK, "https://10.0.0.1/") is None


LIMITED = Reach(mail_domains=("example.com", "*.example.org"), webhook_hosts=("hooks.example.com", "*.example.net"))


@pytest.mark.parametrize(
    ("channel", "recipient", "why"),
    [
        (ChannelName.EMAIL, "ops@example.com", None),
        (ChannelName.EMAIL, "ops@EXAMPLE.com", None),
        (ChannelName.EMAIL, "ops@a.b.example.org", None),
        (ChannelName.EMAIL, "ops@example.org", "AllowedRecipientDomains"),
        (ChannelName.EMAIL, "ops@sub.example.com", "AllowedRecipientDomains"),
        (ChannelName.EMAIL, "ops@notexample.com", "AllowedRecipientDomains"),
        (ChannelName.EMAIL, "ops@example.com.evil.example", "AllowedRecipientDomains"),
        (ChannelName.WEBHOOK, "https://hooks.example.com/T0/B0", None),
        (ChannelName.WEBHOOK, "https://HOOKS.example.com:8443/", None),
        (ChannelName.WEBHOOK, "https://a.example.net/", None),
        (ChannelName.WEBHOOK, "https://example.net/", "AllowedWebhookHosts"),
        (ChannelName.WEBHOOK, "https://evil.example/?hooks.example.com", "AllowedWebhookHosts"),
        (ChannelName.WEBHOOK, "http://hooks.example.com/", "AllowPlainHttp"),
        (ChannelName.WEBHOOK, "", None),
    ],
)
def test_a_stack_s_lists_keep_its_permission_to_post_from_being_an_open_relay(
    channel: ChannelName, recipient: str, why: str | None
) -> None:
    """Faults, "an open relay": recipients' domains and webhooks' hosts by parameter, http:// only by parameter."""
    problem = LIMITED.problem(channel, recipient)
    assert problem is None if why is None else why in (problem or "")


def test_plain_http_by_parameter() -> None:
    assert Reach(plain_http=True).problem(ChannelName.WEBHOOK, "http://example.com/") is None


@given(st.sampled_from([*map(ChannelName, ChannelKind)]), st.text())
def test_any_recipient_gets_an_answer(channel: ChannelName, recipient: str) -> None:
    REACH.problem(channel, recipient)
