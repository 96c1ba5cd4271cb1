"""Style habit 10: the environment is read once, typed; what is missing or wrong is an error that names it."""

import pytest

from build.template import template
from tests.support.functions import environment
from tocsin.bootstrap.sources import SERVICES
from tocsin.delivery.notification import DeliveryPolicy, MissingChannelAction
from tocsin.errors import SettingsError
from tocsin.settings import read_settings

GIVEN = {
    name: value
    for name, value in environment("stack", "table", "http://nowhere").items()
    if not name.startswith(("AWS_", "POWERTOOLS_"))
}
NUMBERS = [
    "RETENTION_DAYS",
    "MAX_ATTEMPTS",
    "BACKOFF_BASE_SECONDS",
    "BACKOFF_CAP_SECONDS",
    "BACKOFF_JITTER",
    "PENDING_GRACE_SECONDS",
    "CLAIM_MARGIN_SECONDS",
]


def test_the_defaults_of_the_template_are_those_of_the_contract() -> None:
    """Contract 2.2 [S], 2.6 [S]: 5 attempts, a minute, an hour; a missing channel is `sent`. Design 4: 90 days."""
    settings = read_settings(GIVEN)
    assert settings.delivery == DeliveryPolicy()
    assert settings.retention.days == 90
    parameters = template()["Parameters"]
    assert {name: str(parameters[name]["Default"]) for name in ("MaxAttempts", "BackoffBaseSeconds")} == {
        "MaxAttempts": GIVEN["MAX_ATTEMPTS"],
        "BackoffBaseSeconds": GIVEN["BACKOFF_BASE_SECONDS"],
    }
    assert parameters["BackoffCapSeconds"]["Default"] == 3600
    assert parameters["BackoffJitter"]["Default"] == 0
    assert parameters["MissingChannelAction"]["Default"] == "sent"
    assert parameters["RetryInterval"]["Default"] == "2 minutes"


def test_the_template_gives_every_setting_and_no_other() -> None:
    given = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert {name for name in given if not name.startswith("POWERTOOLS_")} == GIVEN.keys()


@pytest.mark.parametrize("name", GIVEN)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({other: value for other, value in GIVEN.items() if other != name})


@pytest.mark.parametrize("wrong", ["", "five", "nan", "inf", "-1", "1e400"])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_wrong_number_is_named(name: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings(GIVEN | {name: wrong})


@pytest.mark.parametrize("wrong", ["0", "2.5"])
def test_a_budget_is_a_whole_number_of_attempts(wrong: str) -> None:
    with pytest.raises(SettingsError, match="MAX_ATTEMPTS"):
        read_settings(GIVEN | {"MAX_ATTEMPTS": wrong})


def test_more_jitter_than_all_of_the_wait_is_wrong() -> None:
    with pytest.raises(SettingsError, match="BACKOFF_JITTER"):
        read_settings(GIVEN | {"BACKOFF_JITTER": "1.5"})


@pytest.mark.parametrize("wrong", ["", "SENT", "drop"])
def test_a_wrong_action_is_named(wrong: str) -> None:
    with pytest.raises(SettingsError, match="MISSING_CHANNEL_ACTION"):
        read_settings(GIVEN | {"MISSING_CHANNEL_ACTION": wrong})


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "10.0.0.1/8", "everything", "10.0.0.0/8;10.1.0.0/16"])
def test_a_wrong_range_is_named(wrong: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_PRIVATE_RANGES"):
        read_settings(GIVEN | {"ALLOWED_PRIVATE_RANGES": wrong})


def test_only_the_embedded_aws_reaches_its_own_machine() -> None:
    """Faults: a wrong range opens no way to the credentials behind loopback and link-local addresses."""
    given = GIVEN | {"ALLOWED_PRIVATE_RANGES": "127.0.0.0/8"}
    assert not read_settings(given).reach.guard.permits("127.0.0.1")
    assert not read_settings(given | {"ENVIRONMENT": "trial"}).reach.guard.permits("127.0.0.1")
    assert read_settings(given | {"ENVIRONMENT": "local"}).reach.guard.permits("127.0.0.1")


def test_what_is_given_is_what_is_read() -> None:
    settings = read_settings(
        GIVEN
        | {
            "MISSING_CHANNEL_ACTION": "dead",
            "ALLOWED_PRIVATE_RANGES": "10.0.0.0/8, fd00::/8,",
            "ALLOWED_RECIPIENT_DOMAINS": "example.com, *.Example.org",
            "ALLOWED_WEBHOOK_HOSTS": "hooks.example.com",
            "ALLOW_PLAIN_HTTP": "yes",
            "PAUSED": "yes",
            "MAX_ATTEMPTS": "3",
            "BACKOFF_JITTER": "0.5",
        }
    )
    assert settings.delivery.missing_channel is MissingChannelAction.DEAD
    assert [
        settings.reach.guard.permits(address) for address in ("10.1.2.3", "fd00::1", "11.0.0.1", "192.168.0.1")
    ] == [
        True,
        True,
        True,
        False,
    ]
    assert settings.reach.mail_domains == ("example.com", "*.example.org")
    assert settings.reach.webhook_hosts == ("hooks.example.com",)
    assert settings.reach.plain_http
    assert settings.is_paused
    assert (settings.delivery.retry.max_attempts, settings.delivery.retry.jitter) == (3, 0.5)


def test_which_services_are_read() -> None:
    """Contract 4.13: ACM unless a parameter says no, the others only if one says yes."""
    assert read_settings(GIVEN).reads == {"acm"}
    names = [name for name in GIVEN if name.startswith("READ_")]
    assert read_settings(GIVEN | dict.fromkeys(names, "yes")).reads == {one.source for one in SERVICES}
    assert read_settings(GIVEN | dict.fromkeys(names, "no")).reads == set()
