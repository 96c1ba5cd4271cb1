"""What happens to a certificate, and how it is told: once, in words that say what to do (contract 4.10 [T])."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.inventory import DAY, HOUR, SOMEBODY, T0, PaperCheck, a_certificate, a_policy
from tests.support.lives import Lives
from tests.support.rows import POLICY
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.expiry.alert import Mark, MarkKind, about
from tocsin.expiry.explanation import Explanation, explain
from tocsin.expiry.plan import CameLate, Duplicate, EventRoute, NoChannel, Raise, decide, mark_of, notification_of
from tocsin.expiry.still_true import why_untrue
from tocsin.inventory.certificate import Certificate, Source
from tocsin.inventory.contacts import People
from tocsin.inventory.occurrences import AwaitedDeployment, CertificateEvent, Occurrence, Violation
from tocsin.inventory.policy import RenewalPolicy

NAMES = {event.value: event for event in CertificateEvent}
RENEWED = {"expires_at": T0 + 135 * DAY}
FAILED = {"renewal_status": "FAILED: CAA_ERROR"}
REVOKED = {"revoked_at": T0}


def changed(before: Certificate, **fields: Any) -> Certificate:
    """Change a certificate an hour after it was changed before."""
    return before.changed(replace(before, **fields), before.updated_at + HOUR)


def after(*changes: dict[str, Any]) -> Certificate:
    certificate = a_certificate(indexed=1)
    for fields in changes:
        certificate = changed(certificate, **fields)
    return certificate


def raised(certificate: Certificate, policy: RenewalPolicy | None = None) -> list[Notification]:
    """Write what is raised of events."""
    policy = policy or a_policy()
    now = certificate.updated_at
    decisions = decide(certificate, policy, SOMEBODY, {}, now)
    mine = [one for one in decisions if isinstance(one, Raise) and isinstance(one.route, EventRoute)]
    return [notification_of(one, certificate, POLICY, now) for one in mine]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([RENEWED], ["RenewalSuccess"]),
        ([{"expires_at": T0 + DAY}], []),  # back to an older one
        ([FAILED], ["RenewalFailure"]),
        ([FAILED, {"renewal_status": "PENDING_VALIDATION"}, FAILED], ["RenewalFailure"]),  # once a cycle
        ([FAILED, RENEWED], ["RenewalSuccess"]),
        ([REVOKED], ["Revocation"]),
        ([REVOKED, {"revoked_at": None}], []),
        ([REVOKED, {"revoked_at": None}, REVOKED], ["Revocation"]),
        ([FAILED, REVOKED], ["Revocation"]),
        ([FAILED, {"archived_at": T0}], []),
        ([{"archived_at": T0}, RENEWED], []),  # nobody watches it
        ([FAILED, {"archived_at": T0}, {"archived_at": None}], ["RenewalFailure"]),  # it is still so
    ],
)
def test_what_is_told_of_a_change(changes: list[dict[str, Any]], told: list[str]) -> None:
    certificate = after(*changes)
    assert [row.type for row in raised(certificate)] == told
    assert certificate.due_at is not None or not told


def test_what_an_earlier_release_told_nobody_is_told() -> None:
    """Its row says that the renewal failed; nothing else changes but that it is written anew."""
    before = a_certificate(**FAILED)
    assert [one.event for one in changed(before).occurrences] == [CertificateEvent.RENEWAL_FAILURE]
    assert changed(replace(before, indexed=1)).occurrences == ()


@pytest.mark.parametrize("event", NAMES)
def test_each_has_a_severity_and_an_id_of_its_own(event: str) -> None:
    certificate = with_event(event)
    (one,) = raised(certificate)
    critical = ("RenewalFailure", "Revocation", "DeploymentFailure")
    expected = "critical" if event in critical else "warning" if event == "PolicyViolation" else "informational"
    assert one.severity == expected
    (other,) = raised(certificate, a_policy(events={event: "warning"}))
    assert (other.severity, other.id) == ("warning", one.id)  # a policy that changes its mind tells nothing twice
    assert raised(certificate, a_policy(events={event: None})) == []


def with_event(event: str, **fields: Any) -> Certificate:
    """Make a certificate to which this happened, and to which it still applies."""
    certificate = a_certificate(source=Source.TLS, source_ref="shop.example.com:443", indexed=1, **fields)
    if event == "PolicyViolation":
        return replace(certificate, violations=(Violation("r1", "keys", Severity.WARNING, T0, "RSA of 1024 bits"),))
    if event == "Revocation":
        certificate = replace(certificate, revoked_at=T0)
    if event == "DeploymentFailure":
        certificate = replace(certificate, awaited=AwaitedDeployment("b@1", T0, T0, "certificate/x", failed_at=T0))
    return certificate.with_occurrence(Occurrence(NAMES[event], certificate.expires_at, T0, "Why."))


@pytest.mark.parametrize(
    ("event", "subject", "says"),
    [
        ("RenewalSuccess", "api.example.com was renewed, and expires in 45 days", "There is nothing to do."),
        ("RenewalFailure", "api.example.com was not renewed, and expires in 45 days", "Next: find out why"),
        ("Revocation", "api.example.com was revoked", "Next: put another certificate in its place"),
        (
            "DeploymentSuccess",
            "shop.example.com:443 serves the renewed certificate of api.example.com",
            "There is nothing to do.",
        ),
        (
            "DeploymentFailure",
            "shop.example.com:443 still serves the old certificate of api.example.com, which expires in 45 days",
            "Next: give the new one to what answers there",
        ),
        ("PolicyViolation", "api.example.com does not keep a rule", "Next: have it issued anew"),
    ],
)
def test_a_message_says_what_happened_where_and_what_to_do(event: str, subject: str, says: str) -> None:
    (row,) = raised(with_event(event))
    assert row.subject == f"[Tocsin] {subject}"
    assert row.message.startswith(f"[{event}] {subject}.\n")
    assert says in row.message
    assert "\nFound at: shop.example.com:443\n" in row.message


def test_names_of_any_length_leave_room_for_what_happened() -> None:
    (row,) = raised(with_event("DeploymentFailure", common_name="é" * 200))
    assert "still serves the old certificate of" in row.subject
    assert row.subject.endswith("which expires in 45 days")


# Good news opens no incident, and is not told long after.

EVERYWHERE = {"informational": ["PagerDuty", "Slack"], "critical": ["PagerDuty", "Slack"]}


@pytest.mark.parametrize(
    ("event", "channels"),
    [
        ("RenewalSuccess", ["Slack"]),
        ("DeploymentSuccess", ["Slack"]),
        ("RenewalFailure", ["PagerDuty", "Slack"]),
        ("DeploymentFailure", ["PagerDuty", "Slack"]),
    ],
)
def test_good_news_opens_no_incident(event: str, channels: list[str]) -> None:
    """Nobody would close it."""
    assert [row.channel for row in raised(with_event(event), a_policy(channels=EVERYWHERE))] == channels


@pytest.mark.parametrize(("event", "falls_back"), [("RenewalSuccess", False), ("RenewalFailure", True)])
def test_nor_does_it_by_falling_back(event: str, falls_back: bool) -> None:
    policy = a_policy(channels={"informational": ["Slack"], "critical": ["Slack"]}, fallbacks={"Slack": "PagerDuty"})
    (row,) = raised(with_event(event), policy)
    assert (row.fallback is not None) == falls_back


def test_where_only_incidents_are_kept_good_news_tells_nobody_and_says_so() -> None:
    policy = a_policy(channels={"informational": ["PagerDuty"]})
    certificate = after(RENEWED)
    decisions = decide(certificate, policy, SOMEBODY, {}, certificate.updated_at)
    assert any(isinstance(one, NoChannel) and isinstance(one.route, EventRoute) for one in decisions)
    (happened,) = explained(certificate, policy).happened
    assert happened.reason == "no channel for severity informational that good news goes by: it opens no incident"


def test_what_went_well_before_a_policy_told_of_it_is_not_told() -> None:
    """Else a channel that is added would be told of every renewal of the last months at once."""
    first = a_policy(events={"RenewalSuccess": None, "RenewalFailure": None})
    certificate = after(RENEWED)
    later = first.changed(a_policy(), certificate.updated_at + DAY)
    assert raised(certificate, later) == []
    decisions = decide(certificate, later, SOMEBODY, {}, certificate.updated_at + DAY)
    assert [one.since for one in decisions if isinstance(one, CameLate)] == [certificate.updated_at + DAY]
    failed = after(FAILED)  # it is still so
    assert [row.type for row in raised(failed, later)] == ["RenewalFailure"]


# What is over.


def test_what_was_told_ends_when_it_is_so_no_more_and_is_told_again_when_it_is() -> None:
    lives = Lives()
    lives.lifecycle.create(a_certificate(indexed=1), "somebody")

    def change(**fields: Any) -> Certificate:
        (before,) = lives.certificates.things.values()
        lives.lifecycle.change(before, changed(before, **fields), "somebody")
        return next(iter(lives.certificates.things.values()))

    def tell() -> list[str]:
        (certificate,) = lives.certificates.things.values()
        now = certificate.updated_at
        told = []
        for decision in decide(certificate, a_policy(), SOMEBODY, lives.alerts.marks, now):
            if isinstance(decision, Raise):
                row = notification_of(decision, certificate, POLICY, now)
                lives.alerts.raise_alert(row, mark_of(decision, certificate, now), certificate)
                told.append(row.type)
        return told

    change(**REVOKED)
    assert tell() == ["Revocation"]
    change(revoked_at=None)
    assert {row.status for row in lives.alerts.rows.values()} == {Status.SUPERSEDED}
    assert tell() == []
    change(**REVOKED)
    assert tell() == ["Revocation"]
    assert tell() == []
    assert lives.endings.open == []


def test_a_mark_that_can_not_be_read_is_of_its_cycle() -> None:
    """Neither threshold nor event: it is shown as such, and ends with its cycle."""
    mark = Mark(
        id="m",
        kind=MarkKind.RAISED,
        certificate_id="c",
        expires_at=a_certificate().expires_at,
        severity=Severity.WARNING,
        channel=ChannelName.EMAIL,
        at=T0,
    )
    assert mark.about == about(None, None) == "what can't be read"
    assert why_untrue(mark, a_certificate()) is None
    assert why_untrue(mark, after(RENEWED)) is not None


# Explained.


def explained(
    certificate: Certificate, policy: RenewalPolicy | None = None, people: People = SOMEBODY, *, is_checked: bool = True
) -> Explanation:
    policy = policy or a_policy()
    now = certificate.updated_at + HOUR
    check = PaperCheck(people)
    if is_checked:
        check.tick(certificate, policy, now)
    return explain(certificate, policy, people, marks=[*check.marks.values()], notifications={}, now=now)


def test_what_happened_is_explained_with_who_tells_it() -> None:
    (happened,) = explained(after(FAILED)).happened
    assert (happened.event, happened.severity, happened.reason) == ("RenewalFailure", "critical", "")
    assert happened.detail == "Its source says: FAILED: CAA_ERROR."
    found = explained(after(FAILED))
    assert [one.notification_id for one in found.told if one.about == "RenewalFailure"] == list(happened.told_by)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"is_checked": False}, "Email: due: the next check raises it"),
        ({"policy": a_policy(events={"RenewalFailure": None})}, "the policy tells nobody of RenewalFailure"),
        ({"policy": a_policy(channels={"critical": []})}, "no channel for severity critical"),
        (
            {"people": People()},
            "Email: no recipient: no known owner or team, and the stack has no fallback address",
        ),
    ],
)
def test_why_it_is_not_told_is_explained(given: dict[str, Any], reason: str) -> None:
    (happened,) = explained(after(FAILED), **given).happened
    assert (happened.told_by, happened.reason) == ((), reason)


def test_what_is_so_no_more_is_explained() -> None:
    happened = explained(after(FAILED, REVOKED)).happened
    assert [one.reason for one in happened] == ["it is so no more: the certificate was revoked", ""]


def test_what_is_awaited_is_explained() -> None:
    awaited = AwaitedDeployment("b@1", T0, T0 + HOUR, "certificate/x")
    assert explained(a_certificate(awaited=awaited)).awaited == awaited
    assert explained(a_certificate()).awaited is None


def test_an_event_that_was_told_is_a_duplicate_of_that() -> None:
    certificate = after(FAILED)
    check = PaperCheck()
    check.tick(certificate, a_policy(), certificate.updated_at)
    decisions = decide(certificate, a_policy(), SOMEBODY, check.marks, certificate.updated_at)
    assert [one for one in decisions if isinstance(one, Raise)] == []
    assert any(isinstance(one, Duplicate) and isinstance(one.route, EventRoute) for one in decisions)
