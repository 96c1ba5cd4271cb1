"""Other ways of a notification over HTTP: its fallback, what it acknowledges or resolves, and why it waits."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.functions import Answer, call
from tests.support.inventory_api import POLICIES, body_of, created, put, text_of
from tests.support.inventory_store import Store
from tests.support.rows import NOW, POLICY, REFUSED, a_row, in_status, settled
from tocsin.delivery.attempt import Throttled
from tocsin.delivery.channel_name import ChannelName, Target
from tocsin.delivery.notification import Act, Notification, Status

pytestmark = pytest.mark.dynamodb_local

PATH = "/api/v1/notifications"
GOOD = {"type": "Custom:disk", "channel": "PagerDuty", "message": "The disk is full."}
JSON = {"Content-Type": "application/json"}


def create(**fields: Any) -> Answer:
    return call("POST", PATH, GOOD | fields)


def an_id(**fields: Any) -> str:
    answer = create(**fields)
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def listed(query: str) -> set[str]:
    return {item["id"] for item in call("GET", f"{PATH}?{query}").json["items"]}


# ── Fallback ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fallback_is_kept_and_shown(stack: Database) -> None:
    answer = create(fallback={"channel": "Email", "recipient": "ops@example.com"})
    assert answer.json["fallback"] == {"channel": "Email", "recipient": "ops@example.com"}
    assert stack.table.get(answer.json["id"]).fallback == Target(ChannelName.EMAIL, "ops@example.com")
    assert call("GET", f"{PATH}/{answer.json['id']}").json["fallback"] == answer.json["fallback"]


def test_a_fallback_may_be_another_recipient_of_the_same_channel(stack: Database) -> None:
    mail = {"channel": "Email", "recipient": "ada@example.com"}
    assert create(**mail, fallback=mail | {"recipient": "ops@example.com"}).status == 202


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"fallback": {"channel": "PagerDuty"}}, "fallback"),
        ({"fallback": {"channel": "PagerDuty", "recipient": ""}}, "fallback"),
        ({"fallback": {"channel": "Fax"}}, "fallback.channel"),
        ({"fallback": {"channel": "Email"}}, "fallback.recipient"),
        ({"fallback": {"channel": "Email", "recipient": "ops"}}, "fallback.recipient"),
        ({"fallback": {"channel": "Webhook", "recipient": "http://169.254.169.254/"}}, "fallback.recipient"),
        ({"fallback": {"channel": "Email", "recipient": "ops@example.com", "again": True}}, "fallback.again"),
        ({"fallback": {"recipient": "ops@example.com"}}, "fallback.channel"),
        ({"fallback": "Email ops@example.com"}, "fallback"),
    ],
)
def test_a_fallback_is_checked_like_the_first_recipient(
    shared_store: Store, fields: dict[str, Any], named: str
) -> None:
    answer = create(**fields)
    assert (answer.status, answer.fields) == (422, {named}), answer.body


def test_the_links_between_two_are_shown(stack: Database) -> None:
    first = replace(a_row(), fell_back_to="01JSECOND", resolved_by="01JTHIRD", complained_at=NOW)
    stack.fill([first, second := replace(a_row(), fallback_of=first.id)])
    shown = call("GET", f"{PATH}/{first.id}").json
    assert (shown["fell_back_to"], shown["fallback_of"], shown["complained_at"]) == ("01JSECOND", None, text_of(NOW))
    assert shown["resolved_by"] == "01JTHIRD"
    assert call("GET", f"{PATH}/{second.id}").json["fallback_of"] == first.id


# ── Acknowledge and resolve ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("act", ["acknowledge", "resolve"])
@pytest.mark.parametrize("channel", ["PagerDuty", "PagerDuty:night", "OpsGenie", "JSM"])
def test_what_was_opened_can_be_acknowledged_and_resolved(stack: Database, channel: str, act: str) -> None:
    opened = an_id(channel=channel)
    answer = create(channel=channel, act=act, about=opened)
    assert (answer.status, answer.json["act"], answer.json["about"]) == (202, act, opened)
    row = stack.table.get(answer.json["id"])
    assert (row.act, row.about) == (Act(act), opened)


def test_without_saying_so_it_triggers(stack: Database) -> None:
    answer = create()
    assert (answer.json["act"], answer.json["about"]) == ("trigger", None)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"act": "close"}, {"act"}),
        ({"act": "resolve"}, {"about"}),
        ({"act": "acknowledge", "about": None}, {"about"}),
        ({"about": "01J00000000000000000000000"}, {"about"}),
        ({"act": "trigger", "about": "01J00000000000000000000000"}, {"about"}),
        ({"act": "resolve", "about": "01J00000000000000000000000"}, {"about"}),
        ({"act": "resolve", "about": "no id"}, {"about"}),
        ({"act": "resolve", "about": "x" * 65}, {"about"}),
        ({"act": "resolve", "about": "01J00000000000000000000000", "channel": "Slack"}, {"act"}),
        ({"act": "resolve", "channel": "Webhook"}, {"act", "about"}),
    ],
)
def test_what_makes_no_sense_is_named(shared_store: Store, fields: dict[str, Any], named: set[str]) -> None:
    answer = create(**fields)
    assert answer.status == 422, answer.body
    assert answer.fields <= named
    assert answer.fields


def test_what_it_is_about_must_have_opened_something_there(stack: Database) -> None:
    opened = an_id()
    resolving = an_id(act="resolve", about=opened)
    for fields in ({"about": resolving}, {"about": opened, "channel": "PagerDuty:night"}):
        answer = create(act="acknowledge", **fields)
        assert (answer.status, answer.fields) == (422, {"about"}), answer.body


def test_keys_of_before_name_the_same_bodies(stack: Database) -> None:
    """An Idempotency-Key that an older release kept is still that of the same body: here is what 0.2.0 kept."""
    headers = JSON | {"Idempotency-Key": "nightly"}
    first = call("POST", PATH, GOOD, headers)
    assert stack.table.get(first.json["id"]).fingerprint == "4c4c57494ac6246164a23d716c6ba1cd"
    again = call("POST", PATH, GOOD | {"act": "trigger", "fallback": None}, headers)
    assert (again.status, again.json["id"]) == (202, first.json["id"])
    other = call("POST", PATH, GOOD | {"fallback": {"channel": "SNS"}}, headers)
    assert (other.status, other.fields) == (422, {"Idempotency-Key"})


# ── Deferred ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def some_rows() -> dict[str, Notification]:
    later = NOW + timedelta(minutes=5)
    return {
        "held": a_row().deferred("Webhook", "HTTP 401", later, NOW, POLICY),
        "throttled": settled(a_row(), Throttled("slow down", 300.0)),
        "pending": a_row(),
        "failed": settled(a_row(), REFUSED),
        "sent": in_status(Status.SENT),
    }


def test_why_one_waits_is_shown(stack: Database) -> None:
    """Since when, until when it is looked at again, and for what: a circuit, or a service that takes no more."""
    rows = some_rows()
    stack.fill(rows.values())
    shown = {name: call("GET", f"{PATH}/{row.id}").json["deferred"] for name, row in rows.items()}
    since, until = text_of(NOW), text_of(NOW + timedelta(minutes=5))
    assert shown == {
        "held": {"by": "Webhook", "reason": "HTTP 401", "since": since, "until": until},
        "throttled": {"by": None, "reason": "slow down", "since": since, "until": until},
        "pending": None,
        "failed": None,
        "sent": None,
    }


def test_lists_filter_by_it(stack: Database) -> None:
    rows = some_rows()
    stack.fill(rows.values())
    waits = {rows["held"].id, rows["throttled"].id}
    assert listed("deferred=true") == waits
    assert listed("deferred=false") == {row.id for row in rows.values()} - waits
    assert listed("deferred=true&channel=Webhook") == waits
    assert listed("deferred=true&channel=Webhook:other") == set()
    assert call("GET", f"{PATH}?deferred=perhaps").fields == {"deferred"}


# ── Policies ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_policys_fallbacks_are_kept_shown_and_replaced(store: Store) -> None:
    chosen = {"Slack:payments": "Email", "Email": "SNS"}
    policy = created(POLICIES, fallbacks=chosen).json
    assert policy["fallbacks"] == chosen
    assert call("GET", f"{POLICIES}/{policy['id']}").json["fallbacks"] == chosen
    assert put(f"{POLICIES}/{policy['id']}", body_of(POLICIES)).json["fallbacks"] == {}


def test_a_circle_of_fallbacks_names_all_that_are_in_it(shared_store: Store) -> None:
    answer = call("POST", POLICIES, body_of(POLICIES, fallbacks={"Slack": "Teams", "Teams": "Slack", "SNS": "Slack"}))
    assert (answer.status, answer.fields) == (422, {"fallbacks.Slack", "fallbacks.Teams"})
