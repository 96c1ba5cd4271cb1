"""The expiry check on AWS's own engine: what it raises, and what must change nothing in the result."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.inventory import DAY, HOUR, LISTS, T0, PaperCheck, a_certificate, a_policy, a_team, hours
from tests.support.inventory_store import Store
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Status
from tocsin.expiry.check import Seen
from tocsin.inventory.audit import Action
from tocsin.inventory.certificate import Certificate
from tocsin.storage.codec import from_timestamp

pytestmark = pytest.mark.dynamodb_local

ENDS = (T0 + 45 * DAY, T0 + 33 * DAY + HOUR / 2, T0 + 5 * DAY, T0 - 5 * DAY, T0 + 100 * DAY)
SECOND = timedelta(seconds=1)


def fill(store: Store) -> list[Certificate]:
    """Store a certificate for each policy and expiry."""
    store.add_owner()
    for name, thresholds in LISTS.items():
        store.add_policy(replace(a_policy(*thresholds), id=name))
    return [
        store.add(a_certificate(id=f"{name}-{number}", policy_id=name, owner_id="o1", expires_at=expires_at))
        for name in LISTS
        for number, expires_at in enumerate(ENDS)
    ]


def soonest(store: Store) -> datetime:
    """Say when the index next gives something."""
    found = [item["due_at"]["S"] for item in store.items("Inventory") if "due_at" in item]
    return min(map(from_timestamp, found), default=T0 + 1000 * DAY)


def test_hour_by_hour_through_60_days(store: Store) -> None:
    """Contract 4.2 [S], 4.3 [S]: exactly the expected alerts, each once, at the hour of their crossing.

    Of the hours in which the index gives nothing, one a day is checked; `tests/unit/expiry` checks every hour on paper.
    """
    certificates = fill(store)
    next_at = soonest(store)
    for number, now in enumerate(hours(60)):
        if now >= next_at or number % 24 == 0:
            store.now = now
            done = store.checked()
            assert done.is_complete
            assert done.problems == ()
            next_at = soonest(store)
    for certificate in certificates:
        policy = a_policy(*LISTS[certificate.id.partition("-")[0]])
        expected = PaperCheck().run(certificate, policy, hours(60)).raised
        rows = [row for row in store.rows() if row.certificate_id == certificate.id]
        seen = sorted((row.created_at, row.message.partition("]")[0].partition(":")[2]) for row in rows)
        assert seen == sorted((at, route.partition(" ")[0]) for route, at in expected), certificate.id
    assert len(store.created) == len(store.rows()) == len(store.events(Action.ALERT_SENT))


def test_a_missed_fortnight_and_checks_that_run_twice_change_nothing(store: Store) -> None:
    """Issue 3: a missed day, or a check that runs twice, changes nothing in the result."""
    certificates = fill(store)
    for day in (0, 0, 3, 20, 20, 60):
        store.now = T0 + day * DAY
        store.checked()
    for certificate in certificates:
        policy = a_policy(*LISTS[certificate.id.partition("-")[0]])
        assert sorted(store.tags(certificate.id)) == sorted(PaperCheck().run(certificate, policy, hours(60)).thresholds)


def test_one_second_around_the_boundary(store: Store) -> None:
    """Faults: one second before a threshold nothing is raised, at it and after it once."""
    store.add_owner()
    certificate = store.add(a_certificate(owner_id="o1", expires_at=T0 + 30 * DAY + SECOND))
    store.checked()
    assert store.tags() == []
    for seconds in (1, 2):
        store.now = certificate.expires_at - 30 * DAY + (seconds - 1) * SECOND
        store.checked()
        assert store.tags() == ["30"]


def test_nothing_says_expired_before_it_is(store: Store) -> None:
    """Contract 4.5 [S]: 23 h 59 min before expiry nothing says "expired"; at the instant, it does."""
    store.add_owner()
    certificate = store.add(a_certificate(owner_id="o1"))
    store.now = certificate.expires_at - timedelta(hours=23, minutes=59)
    store.checked()
    assert sorted(store.tags()) == ["14", "30", "7"]
    assert not any("expired" in row.message + row.subject for row in store.rows())
    store.now = certificate.expires_at
    store.checked()
    last = store.rows()[-1]
    assert last.message.startswith("[threshold:0] The certificate api.example.com expired just now")
    assert last.severity == "critical"


def test_an_alert_its_mark_and_its_audit_event_say_the_same(store: Store) -> None:
    """Contract 4.6 [S]: an event `expiration_alert_sent` a crossing. [T]: it says created, not that it arrived."""
    store.add_owner()
    certificate = store.add(a_certificate(owner_id="o1"))
    store.now = certificate.expires_at - 30 * DAY
    store.checked()
    (row,) = store.rows()
    (mark,) = store.alerts.marks_of_cycle(certificate).values()
    (event,) = store.events("expiration_alert_sent")
    assert row.id == mark.id == event.detail["notification_id"]
    assert event.resource == f"certificate/{certificate.id}"
    assert (event.detail["result"], event.detail["threshold"], event.detail["channel"]) == ("created", "30", "Email")
    assert (row.status, row.recipient, row.created_at) == (Status.PENDING, "ada@example.com", store.now)


def test_the_window_follows_the_policy(store: Store) -> None:
    """Contract 4.2 [T]: the window follows the largest threshold of any policy, not a fixed 31 days."""
    store.add_owner()
    store.add_policy(a_policy(365))
    store.add(a_certificate(owner_id="o1", policy_id="p1", expires_at=T0 + 366 * DAY))
    store.checked()
    assert store.tags() == []
    store.now = T0 + DAY
    store.checked()
    assert store.tags() == ["365"]


def test_a_severity_goes_through_all_its_channels(store: Store) -> None:
    """Contract 4.8 [T]: thresholds to severities, severities to channels."""
    store.add_owner()
    store.add_policy(
        a_policy(30, severities={"30": "critical"}, channels={"critical": ["PagerDuty", "Email", "Slack"]})
    )
    store.add(a_certificate(owner_id="o1", policy_id="p1"))
    store.now = T0 + 15 * DAY
    store.checked()
    rows = store.rows()
    assert {row.channel for row in rows} == {ChannelName.PAGERDUTY, ChannelName.EMAIL, ChannelName.SLACK}
    assert {row.severity for row in rows} == {"critical"}
    assert {row.channel: row.recipient for row in rows}[ChannelName.SLACK] == ""


def test_a_renewed_certificate_ends_its_cycle_and_alerts_in_the_next(store: Store) -> None:
    """Contract 4.3 [T]: a renewed certificate's next cycle alerts again."""
    store.add_owner()
    certificate = store.add(a_certificate(owner_id="o1"))
    store.now = T0 + 32 * DAY
    store.checked()
    assert sorted(store.tags()) == ["14", "30"]
    renewed = store.change(certificate, not_before=store.now, expires_at=store.now + 90 * DAY)
    for day in range(1, 92):
        store.now = T0 + (32 + day) * DAY
        store.checked()
    assert sorted(store.tags()) == ["0", "14", "14", "30", "30", "7"]
    assert store.told() == ["RenewalSuccess"]
    assert len(store.alerts.marks(certificate.id, 100, None).rows) == 7
    assert len(store.alerts.marks_of_cycle(renewed)) == 5


def test_archived_and_revoked_certificates_are_left_alone(store: Store) -> None:
    """Contract 4.5 [S]: they aren't even read; a revoked one, to tell of that, once."""
    store.add_owner()
    for id_ in ("archived", "revoked", "watched"):
        store.add(a_certificate(id=id_, owner_id="o1"))
    store.change(a_certificate(id="archived"), archived_at=T0)
    store.change(a_certificate(id="revoked"), revoked_at=T0)
    assert store.indexed("due") == {"certificate#watched", "certificate#revoked"}
    store.checked()
    assert store.indexed("due") == {"certificate#watched"}
    assert store.told("revoked") == ["Revocation"]
    store.now = T0 + 60 * DAY
    assert store.checked().counts[Seen.LOOKED_AT] == 1
    assert store.tags() == store.tags("watched") != []
    store.change(a_certificate(id="archived"), archived_at=None)
    store.checked()
    assert store.tags("archived") == ["0"]


def test_an_unknown_policy_falls_back_to_the_defaults_and_is_reported(store: Store) -> None:
    """Contract 4.7 [S]."""
    store.add_owner()
    store.add(a_certificate(owner_id="o1", policy_id="nobody-wrote-this"))
    store.now = T0 + 60 * DAY
    (problem,) = store.checked().problems
    assert (problem.kind, problem.id, problem.detail) == ("renewal_policy", "nobody-wrote-this", "is unknown")
    assert sorted(store.tags()) == ["0", "14", "30", "7"]


def test_a_policy_that_comes_later_takes_effect(store: Store) -> None:
    store.add_owner()
    store.add(a_certificate(owner_id="o1", policy_id="p1"))
    store.checked()
    store.now = T0 + HOUR
    store.add_policy(a_policy(45))
    store.checked()
    assert store.tags() == ["45"]


def test_owners_and_teams_resolve_to_their_addresses(store: Store) -> None:
    """Contract 4.7 [S]: owners resolve to their email, teams to theirs."""
    store.add_owner()
    store.add_team(a_team())
    who: dict[str, dict[str, Any]] = {
        "owned": {"owner_id": "o1", "team_id": "t1"},
        "teams": {"team_id": "t1"},
        "stray": {"owner_id": "gone", "team_id": "t1"},
        "nobodys": {},
    }
    for id_, fields in who.items():
        store.add(a_certificate(id=id_, **fields))
    store.now = T0 + 15 * DAY
    done = store.checked()
    assert {row.certificate_id: row.recipient for row in store.rows()} == {
        "owned": "ada@example.com",
        "teams": "platform@example.com",
        "stray": "platform@example.com",
    }
    assert done.counts[Seen.NO_RECIPIENT] == 1
    assert [(problem.certificate_id, problem.id) for problem in done.problems] == [("stray", "gone")]


def test_what_belongs_to_nobody_is_tried_again_until_it_does(store: Store) -> None:
    certificate = store.add(a_certificate())
    store.now = T0 + 15 * DAY
    for _ in range(2):
        assert store.checked().counts[Seen.NO_RECIPIENT] == 1
        store.now += HOUR
    store.add_owner()
    store.change(certificate, owner_id="o1")
    store.checked()
    store.now += HOUR
    store.checked()
    assert store.tags() == ["30"]


def test_the_stack_may_have_an_address_for_what_belongs_to_nobody(store: Store) -> None:
    store.add(a_certificate())
    store.now = T0 + 15 * DAY
    store.checked(fallback_email="noc@example.com")
    assert [row.recipient for row in store.rows()] == ["noc@example.com"]


def broken(store: Store, pk: str, **attributes: Any) -> None:
    """Spoil a row as no code of ours would."""
    names = {f"#{number}": name for number, name in enumerate(attributes)}
    store.client.update_item(
        TableName=store.names["Inventory"],
        Key={"pk": {"S": pk}, "sk": {"S": "record"}},
        UpdateExpression="SET " + ", ".join(f"#{number} = :{number}" for number in range(len(attributes))),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={f":{number}": value for number, value in enumerate(attributes.values())},
    )


def test_what_is_broken_is_reported_and_stops_nobody_else(store: Store) -> None:
    """Issue 3: a certificate with a broken policy, owner or team is reported and doesn't stop the others."""
    store.add_owner()
    store.add_owner(replace(store.inventory.owners.get("o1"), id="bad-owner"))
    store.add_team(a_team(id="bad-team"))
    store.add_policy(replace(a_policy(30), id="bad-policy"))
    store.add(a_certificate(id="1", owner_id="o1", policy_id="bad-policy"))
    store.add(a_certificate(id="2", owner_id="bad-owner"))
    store.add(a_certificate(id="3", team_id="bad-team"))
    store.add(a_certificate(id="4", owner_id="o1"))
    store.add(a_certificate(id="5", owner_id="o1"))
    broken(store, "renewal_policy#bad-policy", thresholds={"S": "not json"})
    broken(store, "owner#bad-owner", email={"S": "not an address"})
    broken(store, "team#bad-team", email={"N": "7"})
    broken(store, "certificate#4", expires_at={"S": "tomorrow"})
    store.now = T0 + 15 * DAY
    done = store.checked()
    assert {(problem.certificate_id, problem.kind, problem.id) for problem in done.problems} == {
        ("1", "renewal_policy", "bad-policy"),
        ("2", "owner", "bad-owner"),
        ("3", "team", "bad-team"),
        ("4", "certificate", "4"),
    }
    assert {row.certificate_id for row in store.rows()} == {"1", "5"}
    assert (done.counts[Seen.BROKEN], done.counts[Seen.NO_RECIPIENT], done.is_complete) == (1, 2, True)


def test_a_check_beside_another_does_nothing(store: Store) -> None:
    store.add_owner()
    store.add(a_certificate(owner_id="o1"))
    store.now = T0 + 15 * DAY
    seen: list[object] = []
    store.check(created=lambda _row: seen.append(store.check()))
    assert seen == [None]
    assert store.tags() == ["30"]


def test_a_check_without_time_goes_on_where_the_last_one_left_off(store: Store) -> None:
    """Issue 3: it resumes at the next tick where it stopped, even where what it met first stays due."""
    store.add_owner()
    for number in range(5):
        store.add(a_certificate(id=f"nobodys-{number}"))
    for number in range(5):
        store.add(a_certificate(id=f"owned-{number}", owner_id="o1"))
    store.now = T0 + 60 * DAY
    looked_at: Counter[int] = Counter()
    for tick in range(5):
        time = iter([600.0] * 3 + [600.0] * 3 + [0.0] * 100)  # the lease, the work, three certificates, no more
        done = store.checked(remaining=lambda time=time: next(time))
        looked_at[tick] = done.counts[Seen.LOOKED_AT]
        assert not done.is_complete
        store.now += HOUR
    assert min(looked_at.values()) >= 3
    assert {row.certificate_id for row in store.rows()} == {f"owned-{number}" for number in range(5)}
    done = store.checked()
    assert done.is_complete
    assert done.counts[Seen.LOOKED_AT] == 5  # from where the last one left off, then from the beginning
    assert "position" not in {item["sk"]["S"] for item in store.items("Inventory")}
