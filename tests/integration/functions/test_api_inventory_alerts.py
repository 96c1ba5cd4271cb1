"""Issue 3, item 6: was anybody alerted, what comes next, and if nothing was sent, why not; what a draft would do."""

from typing import Any

import pytest

from tests.support.engine import Clock
from tests.support.functions import call
from tests.support.inventory import DAY, HOUR, T0
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    OWNERS,
    POLICIES,
    TEAMS,
    an_id_in,
    body_of,
    check,
    created,
    measured,
    put,
    read,
    text_of,
    unchanged_by,
    walked,
)
from tests.support.inventory_store import Store
from tests.support.rows import ACCEPTED, NO_CHANNEL, REFUSED, REJECTED, settled
from tocsin.delivery.attempt import Attempted
from tocsin.delivery.store import Change

pytestmark = pytest.mark.dynamodb_local


def explained(store: Store, id_: str) -> dict[str, Any]:
    """Ask for the explanation, which writes nothing."""
    answer = unchanged_by(store, call, "GET", f"{CERTIFICATES}/{id_}/explain")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def settle(store: Store, clock: Clock, result: Attempted) -> None:
    """Let every alert that is owed take this result."""
    for row in store.rows():
        if row.is_owed:
            store.notifications.replace(Change(row, settled(row, result, clock.now)))


def a_watched(**fields: Any) -> str:
    """Create a certificate that expires 45 days after T0 and belongs to somebody."""
    return an_id_in(CERTIFICATES, owner_id=an_id_in(OWNERS), not_before=text_of(T0 - 45 * DAY), **fields)


def test_before_anything_is_due_it_says_what_comes_and_when(store: Store, clock: Clock) -> None:
    found = explained(store, a_watched())
    assert (found["status"], found["policy"], found["problems"], found["told"]) == ("Active", "default", [], [])
    assert found["next"] == {
        "at": text_of(T0 + 15 * DAY),
        "threshold": "30",
        "severity": "informational",
        "channel": "Email",
    }
    reasons = {one["threshold"]: one["reason"] for one in found["findings"]}
    assert reasons["30"] == "not due before 2026-03-16 12:00:00 UTC"
    assert reasons.keys() == {"30", "14", "7", "0"}
    assert "Nobody was alerted." in found["summary"]


def test_what_was_sent_is_told_with_its_fate(store: Store, clock: Clock) -> None:
    """Issue 3, item 6: about what, when, through which channel, did it arrive."""
    id_ = a_watched()
    clock.forward(days=15)
    assert check()["raised"] == 1
    (told,) = explained(store, id_)["told"]
    assert (told["threshold"], told["channel"], told["recipient"]) == ("30", "Email", "ada@example.com")
    assert (told["arrived"], told["fate"]) == (None, "its first delivery is under way")
    settle(store, clock, REFUSED)
    (told,) = explained(store, id_)["told"]
    assert told["arrived"] is None
    assert told["fate"].startswith("attempt 1 failed: HTTP 503")
    clock.forward(minutes=1)
    settle(store, clock, ACCEPTED)
    found = explained(store, id_)
    (told,) = found["told"]
    assert (told["arrived"], told["arrived_at"]) == (True, text_of(clock.now))
    assert told["fate"].endswith("on attempt 2")
    assert "1 alert raised in this cycle, 1 known to have arrived." in found["summary"]
    duplicate = next(one for one in found["findings"] if one["threshold"] == "30")
    assert duplicate["reason"].startswith(f"duplicate of {told['notification_id']}")
    assert found["next"]["threshold"] == "14"


def test_what_did_not_arrive_says_why(store: Store, clock: Clock) -> None:
    id_ = a_watched()
    clock.forward(days=15)
    check()
    settle(store, clock, REJECTED)
    clock.forward(days=16)
    check()
    settle(store, clock, NO_CHANNEL)
    dead, skipped = explained(store, id_)["told"]
    assert (dead["arrived"], dead["fate"]) == (False, "it could not be delivered: HTTP 400 Bad Request")
    assert (skipped["arrived"], skipped["fate"]) == (False, "nothing was sent: Email is not configured")


def test_a_certificate_first_seen_late_names_what_stands_for_what(store: Store, clock: Clock) -> None:
    """Contract 4.4 [T]: the wider ones are recorded as superseded by the most urgent crossed one, not sent."""
    id_ = a_watched(expires_at=text_of(T0 + 5 * DAY))
    check()
    found = explained(store, id_)
    assert [told["threshold"] for told in found["told"]] == ["7"]
    late = {one["threshold"]: one for one in found["findings"] if one["since"]}
    assert late.keys() == {"30", "14"}
    assert {one["reason"].partition(":")[0] for one in late.values()} == {"superseded by threshold 7"}
    assert {one["since"] for one in late.values()} == {text_of(T0)}


def test_an_alert_whose_row_is_broken_is_shown_with_the_others(store: Store, clock: Clock) -> None:
    id_ = a_watched()
    clock.forward(days=15)
    check()
    (row,) = store.rows()
    store.client.update_item(
        TableName=store.names["Notifications"],
        Key={"id": {"S": row.id}},
        UpdateExpression="SET retry_count = :broken",
        ExpressionAttributeValues={":broken": {"S": "many"}},
    )
    (shown,) = read(f"{CERTIFICATES}/{id_}/notifications")["items"]
    assert (shown["id"], shown["retry_count"]) == (row.id, 0)
    (told,) = explained(store, id_)["told"]
    assert told["recipient"] == "ada@example.com"


def test_a_policy_of_very_many_routes_is_explained_whole(store: Store, clock: Clock) -> None:
    channels = ["Email", "Webhook", "Slack", "Teams", "PagerDuty", "OpsGenie", "SNS"]
    everywhere = dict.fromkeys(["informational", "warning", "critical"], channels)
    policy = an_id_in(POLICIES, alert_thresholds_days=list(range(1, 25)), channels=everywhere)
    id_ = a_watched(policy_id=policy, expires_at=text_of(T0 + DAY / 2))
    assert check()["raised"] == 7
    found = explained(store, id_)
    assert sorted(told["channel"] for told in found["told"]) == sorted(channels)
    assert len([one for one in found["findings"] if one["since"]]) == 23 * 7


def test_a_severity_without_a_channel_is_a_reason(store: Store, clock: Clock) -> None:
    policy = an_id_in(POLICIES, name="quiet", alert_thresholds_days=[30], channels={"informational": []})
    id_ = a_watched(policy_id=policy)
    clock.forward(days=15)
    assert check()["raised"] == 0
    found = explained(store, id_)
    assert (found["policy"], found["told"], found["next"]) == ("quiet", [], None)
    (finding,) = found["findings"]
    assert (finding["reason"], finding["since"]) == ("no channel for severity informational", text_of(clock.now))
    assert "Why: 30: no channel for severity informational." in found["summary"]


def test_nobody_to_write_to_is_a_reason(store: Store, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Contract 4.7 [S]: an unknown policy falls back to the defaults and is logged. Here nobody is known either."""
    id_ = an_id_in(CERTIFICATES, owner_id="unknown", policy_id="unknown")
    clock.forward(days=15)
    capsys.readouterr()
    assert check()["no_recipient"] == 1
    out = capsys.readouterr().out
    assert measured(out)["ExpiryCheckProblems"] == 2
    assert "a certificate's alerts fall back to defaults" in out
    found = explained(store, id_)
    assert found["told"] == []
    assert found["policy"] == "default"
    assert found["problems"] == ["renewal_policy unknown is unknown", "owner unknown is unknown"]
    assert any(one["reason"].startswith("no recipient") for one in found["findings"])


@pytest.mark.parametrize(("field", "why"), [("archived_at", "archived"), ("revoked_at", "revoked")])
def test_what_is_left_alone_says_so(store: Store, clock: Clock, field: str, why: str) -> None:
    """Contract 4.5 [S]: archived and revoked certificates are left alone."""
    id_ = a_watched(expires_at=text_of(T0 + DAY), **{field: text_of(T0)})
    check()
    found = explained(store, id_)
    assert (found["status"].lower(), found["told"], found["next"]) == (why, [], None)
    (finding,) = found["findings"]
    assert why in finding["reason"].lower()


def test_the_alerts_of_a_certificate_are_listed_the_latest_cycle_first(store: Store, clock: Clock) -> None:
    """Design 4: `GET /certificates/{id}/notifications`."""
    id_ = a_watched()
    other = a_watched()
    for _ in range(3):
        clock.forward(days=15)
        check()
    owner = read(f"{CERTIFICATES}/{id_}")["owner_id"]
    renewed = body_of(CERTIFICATES, expires_at=text_of(clock.now + 30 * DAY), owner_id=owner)
    put(f"{CERTIFICATES}/{id_}", renewed)
    clock.forward(minutes=1)
    check()
    listed = walked(f"{CERTIFICATES}/{id_}/notifications", 1)
    cycles = [row["message"].partition(", at ")[2].partition(" UTC")[0] for row in listed]
    assert len(listed) == 6
    assert cycles == sorted(cycles, reverse=True)
    assert {row["certificate_id"] for row in listed} == {id_}
    assert [row["status"] for row in listed] == [*["pending"] * 2, *["superseded"] * 4]
    assert {row["type"] for row in listed[:2]} == {"ExpirationWarning", "RenewalSuccess"}
    assert len(read(f"{CERTIFICATES}/{other}/notifications")["items"]) == 4
    assert call("GET", f"{CERTIFICATES}/unknown/notifications").status == 404
    assert call("GET", f"{CERTIFICATES}/unknown/explain").status == 404


def test_a_simulation_sends_nothing_and_writes_nothing(store: Store, clock: Clock) -> None:
    """Issue 3, item 6: the alerts that it would have raised over the real inventory, sending nothing."""
    policy = an_id_in(POLICIES)
    mine = an_id_in(
        CERTIFICATES, policy_id=policy, expires_at=text_of(T0 + 40 * DAY), not_before=text_of(T0 - 60 * DAY)
    )
    an_id_in(CERTIFICATES, expires_at=text_of(T0 + 40 * DAY))
    an_id_in(CERTIFICATES, policy_id=policy, archived_at=text_of(T0))
    draft = {
        "name": "a draft",
        "alert_thresholds_days": [20, "33%", 0],
        "channels": {"informational": ["Slack", "Email"], "critical": []},
        "start": text_of(T0),
        "end": text_of(T0 + 60 * DAY),
    }
    url = f"{POLICIES}/{policy}/simulate"
    answer = unchanged_by(store, call, "POST", url, draft)
    assert answer.status == 200, answer.body
    found = [(item["at"], item["threshold"], item["channel"]) for item in answer.json["items"]]
    assert found == [
        (text_of(T0 + 7 * DAY), "33%", "Email"),
        (text_of(T0 + 7 * DAY), "33%", "Slack"),
        (text_of(T0 + 20 * DAY), "20", "Email"),
        (text_of(T0 + 20 * DAY), "20", "Slack"),
        (text_of(T0 + 40 * DAY), "0", None),
    ]
    assert {item["certificate_id"] for item in answer.json["items"]} == {mine}
    assert answer.json["items"][0]["message"].startswith(
        "[threshold:33%] The certificate api.example.com expires in 33 d"
    )
    assert (answer.json["certificates"], answer.json["is_complete"]) == (2, True)

    everything = unchanged_by(store, call, "POST", url, draft | {"all_certificates": True})
    assert everything.json["certificates"] == 3
    window = draft | {"start": text_of(T0 + 7 * DAY), "end": text_of(T0 + 20 * DAY)}
    assert len(call("POST", url, window).json["items"]) == 2  # from start to just before end
    assert call("POST", f"{POLICIES}/unknown/simulate", draft).status == 404


def test_a_simulation_says_where_it_stopped(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = created(POLICIES).json["id"]
    monkeypatch.setattr("routes.policies.CERTIFICATES_LIMIT", 2)
    for _ in range(3):
        an_id_in(CERTIFICATES, policy_id=policy)
    draft = {"name": "x", "start": text_of(T0), "end": text_of(T0 + 60 * DAY)}
    answer = call("POST", f"{POLICIES}/{policy}/simulate", draft).json
    assert (answer["certificates"], answer["is_complete"]) == (2, False)
    monkeypatch.setattr("routes.policies.ALERTS_LIMIT", 3)
    answer = call("POST", f"{POLICIES}/{policy}/simulate", draft).json
    assert (len(answer["items"]), answer["is_complete"]) == (3, False)


def test_a_changed_policy_has_its_certificates_looked_at_anew(store: Store, clock: Clock) -> None:
    """Contract 4.2 [T]: the window follows the largest threshold of any policy, from the next check on."""
    policy = an_id_in(POLICIES, alert_thresholds_days=[7])
    id_ = a_watched(policy_id=policy)
    assert check()["raised"] == 0
    clock.forward(hours=1)
    put(f"{POLICIES}/{policy}", body_of(POLICIES, alert_thresholds_days=[60, 7]))
    reasons = {one["threshold"]: one["reason"] for one in explained(store, id_)["findings"]}
    assert reasons["60"] == "due: the next check raises it"
    assert check()["raised"] == 1
    (row,) = walked(f"{CERTIFICATES}/{id_}/notifications")
    assert row["message"].startswith("[threshold:60]")
    assert check()["raised"] == 0


def test_a_team_is_told_where_there_is_no_owner(store: Store, clock: Clock) -> None:
    """Contract 4.7 [S]: teams resolve to theirs."""
    an_id_in(CERTIFICATES, team_id=an_id_in(TEAMS), expires_at=text_of(T0 + HOUR))
    check()
    (row,) = read(f"{API}/notifications")["items"]
    assert (row["recipient"], row["type"]) == ("platform@example.com", "ExpirationWarning")


def test_a_check_beside_another_is_skipped(store: Store, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Contract 2.8's rule for every job: what starts while another runs does nothing, and says so."""
    from tocsin.storage.lease import Lease

    a_watched(expires_at=text_of(T0 + HOUR))
    capsys.readouterr()
    lease = Lease(store.client, store.names["Notifications"], "expiry_check", "another")
    assert lease.take(clock.now, clock.now + HOUR)
    assert check() == {"skipped": True}
    assert store.rows() == []
    assert measured(capsys.readouterr().out) == {"ExpiryCheckSkipped": 1}
    lease.release()
    assert check()["raised"] == 1
    counted = measured(capsys.readouterr().out)
    assert (counted["AlertsRaised"], counted["NotificationsCreated"]) == (1, 1)
    assert "ExpiryCheckProblems" not in counted, "a gauge of 0 is not written: a metric costs what it costs"
    clock.forward(hours=2)
    assert check()["skipped"] is False
