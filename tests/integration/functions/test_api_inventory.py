"""Contract 5 [S]: certificates, renewal policies, owners, teams and audit events each have a service over HTTP.

Issue 3, item 1: CRUD, lists with cursors and filters, conditional updates, and no deletion of what is in use.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.engine import Clock
from tests.support.functions import call
from tests.support.inventory import DAY, HOUR, T0
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    COLLECTIONS,
    OWNERS,
    POLICIES,
    RULES,
    TEAMS,
    an_id_in,
    body_of,
    created,
    delete,
    put,
    read,
    text_of,
    unchanged_by,
    walked,
)
from tests.support.inventory_store import Store

pytestmark = pytest.mark.dynamodb_local

CHANGES: dict[str, dict[str, Any]] = {
    CERTIFICATES: {"names": ["api.example.com", "www.example.com"], "serial": "0a", "renewal_status": "FAILED"},
    POLICIES: {"alert_thresholds_days": [60, "33%"], "channels": {"warning": ["Slack"]}},
    RULES: {"severity": "critical", "enabled": False, "scope": {"team_id": "t1"}},
    OWNERS: {"email": "ada.lovelace@example.com"},
    TEAMS: {"name": "Platform & Edge"},
}


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_thing_is_created_read_replaced_and_deleted(store: Store, clock: Clock, collection: str) -> None:
    new = created(collection)
    url = f"{collection}/{new.json['id']}"
    assert new.headers["location"] == url
    assert (new.headers["etag"], new.json["version"]) == ('"1"', 1)
    assert new.json["created_at"] == text_of(T0)

    found = call("GET", url)
    assert (found.status, found.json, found.headers["etag"]) == (200, new.json, '"1"')

    clock.forward(hours=1)
    changed = put(url, body_of(collection, **CHANGES[collection]), found.headers["etag"])
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    said = {"updated_at": text_of(T0 + HOUR), "version": 2}
    differing = {name for name, value in changed.json.items() if value != new.json[name]}
    assert differing - {"severities"} == CHANGES[collection].keys() | said.keys()
    assert changed.json | said == changed.json
    assert read(url) == changed.json

    gone = delete(url, '"2"')
    assert (gone.status, gone.body) == (204, "")
    assert call("GET", url).status == 404
    assert read(collection)["items"] == []


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_change_is_in_the_audit_trail(store: Store, clock: Clock, collection: str) -> None:
    """Issue 3, item 1: who did what to which thing, and when."""
    id_ = an_id_in(collection)
    clock.forward(minutes=1)
    put(f"{collection}/{id_}", body_of(collection, **CHANGES[collection]))
    clock.forward(minutes=1)
    delete(f"{collection}/{id_}")
    events = read(f"{API}/audit-events")["items"]
    assert [event["action"].rpartition("_")[2] for event in events] == ["deleted", "updated", "created"]
    assert {event["resource"].partition("/")[2] for event in events} == {id_}
    assert [event["at"] for event in events] == [text_of(T0 + minutes * HOUR / 60) for minutes in (2, 1, 0)]
    assert {event["actor"] for event in events} == {"arn:aws:iam::123456789012:user/operator"}


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_change_says_which_version_it_means(store: Store, collection: str) -> None:
    """Issue 3, item 1: updates are conditional, so two operators can't overwrite each other unseen."""
    url = f"{collection}/{an_id_in(collection)}"
    body = body_of(collection, **CHANGES[collection])
    for change in (partial(put, url, body), partial(delete, url)):
        missing = unchanged_by(store, change, None)
        assert (missing.status, missing.json["title"]) == (428, "Precondition Required")
        for stale in ('"0"', '"2"', "1", "nonsense"):
            refused = unchanged_by(store, change, stale)
            assert (refused.status, refused.headers["content-type"]) == (412, "application/problem+json"), stale

    ada, grace = read(url), read(url)
    assert ada["version"] == grace["version"]
    assert put(url, body, '"1"').status == 200
    lost = unchanged_by(store, put, url, body_of(collection), '"1"')
    assert lost.status == 412
    assert '"2"' in lost.json["detail"]
    assert unchanged_by(store, delete, url, '"1"').status == 412
    assert call("PUT", url, body, {"content-type": "application/json", "if-match": '"2"'}).status == 200  # HTTP/2
    assert put(url, body, 'W/"3"').status == 200  # a proxy that compresses makes it weak


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_what_is_not_there_is_404(shared_store: Store, collection: str) -> None:
    for id_ in ("01JNOSUCHTHING", "work", "%F0%9F%98%80", "a" * 3000, "a%23b"):
        url = f"{collection}/{id_}"
        for answer in (call("GET", url), put(url, body_of(collection)), delete(url)):
            assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json"), answer.body


@pytest.mark.parametrize(
    ("referred", "field", "referring"),
    [
        (OWNERS, "owner_id", CERTIFICATES),
        (TEAMS, "team_id", CERTIFICATES),
        (POLICIES, "policy_id", CERTIFICATES),
        (TEAMS, "team_id", OWNERS),
    ],
)
def test_what_is_referred_to_is_not_deleted(store: Store, referred: str, field: str, referring: str) -> None:
    """Issue 3, item 1: deleting what is still referred to is 409 with what refers to it."""
    target = f"{referred}/{an_id_in(referred)}"
    by = an_id_in(referring, **{field: target.rpartition("/")[2]})
    refused = unchanged_by(store, delete, target)
    assert refused.status == 409
    kind = "certificate" if referring == CERTIFICATES else "owner"
    assert f"1 refers to it: {kind}/{by}" in refused.json["detail"]
    put(f"{referring}/{by}", body_of(referring))
    assert delete(target).status == 204


def test_certificates_are_listed_by_status_owner_team_policy_and_expiry(store: Store, clock: Clock) -> None:
    """Issue 3, item 1: certificates by status, owner, team, policy and expiry window; cursors at any size."""
    owner, team = an_id_in(OWNERS), an_id_in(TEAMS)
    policy = an_id_in(POLICIES, alert_thresholds_days=[90])
    ids = {
        "expired": an_id_in(CERTIFICATES, expires_at=text_of(T0 - DAY), owner_id=owner),
        "at its end": an_id_in(CERTIFICATES, expires_at=text_of(T0), team_id=team),
        "expiring": an_id_in(CERTIFICATES, expires_at=text_of(T0 + 10 * DAY), owner_id=owner, team_id=team),
        "wide": an_id_in(CERTIFICATES, expires_at=text_of(T0 + 80 * DAY), policy_id=policy),
        "active": an_id_in(CERTIFICATES, expires_at=text_of(T0 + 81 * DAY)),
        "archived": an_id_in(CERTIFICATES, expires_at=text_of(T0 + 3 * DAY), archived_at=text_of(T0)),
        "revoked": an_id_in(CERTIFICATES, expires_at=text_of(T0 + 4 * DAY), revoked_at=text_of(T0)),
    }
    expected: dict[str, list[str]] = {
        "": ["expired", "at its end", "archived", "revoked", "expiring", "wide", "active"],
        "status=Active": ["active"],
        "status=Expiring": ["expiring", "wide"],
        "status=Expired": ["expired", "at its end"],
        "status=Archived": ["archived"],
        "status=Revoked": ["revoked"],
        f"owner_id={owner}": ["expired", "expiring"],
        f"team_id={team}": ["at its end", "expiring"],
        f"policy_id={policy}": ["wide"],
        f"owner_id={owner}&status=Expiring": ["expiring"],
        f"owner_id={owner}&team_id={team}": ["expiring"],
        f"owner_id={owner}&policy_id={policy}": [],
        f"expires_after={text_of(T0 + 4 * DAY)}": ["revoked", "expiring", "wide", "active"],
        f"expires_before={text_of(T0)}": ["expired"],
        f"expires_after={text_of(T0)}&expires_before={text_of(T0 + 10 * DAY)}": ["at its end", "archived", "revoked"],
        f"expires_after={text_of(T0 + 90 * DAY)}&expires_before={text_of(T0)}": [],
        "owner_id=nobody": [],
    }
    names = {id_: name for name, id_ in ids.items()}
    found = {query: [names[item["id"]] for item in walked(f"{CERTIFICATES}?{query}")] for query in expected}
    assert found == expected


def test_a_status_is_that_of_the_moment(store: Store, clock: Clock) -> None:
    """Contract 4.5 [S]: never Expired before the instant of expiry; at it, it is."""
    url = f"{CERTIFICATES}/{an_id_in(CERTIFICATES, expires_at=text_of(T0 + DAY))}"
    clock.forward(hours=23, minutes=59)
    assert read(url)["status"] == "Expiring"
    assert read(f"{CERTIFICATES}?status=Expired")["items"] == []
    clock.forward(minutes=1)
    assert read(url)["status"] == "Expired"
    assert len(read(f"{CERTIFICATES}?status=Expired")["items"]) == 1


@pytest.mark.parametrize("collection", [POLICIES, OWNERS, TEAMS])
def test_lists_go_on_by_cursor(store: Store, clock: Clock, collection: str) -> None:
    ids = []
    for _ in range(5):
        clock.forward(seconds=1)
        ids.append(an_id_in(collection))
    assert [item["id"] for item in walked(collection)] == ids
    cursor = read(f"{collection}?limit=1")["next_cursor"]
    for other in {POLICIES, OWNERS, TEAMS, CERTIFICATES, f"{API}/audit-events", f"{API}/sources"} - {collection}:
        refused = call("GET", f"{other}?limit=1&cursor={cursor}")
        assert (refused.status, refused.fields) == (400, {"cursor"}), other


def test_audit_events_are_listed_by_resource_action_and_time(store: Store, clock: Clock) -> None:
    """Issue 3, item 1: audit events by resource, action and time, newest first."""
    first = an_id_in(TEAMS)
    clock.forward(hours=1)
    put(f"{TEAMS}/{first}", body_of(TEAMS, name="Edge"))
    clock.forward(hours=1)
    second = an_id_in(TEAMS)
    trail = f"{API}/audit-events"
    everything = [("team_created", second), ("team_updated", first), ("team_created", first)]
    expected = {
        "": everything,
        f"resource=team/{first}": everything[1:],
        "action=team_created": [everything[0], everything[2]],
        f"action=team_created&resource=team/{first}": everything[2:],
        f"after={text_of(T0 + HOUR)}": everything[:2],
        f"before={text_of(T0 + HOUR)}": everything[2:],
        f"after={text_of(T0 + HOUR)}&before={text_of(T0 + 2 * HOUR)}": everything[1:2],
        "action=nothing_of_the_kind": [],
        "resource=team/nobody": [],
    }
    found = {
        query: [(event["action"], event["resource"].rpartition("/")[2]) for event in walked(f"{trail}?{query}", 1)]
        for query in expected
    }
    assert found == expected


def test_a_policy_shows_what_its_defaults_come_to(store: Store) -> None:
    """Contract 4.1 [S]: by default [30, 14, 7, 0]; an empty or missing list means the default. 4.8 [T]: the routes."""
    for body in ({"name": "x"}, {"name": "x", "alert_thresholds_days": []}):
        policy = call("POST", POLICIES, body).json
        assert policy["alert_thresholds_days"] == [30, 14, 7, 0]
        assert policy["severities"] == {"30": "informational", "14": "warning", "7": "warning", "0": "critical"}
        assert policy["channels"] == {"informational": ["Email"], "warning": ["Email"], "critical": ["Email"]}


def test_thresholds_in_days_and_percent_mix(store: Store) -> None:
    """Issue 3, item 5: a policy may mix both."""
    chosen = {"severities": {"33%": "critical"}, "channels": {"critical": ["PagerDuty", "Slack"], "warning": []}}
    policy = created(POLICIES, alert_thresholds_days=[3650, "100%", "33%", "1%", 0], **chosen).json
    assert policy["alert_thresholds_days"] == [3650, "100%", "33%", "1%", 0]
    assert policy["severities"]["33%"] == "critical"
    assert policy["channels"] == {"informational": ["Email"], "warning": [], "critical": ["PagerDuty", "Slack"]}
    assert put(f"{POLICIES}/{policy['id']}", body_of(POLICIES, **chosen) | {"alert_thresholds_days": ["33%"]}).json[
        "alert_thresholds_days"
    ] == ["33%"]


def test_a_reference_may_come_before_what_it_names(store: Store, clock: Clock) -> None:
    """Contract 4.7 [S]: an unknown policy falls back to the defaults; it is no error to name it."""
    certificate = created(CERTIFICATES, policy_id="later", owner_id="later", team_id="later").json
    assert certificate["policy_id"] == "later"
    assert certificate["status"] == "Active"
    later = an_id_in(POLICIES)
    put(f"{CERTIFICATES}/{certificate['id']}", body_of(CERTIFICATES, policy_id=later, owner_id="later"))
    assert delete(f"{POLICIES}/{later}").status == 409
