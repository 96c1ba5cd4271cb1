"""The organisation of `make up DEMO=1`: every state is there, each row is one that the layer reads, and once each."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from demo import organisation as about
from demo.history import History, Tables, dead_letters, write_rows
from demo.organisation import Fate, Origin
from tests.support.inventory_store import Store, a_store
from tocsin.delivery.notification import Notification, Outcome, Status
from tocsin.expiry.still_true import why_untrue
from tocsin.inventory.audit import Action, Kind
from tocsin.storage.notifications.item import decode

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITTEN = [site for site in about.SITES if site.origin is Origin.WRITTEN]


@pytest.fixture(scope="module")
def filled(dynamodb_endpoint: str) -> Iterator[Store]:
    """The past of the organisation, written twice."""
    with a_store(dynamodb_endpoint) as store:
        store.now = NOW
        tables = Tables(store.client, *(store.names[name] for name in ("Notifications", "Inventory", "Audit")))
        History(tables, NOW).write()
        once = [store.client.scan(TableName=name)["Count"] for name in store.names.values()]
        History(tables, NOW).write()
        twice = [store.client.scan(TableName=name)["Count"] for name in store.names.values()]
        assert once == twice, "doing it again adds nothing"
        yield store


def test_there_are_fourteen_certificates_from_everywhere() -> None:
    """Issue 9, 2: a small, believable organisation: teams, owners, policies, 14 certificates."""
    assert len(about.SITES) == 14
    assert {site.origin for site in about.SITES} == set(Origin)
    assert {site.policy for site in about.SITES} == set(about.POLICIES)
    assert {site.team for site in about.SITES} - {None} == set(about.TEAMS)
    assert {site.owner for site in about.SITES} - {None} == set(about.OWNERS)


def test_the_past_has_every_state_that_can_have_come_to_rest(filled: Store) -> None:
    """Issue 9, 2: alerts in every state; what is pending or failed is created when the stack is filled."""
    rows = filled.rows()
    assert {row.status for row in rows} == {Status.SENT, Status.DEAD, Status.READ, Status.SUPERSEDED}
    assert {row.outcome for row in rows} == {None, Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.BOUNCED}
    assert {past.fate for past in about.PAST} == set(Fate)
    assert not [row for row in rows if row.is_owed], "no function may send what is of the past"


def test_nothing_is_newer_than_now_and_every_step_follows_the_one_before(filled: Store) -> None:
    for row in filled.rows():
        assert row.created_at <= row.updated_at <= NOW
        times = [attempt.started_at for attempt in row.attempts]
        assert times == sorted(times)
        assert all(row.created_at <= at <= NOW for at in times)


def test_the_dead_are_of_several_groups_and_one_has_a_dozen(filled: Store) -> None:
    """Issue 9, 1: the dead grouped by error: a receiver that was down, a revoked URL, a bad address, nobody there."""
    dead = [row for row in filled.rows() if row.status is Status.DEAD]
    groups = Counter((str(row.channel), (row.last_error or "").split(" since ")[0]) for row in dead)
    assert groups[about.ONCALL, "HTTP 503: down for maintenance"] == 12
    assert len(groups) == 4
    assert any("put off since" in (row.last_error or "") and "no_service" in (row.last_error or "") for row in dead)
    assert {len(row.attempts) for row in dead if row.channel == about.ONCALL} == {5}


def test_a_dead_expiry_alert_is_true_still(filled: Store) -> None:
    """So it can be requeued; the one of a renewed certificate is superseded, and says why."""
    rows = [row for row in filled.rows() if row.certificate_id]
    standings = filled.alerts.standings(rows)
    alerts = {row.id: row for row in rows}
    dead = [id_ for id_, row in alerts.items() if row.status is Status.DEAD]
    assert len(dead) == 2
    for id_ in dead:
        standing = standings[id_]
        assert standing.mark is not None
        assert why_untrue(standing.mark, standing.certificate) is None
    (over,) = [row for row in rows if row.status is Status.SUPERSEDED]
    assert "was renewed" in (over.last_error or "")


def test_the_certificates_are_in_every_state(filled: Store) -> None:
    """Issue 9, 2: expiring today, in 3, 6, 13, 29, 60, 300 days, expired, archived, revoked."""
    found = {one.common_name: one for one in filled.inventory.certificates.fetch(ids_of(filled)).things.values()}
    assert len(found) == len(WRITTEN)
    days = {name: (one.expires_at - NOW) // timedelta(days=1) for name, one in found.items()}
    assert {0, 3, 6, 13, 29, 60, 300} <= set(days.values())
    assert min(days.values()) < 0
    assert [name for name, one in found.items() if one.archived_at] == ["intranet.harbour.example"]
    assert [name for name, one in found.items() if one.revoked_at] == ["carriers.harbour.example"]


def ids_of(store: Store) -> list[str]:
    events = store.events(Action.CERTIFICATE_CREATED)
    return [event.resource.removeprefix(f"{Kind.CERTIFICATE}/") for event in events]


def test_the_next_check_raises_nothing_that_was_raised(filled: Store) -> None:
    """The marks are the layer's own: the real check goes on where the past ended."""
    before = Counter(row.certificate_id for row in filled.rows() if row.certificate_id)
    checked = filled.checked()
    assert checked.problems == ()
    assert Counter(row.certificate_id for row in filled.rows() if row.certificate_id) == before


def test_the_audit_trail_says_who_did_it(filled: Store) -> None:
    """Contract 3.7 [T]: who renewed, archived, revoked and read."""
    for action in (Action.CERTIFICATE_RENEWED, Action.CERTIFICATE_ARCHIVED, Action.CERTIFICATE_REVOKED):
        assert [event.actor for event in filled.events(action)] == [about.OPERATOR]
    assert len(filled.events(Action.NOTIFICATION_READ)) == 2


def test_many_dead_letters_for_pictures(dynamodb_endpoint: str) -> None:
    """All dead, all different, the same each time, of the six groups that there are."""
    rows = list(dead_letters(600, NOW))
    assert {row.status for row in rows} == {Status.DEAD}
    assert len({row.id for row in rows}) == 600
    assert rows == list(dead_letters(600, NOW))
    assert len({(row.channel, (row.last_error or "")[:12]) for row in rows}) == 5, "two of the six share an error"
    with a_store(dynamodb_endpoint) as store:
        assert write_rows(store.client, store.names["Notifications"], rows) == 600
        read: list[Notification] = [decode(item) for item in store.items("Notifications")]
        assert sorted(read, key=lambda row: row.id) == sorted(rows, key=lambda row: row.id)
        assert store.notifications.count_dead() == 600
