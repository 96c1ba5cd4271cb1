"""Thresholds, channels and people that change while a certificate is inside the window."""

from dataclasses import replace

from tests.support.inventory import DAY, T0, PaperCheck, a_certificate, a_policy, an_owner, hours
from tocsin.expiry.alert import MarkKind
from tocsin.expiry.plan import NoRecipient, NotDueBefore, decide, next_due
from tocsin.inventory.contacts import People
from tocsin.inventory.policy import RenewalPolicy

AT_20_DAYS_LEFT = T0 + 25 * DAY
CERTIFICATE = a_certificate()


def changed(before: RenewalPolicy, *thresholds: object, **fields: object) -> RenewalPolicy:
    return before.changed(a_policy(*thresholds, **fields), AT_20_DAYS_LEFT)


def after(policy: RenewalPolicy, people: People | None = None) -> PaperCheck:
    """Check hourly under the default thresholds to 20 days left, then under `policy` for an hour."""
    check = PaperCheck(people) if people else PaperCheck()
    check.run(CERTIFICATE, a_policy(), hours(25))
    check.raised.clear()
    return check.run(CERTIFICATE, policy, [AT_20_DAYS_LEFT, AT_20_DAYS_LEFT + DAY])


def test_wider_thresholds_that_are_added_late_are_not_sent() -> None:
    """Contract 4.4 [T]: 90 and 60 come when 30 is crossed already, and stands for them."""
    check = after(changed(a_policy(), 90, 60, 30, 14, 7, 0))
    assert check.thresholds == []
    recorded = {str(m.threshold): str(m.superseded_by) for m in check.marks.values() if m.kind is MarkKind.SUPERSEDED}
    assert recorded == {"90": "30", "60": "30"}


def test_a_more_urgent_threshold_that_is_added_late_is_sent_once() -> None:
    assert after(changed(a_policy(), 30, 25, 14, 7, 0)).thresholds == ["25"]


def test_what_has_not_changed_is_not_sent_again() -> None:
    assert after(changed(a_policy(), 30, 14, 7, 0)).thresholds == []
    assert after(changed(a_policy(), 30, 13, 0)).thresholds == []


def test_a_channel_that_is_added_hears_the_present_state_once() -> None:
    channels = {severity: ["Email", "Slack"] for severity in ("informational", "warning", "critical")}
    check = after(changed(a_policy(), 30, 14, 7, 0, channels=channels))
    assert [route for route, _ in check.raised] == ["30 Slack"]


def test_a_policy_that_changes_in_an_outage_loses_nothing_that_was_crossed_before() -> None:
    """The threshold that was there stays as old as it was: its alert is late, not superseded."""
    policy = changed(a_policy(30, 28), 30, 28, 22)
    check = PaperCheck().run(CERTIFICATE, policy, [AT_20_DAYS_LEFT])
    assert sorted(check.thresholds) == ["22", "28", "30"]


def test_a_threshold_without_a_channel_is_recorded_and_does_not_stand_for_others() -> None:
    """Critical alerts can't be silently dropped: only what tells somebody supersedes."""
    late = a_certificate(expires_at=T0 + 5 * DAY)
    check = PaperCheck().run(late, a_policy(channels={"warning": []}), [T0])
    kinds = {str(mark.threshold): mark.kind for mark in check.marks.values()}
    assert check.thresholds == ["30"]
    assert kinds == {"30": MarkKind.RAISED, "14": MarkKind.NO_CHANNEL, "7": MarkKind.NO_CHANNEL}


def test_without_anybody_to_write_to_it_stays_due_until_there_is() -> None:
    nobody = PaperCheck(People()).run(CERTIFICATE, a_policy(), [AT_20_DAYS_LEFT])
    assert nobody.thresholds == []
    assert [mark.kind for mark in nobody.marks.values()] == [MarkKind.NO_RECIPIENT]
    decisions = decide(CERTIFICATE, a_policy(), People(), nobody.marks, AT_20_DAYS_LEFT)
    assert any(isinstance(decision, NoRecipient) for decision in decisions)
    assert next_due(CERTIFICATE, decisions, AT_20_DAYS_LEFT) == CERTIFICATE.due_at
    nobody.people = People(owner=an_owner())
    assert nobody.run(CERTIFICATE, a_policy(), hours(60)).thresholds == ["30", "14", "7", "0"]


def test_the_next_look_is_at_the_next_crossing() -> None:
    decisions = decide(CERTIFICATE, a_policy(), People(owner=an_owner()), {}, AT_20_DAYS_LEFT)
    assert min(d.at for d in decisions if isinstance(d, NotDueBefore)) == CERTIFICATE.expires_at - 14 * DAY
    assert next_due(CERTIFICATE, decisions, AT_20_DAYS_LEFT) == CERTIFICATE.expires_at - 14 * DAY
    end = CERTIFICATE.expires_at
    assert next_due(CERTIFICATE, decide(CERTIFICATE, a_policy(), People(owner=an_owner()), {}, end), end) is None
    archived = replace(CERTIFICATE, archived_at=T0)
    assert next_due(archived, decide(archived, a_policy(), People(), {}, end), end) is None


def test_what_is_crossed_at_the_very_instant_of_being_known_is_late() -> None:
    """Of two thresholds crossed just then, one alerts."""
    certificate = a_certificate(not_before=T0 - 30 * DAY, expires_at=T0 + 30 * DAY)
    assert PaperCheck().run(certificate, a_policy("50%", 30), [T0]).thresholds == ["30"]
