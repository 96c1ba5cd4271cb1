"""Where an alert goes that its channel can't deliver: what its policy says, to whom that channel would have told it."""

from tests.support.inventory import DAY, T0, a_certificate, a_policy, an_owner
from tests.support.rows import POLICY
from tocsin.delivery.channel_name import ChannelName, Target
from tocsin.delivery.notification import Notification
from tocsin.expiry.plan import Raise, decide, notification_of
from tocsin.inventory.contacts import People

PAYMENTS = ChannelName("Slack:payments")
NOW = T0 + 46 * DAY


def raised(people: People, **fields: object) -> Notification:
    """Give the only alert of a certificate that has just expired."""
    certificate = a_certificate(watched_since=T0 - DAY)
    policy = a_policy(0, channels={"critical": [fields.pop("channel", PAYMENTS)]}, **fields)
    (decision,) = decide(certificate, policy, people, {}, NOW)
    assert isinstance(decision, Raise)
    return notification_of(decision, certificate, POLICY, NOW)


def test_an_alert_carries_its_policys_fallback() -> None:
    row = raised(People(owner=an_owner()), fallbacks={PAYMENTS: "Email"})
    assert (row.channel, row.recipient) == (PAYMENTS, "")
    assert row.fallback == Target(ChannelName.EMAIL, "ada@example.com")


def test_a_channel_with_a_destination_of_its_own_needs_nobody() -> None:
    assert raised(People(), fallbacks={PAYMENTS: "SNS"}).fallback == Target(ChannelName.SNS)


def test_without_anybody_to_write_to_there_is_none() -> None:
    assert raised(People(), fallbacks={PAYMENTS: "Email"}).fallback is None


def test_a_fallback_is_of_its_very_channel() -> None:
    assert raised(People(), fallbacks={"Slack": "SNS"}).fallback is None
    assert raised(People()).fallback is None


def test_the_fallback_of_a_fallback_is_no_part_of_the_alert() -> None:
    row = raised(People(), fallbacks={PAYMENTS: "Teams", "Teams": "SNS"})
    assert row.fallback == Target(ChannelName.TEAMS)
