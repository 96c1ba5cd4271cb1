"""Simulate: what a draft would raise, without raising it."""

from dataclasses import replace

from tests.support.inventory import DAY, LISTS, T0, PaperCheck, a_certificate, a_policy, hours
from tocsin.expiry.simulation import simulate

INVENTORY = [
    a_certificate(id="a"),
    a_certificate(id="b", expires_at=T0 + 5 * DAY),
    a_certificate(id="c", archived_at=T0),
    a_certificate(id="d", revoked_at=T0),
    a_certificate(id="e", expires_at=T0 + 400 * DAY),
]


def test_it_gives_what_the_check_would_raise() -> None:
    """Issue 3: the alerts that a draft would have raised are those that the check does raise."""
    for thresholds in LISTS.values():
        policy = a_policy(*thresholds)
        simulated = simulate(policy, INVENTORY, T0, T0 + 60 * DAY + DAY / 24)
        for certificate in INVENTORY:
            real = PaperCheck().run(certificate, policy, hours(60)).thresholds
            assert [str(alert.threshold) for alert in simulated if alert.certificate_id == certificate.id] == real


def test_the_range_includes_its_start_and_not_its_end() -> None:
    policy = a_policy(30)
    at = INVENTORY[0].expires_at - 30 * DAY
    assert [alert.at for alert in simulate(policy, INVENTORY[:1], at, at + DAY)] == [at]
    assert simulate(policy, INVENTORY[:1], at - DAY, at) == []


def test_the_age_of_a_drafts_routes_is_no_matter() -> None:
    draft = replace(a_policy(30), since={"30 Email": T0 + 40 * DAY})
    assert [alert.at for alert in simulate(draft, INVENTORY[:1], T0, T0 + 60 * DAY)] == [T0 + 15 * DAY]


def test_a_severity_without_a_channel_is_shown_as_such() -> None:
    (alert,) = simulate(a_policy(30, channels={"informational": []}), INVENTORY[:1], T0, T0 + 60 * DAY)
    assert alert.channel is None
    assert "expires in 30 days" in alert.message
