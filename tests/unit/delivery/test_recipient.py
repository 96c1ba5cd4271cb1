"""Which recipients a channel can take: the check at the API's door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery.notification import ChannelName
from tocsin.delivery.recipient import recipient_problem

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
    assert recipient_problem(channel, recipient) is None


@pytest.mark.parametrize(("channel", "recipient"), BAD)
def test_a_bad_recipient(channel: ChannelName, recipient: str) -> None:
    assert recipient_problem(channel, recipient)


def test_a_stack_s_networks_count_at_the_door_too() -> None:
    assert recipient_problem(ChannelName.WEBHOOK, "http://10.0.0.1/", ["10.0.0.0/8"]) is None


@given(st.sampled_from(list(ChannelName)), st.text())
def test_any_recipient_gets_an_answer(channel: ChannelName, recipient: str) -> None:
    recipient_problem(channel, recipient)
