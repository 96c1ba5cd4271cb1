"""Explain: was anybody alerted, did it arrive, what comes next; and if nothing was sent, why not."""

from dataclasses import replace
from datetime import datetime

import pytest

from tests.support.inventory import DAY, SOMEBODY, T0, PaperCheck, a_certificate, a_policy, hours
from tests.support.rows import ACCEPTED, NO_CHANNEL, POLICY, REFUSED, REJECTED
from tocsin.delivery.attempt import Accepted, Attempted
from tocsin.delivery.notification import Notification, Severity
from tocsin.expiry.explanation import Explanation, explain
from tocsin.expiry.plan import Raise, decide, notification_of
from tocsin.inventory.certificate import Certificate, CertificateStatus
from tocsin.inventory.contacts import People
from tocsin.inventory.policy import RenewalPolicy

CERTIFICATE = a_certificate()
AT_30 = CERTIFICATE.expires_at - 30 * DAY


def the_alert() -> Notification:
    """Write the alert of threshold 30."""
    decisions = decide(CERTIFICATE, a_policy(), SOMEBODY, {}, AT_30)
    (raised,) = [decision for decision in decisions if isinstance(decision, Raise)]
    return notification_of(raised, CERTIFICATE, POLICY, AT_30)


def answer(
    certificate: Certificate = CERTIFICATE,
    policy: RenewalPolicy | None = None,
    people: People = SOMEBODY,
    row: Notification | None = None,
    now: datetime = AT_30 + DAY,
) -> Explanation:
    """Check hourly until `now`, then ask."""
    policy = policy or a_policy()
    check = PaperCheck(people).run(certificate, policy, (at for at in hours(60) if at <= now))
    rows = {row.id: row} if row else {}
    return explain(certificate, policy, people, marks=list(check.marks.values()), notifications=rows, now=now)


def test_before_the_first_threshold_it_says_when() -> None:
    found = answer(now=T0)
    assert found.status is CertificateStatus.ACTIVE
    assert found.told == ()
    assert found.findings[-1].reason == "not due before 2026-03-16 12:00:00 UTC"
    assert found.next is not None
    assert (str(found.next.threshold), found.next.at) == ("30", AT_30)
    assert found.summary.startswith("Nobody was alerted. Why: ")


@pytest.mark.parametrize(
    ("result", "arrived", "fate"),
    [
        (ACCEPTED, True, "Email delivered it at 2026-03-16 12:00:00 UTC, on attempt 1"),
        (Accepted(200), None, "Email took it at 2026-03-16 12:00:00 UTC; whether it arrived nobody has said yet"),
        (NO_CHANNEL, False, "nothing was sent: Email is not configured"),
        (REJECTED, False, "it could not be delivered: HTTP 400 Bad Request"),
        (REFUSED, None, "attempt 1 failed: HTTP 503 Service Unavailable; again at 2026-03-16 12:01:00 UTC"),
    ],
)
def test_it_says_whether_it_arrived(result: Attempted, arrived: bool | None, fate: str) -> None:
    (told,) = answer(row=the_alert().settled(result, started_at=AT_30, now=AT_30, policy=POLICY)).told
    assert (told.arrived, told.fate) == (arrived, fate)
    assert (str(told.threshold), told.channel, told.recipient, told.raised_at) == (
        "30",
        "Email",
        "ada@example.com",
        AT_30,
    )
    assert told.arrived_at == (AT_30 if arrived else None)


def test_a_first_delivery_may_be_under_way_and_a_record_may_be_gone() -> None:
    assert answer(row=the_alert()).told[0].fate == "its first delivery is under way"
    assert answer(row=None).told[0].fate == "its record has left by retention"
    stopped = the_alert().superseded("the certificate was renewed", AT_30)
    assert answer(row=stopped).told[0].fate == "it was stopped: the certificate was renewed"
    read = the_alert().settled(ACCEPTED, started_at=AT_30, now=AT_30, policy=POLICY).acknowledged(AT_30 + DAY)
    assert answer(row=read).told[0].arrived is True


def test_what_was_raised_is_not_raised_twice() -> None:
    found = answer()
    (reason,) = [finding.reason for finding in found.findings if str(finding.threshold) == "30"]
    assert reason.startswith(f"duplicate of {the_alert().id}, raised at 2026-03-16 12:00:00 UTC")


def test_negative_decisions_are_answered_from_the_record() -> None:
    late = answer(a_certificate(expires_at=T0 + 5 * DAY), now=T0 + DAY)
    recorded = {str(finding.threshold): finding for finding in late.findings}
    assert recorded["30"].reason.startswith("superseded by threshold 7")
    assert recorded["30"].since == T0
    muted = answer(policy=a_policy(channels={"informational": []}))
    assert [(f.reason, f.since) for f in muted.findings if str(f.threshold) == "30"] == [
        ("no channel for severity informational", AT_30)
    ]
    alone = answer(people=People())
    assert [(f.reason, f.since) for f in alone.findings if str(f.threshold) == "30"] == [
        ("no recipient: no known owner or team, and the stack has no fallback address", AT_30)
    ]


@pytest.mark.parametrize(("field", "word"), [("archived_at", "archived"), ("revoked_at", "revoked")])
def test_what_is_put_away_is_said_to_be_left_alone(field: str, word: str) -> None:
    found = answer(replace(CERTIFICATE, **{field: T0}))  # type: ignore[arg-type]  # a field by name
    assert [finding.reason for finding in found.findings] == [f"it is {word}, and left alone"]
    assert found.next is None


def test_alerts_of_an_earlier_cycle_are_shown_with_theirs() -> None:
    check = PaperCheck().run(CERTIFICATE, a_policy(), hours(20))
    renewed = CERTIFICATE.changed(replace(CERTIFICATE, expires_at=T0 + 200 * DAY), T0 + 20 * DAY)
    found = explain(
        renewed, a_policy(), SOMEBODY, marks=list(check.marks.values()), notifications={}, now=T0 + 21 * DAY
    )
    assert [told.expires_at for told in found.told] == [CERTIFICATE.expires_at]
    assert found.summary.startswith("Nobody was alerted.")
    assert found.next is not None


def test_what_is_due_and_not_checked_yet_is_said_to_be() -> None:
    found = explain(
        CERTIFICATE, a_policy(), SOMEBODY, marks=[], notifications={}, now=AT_30, problems=["unknown policy"]
    )
    assert "due: the next check raises it" in [finding.reason for finding in found.findings]
    assert found.problems == ("unknown policy",)


def unchecked(people: People = SOMEBODY, policy: RenewalPolicy | None = None) -> dict[str, str]:
    """Ask about a certificate that no check has looked at yet; the reasons by threshold."""
    late = a_certificate(watched_since=AT_30 + 20 * DAY)
    found = explain(late, policy or a_policy(), people, marks=[], notifications={}, now=AT_30 + 20 * DAY)
    return {str(finding.threshold): finding.reason for finding in found.findings}


def test_before_the_first_check_it_says_what_that_will_decide() -> None:
    """Each decision in the words that its record will have: superseded, no channel, nobody to write to."""
    assert unchecked()["30"].startswith("superseded by threshold 14")
    nobody = unchecked(people=People())
    assert "nobody" in nobody["14"] or "recipient" in nobody["14"]
    silent = unchecked(policy=a_policy(channels={Severity.WARNING: ()}))
    assert "channel" in silent["14"]


def test_an_alert_without_a_channel_is_a_defect_of_the_plan() -> None:
    (raised,) = [one for one in decide(CERTIFICATE, a_policy(), SOMEBODY, {}, AT_30) if isinstance(one, Raise)]
    nowhere = replace(raised, route=replace(raised.route, channel=None))
    with pytest.raises(ValueError, match="without a channel"):
        notification_of(nowhere, CERTIFICATE, POLICY, AT_30)
