"""Renewal policies: what is accepted, who is told of what, and since when."""

from dataclasses import replace

import pytest

from tests.support.inventory import DAY, T0, a_policy, a_team, an_owner
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.notification import Severity
from tocsin.errors import InvalidFieldsError
from tocsin.inventory.certificate import Source
from tocsin.inventory.contacts import People, checked_contact
from tocsin.inventory.occurrences import CertificateEvent
from tocsin.inventory.policy import default_policy, default_severity, parse_policy
from tocsin.inventory.thresholds import DEFAULTS, read_threshold


def test_the_default_policy_is_the_default_everywhere() -> None:
    """Contract 4.1 [S] and 4.8 [T]: thresholds, severities and channels of a policy that says nothing."""
    assert default_policy(T0).thresholds == a_policy().thresholds == DEFAULTS
    assert [route.key for route in a_policy().routes] == ["30 Email", "14 Email", "7 Email", "0 Email"]


def test_of_a_secret_only_an_overdue_rotation_is_told() -> None:
    """It rotates by itself, some every day: that this is due in a month, or went well, is no news. Contract 4.13."""
    policy = default_policy(T0, Source.SECRETS_MANAGER)
    assert [route.key for route in policy.routes] == ["0 Email"]
    assert policy.severity_of_event(CertificateEvent.RENEWAL_SUCCESS) is None
    assert policy.severity_of_event(CertificateEvent.RENEWAL_FAILURE) is Severity.CRITICAL
    assert {default_policy(T0, source) == default_policy(T0) for source in Source} == {True, False}


@pytest.mark.parametrize(
    ("threshold", "severity"),
    [
        ("30", "informational"),
        ("14", "warning"),
        ("7", "warning"),
        ("0", "critical"),
        ("90", "informational"),
        ("15", "informational"),
        ("1", "warning"),
        ("33%", "informational"),
        ("15%", "warning"),
        ("1%", "warning"),
    ],
)
def test_default_severities(threshold: str, severity: str) -> None:
    """Contract 4.8 [T]: 30 informational, 14 and 7 warning, 0 critical; the others between them."""
    assert default_severity(read_threshold(threshold)) == severity


def test_routes_are_what_the_operator_chose() -> None:
    policy = a_policy(
        30,
        "33%",
        0,
        severities={"33%": "critical"},
        channels={"critical": ["PagerDuty", "Email"], "informational": []},
    )
    assert [(route.key, route.severity) for route in policy.routes] == [
        ("30 -", "informational"),
        ("33% PagerDuty", "critical"),
        ("33% Email", "critical"),
        ("0 PagerDuty", "critical"),
        ("0 Email", "critical"),
    ]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"severities": {"30": "fatal"}}, "severities.30"),
        ({"severities": {"thirty": "warning"}}, "severities.thirty"),
        ({"severities": {"101%": "warning"}}, "severities.101%"),
        ({"severities": {"-1": "warning"}}, "severities.-1"),
        ({"channels": {"critical": ["Email", "Pigeon"]}}, "channels.critical.1"),
        ({"channels": {"critical": ["Email", "Email"]}}, "channels.critical.1"),
        ({"channels": {"fatal": ["Email"]}}, "channels.fatal"),
        ({"thresholds": [-1]}, "alert_thresholds_days.0"),
    ],
)
def test_a_bad_channel_or_severity_is_refused_by_its_name(given: dict[str, object], field: str) -> None:
    """Contract 4.8 [T]: a bad channel or severity is refused when the policy is written."""
    with pytest.raises(InvalidFieldsError) as refused:
        parse_policy("p", "name", T0, **given)  # type: ignore[arg-type]  # fields by name
    assert [problem.field for problem in refused.value.problems] == [field]


@pytest.mark.parametrize("name", ["", "x" * 1_000_000, "a\0b"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        parse_policy("p", name, T0)
    assert [problem.field for problem in refused.value.problems] == ["name"]


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        parse_policy("p", "", T0, thresholds=[-1], severities={"x": "y"}, channels={"critical": ["Pigeon"]})
    assert len(refused.value.problems) == 4


def test_a_route_keeps_its_age_and_a_new_one_begins() -> None:
    first = parse_policy("p", "name", T0, thresholds=[30, 7])
    draft = parse_policy("p", "name", T0 + DAY, thresholds=[30, 14], channels={"informational": ["Email", "Slack"]})
    after = first.changed(draft, T0 + DAY)
    thresholds = {key: at for key, at in after.since.items() if key[0].isdigit()}
    assert thresholds == {"30 Email": T0, "30 Slack": T0 + DAY, "14 Email": T0 + DAY}
    assert (after.version, after.created_at, after.updated_at) == (2, T0, T0 + DAY)


def test_a_way_to_tell_of_an_event_has_an_age_too() -> None:
    """What went well before a policy told of such by a channel, it tells nobody of."""
    first = parse_policy("p", "name", T0, events={"Revocation": None})
    after = first.changed(parse_policy("p", "name", T0 + DAY, channels={"informational": ["Email", "Slack"]}), T0 + DAY)
    since = {key: after.event_known_since(event, ChannelName(key)) for key in ("Email", "Slack") for event in _SUCCESS}
    assert since == {"Email": T0, "Slack": T0 + DAY}
    assert after.event_known_since(CertificateEvent.REVOCATION, ChannelName.EMAIL) == T0 + DAY


_SUCCESS = (CertificateEvent.RENEWAL_SUCCESS,)


@pytest.mark.parametrize("hours", [0, -1, 721])
def test_a_grace_is_at_least_an_hour_and_no_more_than_thirty_days(hours: int) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        parse_policy("p", "name", T0, deployment_grace_hours=hours)
    assert [problem.field for problem in refused.value.problems] == ["deployment_grace_hours"]
    assert parse_policy("p", "name", T0, deployment_grace_hours=720).deployment_grace == 30 * DAY


def test_what_has_always_been_there_stays_so() -> None:
    before = replace(a_policy(30, 7), since={})
    assert before.changed(replace(before, name="other"), T0 + DAY).since == {}


def test_an_owner_resolves_to_the_owners_address_and_a_team_to_its_own() -> None:
    """Contract 4.7 [S]: owners resolve to their email, teams to theirs."""
    email = ChannelName.EMAIL
    assert People(an_owner(), a_team()).recipient(email) == "ada@example.com"
    assert People(None, a_team()).recipient(email) == "platform@example.com"
    assert People(fallback="noc@example.com").recipient(email) == "noc@example.com"
    assert People().recipient(email) is None


@pytest.mark.parametrize("channel", [ChannelName(kind) for kind in ChannelKind if kind is not ChannelKind.EMAIL])
def test_other_channels_know_their_destination(channel: ChannelName) -> None:
    assert People(an_owner(), a_team()).recipient(channel) == ""


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a b@example.com", "ada@example.com\nBcc: x@example.com"])
def test_an_address_that_is_none_is_refused(email: str) -> None:
    """Issue 3: an owner with an address that isn't one is refused, naming the field."""
    with pytest.raises(InvalidFieldsError) as refused:
        checked_contact(an_owner(email=email))
    assert [problem.field for problem in refused.value.problems] == ["email"]
    with pytest.raises(InvalidFieldsError):
        checked_contact(a_team(email=email))


def test_a_contact_that_is_right_is_returned() -> None:
    owner = an_owner(team_id="t1")
    assert checked_contact(owner) is owner


def test_severities_are_the_engines_own() -> None:
    assert {route.severity for route in a_policy().routes} == set(Severity)


# ── Fallbacks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fallback_may_have_one_of_its_own() -> None:
    policy = a_policy(fallbacks={"Slack:payments": "Teams", "Teams": "Email", "PagerDuty": "Email"})
    assert policy.fallbacks == {
        ChannelName("Slack:payments"): ChannelName.TEAMS,
        ChannelName.TEAMS: ChannelName.EMAIL,
        ChannelName.PAGERDUTY: ChannelName.EMAIL,
    }


@pytest.mark.parametrize(
    ("fallbacks", "fields"),
    [
        ({"Slack": "Slack"}, {"fallbacks.Slack"}),
        ({"Slack": "Teams", "Teams": "Slack"}, {"fallbacks.Slack", "fallbacks.Teams"}),
        ({"SNS": "Slack", "Slack": "Teams", "Teams": "Slack"}, {"fallbacks.Slack", "fallbacks.Teams"}),
        (
            {"Slack": "Teams", "Teams": "SNS", "SNS": "Slack"},
            {f"fallbacks.{name}" for name in ("Slack", "Teams", "SNS")},
        ),
        ({"slack": "Email"}, {"fallbacks.slack"}),
        ({"Slack": ""}, {"fallbacks.Slack"}),
    ],
)
def test_a_fallback_that_leads_nowhere_or_in_a_circle_is_refused(fallbacks: dict[str, str], fields: set[str]) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        a_policy(fallbacks=fallbacks)
    assert {problem.field for problem in refused.value.problems} == fields
