"""Agents over HTTP: what is taken of their reports, and that their silence is told.

Contract 4.15 [T].
"""

import asyncio
import json
from typing import Any

import pytest

from local.receiver import Receiver, answers
from tests.support.certificates import Authority, Made, a_key, self_signed
from tests.support.engine import Clock
from tests.support.functions import Context, call, forget_wiring, handler
from tests.support.inventory import DAY, HOUR, T0
from tests.support.inventory_api import API, CERTIFICATES, OWNERS, POLICIES, an_id_in, read, unchanged_by, walked
from tests.support.inventory_store import Store
from tests.support.reporting import AGENTS, HOST, a_report, reported
from tocsin.bootstrap import inventory, resources
from tocsin.delivery.attempt import Delivered
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Act, DeliveryPolicy, Notification, Status
from tocsin.delivery.store import Change
from tocsin.inventory.audit import Action
from tocsin.sources.state import AlarmRoute

pytestmark = pytest.mark.dynamodb_local
CA = Authority()
PATH = "/etc/ssl/web.pem"


def a_made(days: float = 60, **fields: Any) -> Made:
    return CA.issued(not_before=T0 + (days - 90) * DAY, not_after=T0 + days * DAY, **fields)


@pytest.fixture
def quiet(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A stack without other sources, whose alarms go by mail."""
    monkeypatch.setenv("READ_ACM", "no")
    monkeypatch.setenv("FALLBACK_EMAIL", "ops@example.com")
    forget_wiring()
    return store


def certificates() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(CERTIFICATES)["items"]
    return found


# ── What a report means ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_of_a_report_is_a_row_of_its_host_and_path(store: Store, clock: Clock) -> None:
    """Contract 4.15 [T]: a row is the place."""
    made = a_made()
    answer = reported((PATH, made.pem))
    assert answer.status == 200, answer.body
    (item,) = answer.json["items"]
    (row,) = certificates()
    assert (item["path"], item["result"], item["certificate_id"]) == (PATH, "created", row["id"])
    assert (row["source"], row["source_ref"], row["common_name"]) == ("agent", f"{HOST}:{PATH}", "api.example.com")


def test_a_renewed_file_updates_its_row(store: Store, clock: Clock) -> None:
    """Contract 4.15 [T]: whatever the new certificate is for, and also back to an older one."""
    reported((PATH, a_made().pem))
    clock.now += DAY
    (item,) = reported((PATH, a_made(90, common_name="other.example.com").pem), report_id="report-0002").json["items"]
    (row,) = certificates()
    assert (item["result"], row["common_name"]) == ("renewed", "other.example.com")
    (item,) = reported((PATH, a_made().pem), report_id="report-0003").json["items"]
    assert item["result"] == "renewed"


def test_the_same_report_twice_changes_nothing(store: Store, clock: Clock) -> None:
    """Contract 4.15 [T]: so what can't know whether it arrived is sent again."""
    found = (PATH, a_made().pem), (f"{PATH}#2", a_made(70).pem)
    reported(*found)
    clock.now += HOUR
    again = unchanged_by(store, reported, *found)
    assert [item["result"] for item in again.json["items"]] == ["unchanged", "unchanged"]
    assert len(store.events(Action.AGENT_CREATED)) == 1


def test_a_report_that_broke_off_is_no_heartbeat_and_the_next_one_mends_it(store: Store, clock: Clock) -> None:
    """Contract 4.15 [T]: nothing is half-written."""
    first, second = (PATH, a_made().pem), ("/etc/ssl/mail.pem", a_made(70).pem)
    assert reported(first, last=False, report_id="report-0001").status == 200
    assert read(AGENTS)["items"] == []
    assert len(certificates()) == 1
    whole = reported(first, second, report_id="report-0002")
    assert [item["result"] for item in whole.json["items"]] == ["unchanged", "created"]
    assert [agent["certificates"] for agent in read(AGENTS)["items"]] == [2]


def test_new_rows_are_given_an_owner_a_policy_and_tags_and_old_ones_keep_theirs(store: Store, clock: Clock) -> None:
    owner, policy = an_id_in(OWNERS), an_id_in(POLICIES)
    given: dict[str, Any] = {
        "owner_id": owner,
        "policy_id": policy,
        "environment": "production",
        "tags": {"team": "shop"},
    }
    reported((PATH, a_made().pem), **given)
    reported((PATH, a_made(70).pem), report_id="report-0002", environment="test", tags={})
    (row,) = certificates()
    assert (row["owner_id"], row["policy_id"]) == (owner, policy)
    kept = store.inventory.certificates.get(row["id"])
    assert (kept.environment, kept.tags) == ("production", {"team": "shop"})


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_private_key_is_refused_and_repeated_nowhere(
    store: Store, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract 4.15 [T]: neither in the answer, nor in the log, nor in a table; nothing of that part is taken."""
    made, other = a_made(), a_made(70)
    for pem in (made.pem + made.key_pem, made.key_pem, made.key_pem.replace("PRIVATE KEY", "CERTIFICATE")):
        answer = unchanged_by(store, reported, ("/other.pem", other.pem), (PATH, pem))
        assert (answer.status, answer.fields) == (422, {"certificates.1.pem"})
        said = answer.body + "".join(capsys.readouterr())
        secret = made.key_pem.splitlines()[1:-1]
        assert not [line for line in secret if line in said]
    assert certificates() == []


@pytest.mark.parametrize(
    ("fields", "complained_of"),
    [
        ({"period_seconds": 59}, "period_seconds"),
        ({"period_seconds": 91 * 86_400}, "period_seconds"),
        ({"last": "yes"}, "last"),
        ({"report_id": "x"}, "report_id"),
        ({"found": -1}, "found"),
        ({"unknown": 1}, "unknown"),
        ({"problems": [{"path": "/a", "problem": "two\nlines"}]}, "problems.0.problem"),
        ({"problems": [{"path": "/a", "problem": "-----BEGIN PRIVATE KEY-----"}]}, "problems.0.problem"),
        ({"problems": [{"path": "/a", "problem": "x"}] * 101}, "problems"),
        ({"certificates": [{"path": "/a", "pem": "x"}]}, "certificates.0.pem"),
        ({"certificates": [{"path": "", "pem": "x"}]}, "certificates.0.path"),
        ({"certificates": [{"path": "/" * 881, "pem": "x"}]}, "certificates.0.path"),
        ({"certificates": [{"path": "/a", "pem": "x" * 100_001}]}, "certificates.0.pem"),
        ({"certificates": [{"path": "/a", "pem": a_made().pem}] * 101}, "certificates"),
        (
            {"certificates": [{"path": "/a", "pem": a_made().pem}, {"path": "/a", "pem": a_made(1).pem}]},
            "certificates.1.path",
        ),
    ],
)
def test_what_can_not_be_taken_is_said_by_its_field(
    shared_store: Store, fields: dict[str, Any], complained_of: str
) -> None:
    """Contract 4.15 [T]: over the limits, and malformed: 422 with the field, and nothing is written."""
    answer = unchanged_by(shared_store, reported, **fields)
    assert (answer.status, answer.fields) == (422, {complained_of}), answer.body


@pytest.mark.parametrize("name", ["a b", "-a", "a:b", "a" * 129, "%0A", "ü"])
def test_a_name_that_is_none_is_refused(shared_store: Store, name: str) -> None:
    answer = unchanged_by(shared_store, reported, host=name)
    assert answer.status in (404, 422), answer.body


def test_a_body_over_the_limit_is_too_large(shared_store: Store) -> None:
    pem = " " * 90_000
    assert reported(*[(f"/{number}", pem) for number in range(24)]).status == 413


# ── The agent ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_agent_is_what_its_last_report_said(store: Store, clock: Clock) -> None:
    problems = [{"path": "/etc/ssl/broken.pem", "problem": "a certificate in it is cut off"}]
    reported(version="0.4.0", problems=problems, problem_count=7, found=3)
    clock.now += HOUR
    reported(version="0.5.0", problems=problems, problem_count=8, found=4, period_seconds=3_600, report_id="report-2")
    agent = read(f"{AGENTS}/{HOST}")
    listed = {name: value for name, value in agent.items() if name != "problems"}
    assert read(AGENTS)["items"] == [listed]
    assert agent.pop("reported_by").startswith("arn:aws:")
    assert agent == {
        "name": HOST,
        "first_seen_at": "2026-03-01T12:00:00Z",
        "last_report_at": "2026-03-01T13:00:00Z",
        "period_seconds": 3_600,
        "certificates": 4,
        "problem_count": 8,
        "problems": problems,
        "version": "0.5.0",
        "silent_since": None,
    }


def test_agents_are_listed_by_name(store: Store, clock: Clock) -> None:
    for host in ("c", "a", "b"):
        reported(host=host)
    assert [agent["name"] for agent in walked(AGENTS)] == ["a", "b", "c"]


def test_an_agent_that_is_forgotten_is_waited_for_no_more_until_it_reports_again(quiet: Store, clock: Clock) -> None:
    reported((PATH, a_made().pem))
    assert call("DELETE", f"{AGENTS}/{HOST}").status == 204
    assert call("DELETE", f"{AGENTS}/{HOST}").status == 404
    assert call("GET", f"{AGENTS}/{HOST}").status == 404
    assert len(certificates()) == 1
    clock.now += 30 * DAY
    assert sync()["silent"] == []
    reported(report_id="report-0002")
    assert read(f"{AGENTS}/{HOST}")["first_seen_at"] == "2026-03-31T12:00:00Z"
    (gone,) = quiet.events(Action.AGENT_DELETED)
    assert gone.resource == f"agent/{HOST}"


# ── Silence ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def sync() -> dict[str, Any]:
    """Run the source sync, as its schedule does; the list of endpoints can't be read, which is no matter here."""
    return asyncio.run(_sync())


async def _sync() -> dict[str, Any]:
    nothing = json.dumps({"__type": "ParameterNotFound", "message": "none"}).encode()
    async with Receiver(answers(400, nothing)) as aws:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL_SSM", aws.url(""))
            forget_wiring()
            counts: dict[str, Any] = await asyncio.to_thread(handler("source_sync"), {}, Context())
            return counts


def test_an_agent_that_is_silent_for_two_periods_alerts_once_each_time(quiet: Store, clock: Clock) -> None:
    """Contract 4.15 [T]: by e-mail, as a failing source does; however often it is looked at."""
    reported(period_seconds=3_600)
    clock.now = T0 + 2 * HOUR - HOUR / 60
    assert sync()["silent"] == []
    for minutes in (0, 1, 60, 600):
        clock.now = T0 + 2 * HOUR + HOUR * minutes / 60
        assert sync()["silent"] == ([HOST] if minutes == 0 else [])
    (alarm,) = quiet.rows()
    assert (alarm.type, alarm.recipient, alarm.channel) == ("Custom:AgentSilent", "ops@example.com", "Email")
    assert HOST in alarm.subject
    assert read(f"{AGENTS}/{HOST}")["silent_since"] == "2026-03-01T14:00:00Z"


def test_an_agent_that_comes_back_is_silent_no_more_and_what_told_of_it_is_over(quiet: Store, clock: Clock) -> None:
    reported(period_seconds=3_600)
    clock.now = T0 + 3 * HOUR
    sync()
    clock.now = T0 + 4 * HOUR
    reported(period_seconds=3_600, report_id="report-0002")
    assert read(f"{AGENTS}/{HOST}")["silent_since"] is None
    assert [row.status for row in quiet.rows()] == [Status.SUPERSEDED]  # it had not gone out
    clock.now = T0 + 6 * HOUR
    assert sync()["silent"] == [HOST]
    assert [row.status for row in quiet.rows()] == [Status.SUPERSEDED, Status.PENDING]


def test_an_incident_of_a_silence_is_resolved_when_the_agent_comes_back(quiet: Store, clock: Clock) -> None:
    """The route is the stack's; where it keeps incidents, they are closed."""

    policy = DeliveryPolicy()
    reported(period_seconds=3_600)
    route = AlarmRoute(ChannelName("PagerDuty"), "", policy)
    clock.now = T0 + 3 * HOUR
    told = inventory.agent_watch().tell_silent(resources.table(), route, clock.now, lambda _row: None)
    assert told == [HOST]
    (alarm,) = quiet.rows()
    sent = alarm.settled(Delivered(), started_at=clock.now, now=clock.now, policy=policy)
    resources.table().replace(Change(alarm, sent))
    clock.now = T0 + 4 * HOUR
    reported(period_seconds=3_600, report_id="report-0002")
    assert {(row.act, row.about) for row in quiet.rows()} == {(Act.TRIGGER, None), (Act.RESOLVE, alarm.id)}


def test_a_crash_between_the_alarm_and_its_note_tells_it_once(quiet: Store, clock: Clock) -> None:
    """The next sync finds the alarm by its id, and notes it."""

    reported(period_seconds=3_600)
    clock.now = T0 + 3 * HOUR
    agents = inventory.agents()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(agents), "note_silent", _crash)
        with pytest.raises(RuntimeError):
            sync()
    assert sync()["silent"] == [HOST]
    assert len(quiet.rows()) == 1


def test_a_report_that_comes_while_its_silence_is_told_ends_that(quiet: Store, clock: Clock) -> None:
    """Contract 4.15 [T]: between the alarm and its note."""

    class Overtaken:
        def insert(self, row: Notification) -> Notification:
            written = resources.table().insert(row)
            assert reported(period_seconds=3_600, report_id="report-0002").status == 200
            return written

    reported(period_seconds=3_600)
    clock.now = T0 + 3 * HOUR
    route = AlarmRoute(ChannelName.EMAIL, "ops@example.com", DeliveryPolicy())
    assert inventory.agent_watch().tell_silent(Overtaken(), route, clock.now, lambda _row: None) == []
    assert [row.status for row in quiet.rows()] == [Status.SUPERSEDED]
    assert read(f"{AGENTS}/{HOST}")["silent_since"] is None
    assert sync()["silent"] == []


def _crash(_agents: object, _agent: object) -> None:
    raise RuntimeError("killed")


def test_looking_for_silent_agents_takes_one_query(quiet: Store, clock: Clock) -> None:
    """However many problems they have: those lie apart."""

    problems = [{"path": "/" * 880, "problem": "x" * 256}] * 100
    for number in range(12):
        reported(host=f"host-{number}", problems=problems)
    asked: list[str] = []
    client = inventory.agents()._client
    client.meta.events.register(
        "before-call.dynamodb", lambda model, **_kwargs: asked.append(model.name), unique_id="count"
    )
    try:
        assert len(list(inventory.agents().every())) == 12
    finally:
        client.meta.events.unregister("before-call.dynamodb", unique_id="count")
    assert asked == ["Query"]
    assert reported(host="host-0", report_id="report-0002", problems=problems[:1]).status == 200
    assert len(read(f"{API}/agents/host-0")["problems"]) == 1


def test_a_certificate_that_many_report_is_refused_by_no_one(store: Store, clock: Clock) -> None:
    """Each host has a row of its own: it must be renewed on each."""
    pem = self_signed(key=a_key(3)).pem
    for host in ("a", "b"):
        assert reported((PATH, pem), host=host).status == 200
    assert sorted(row["source_ref"] for row in certificates()) == [f"a:{PATH}", f"b:{PATH}"]
    assert a_report()["last"]
