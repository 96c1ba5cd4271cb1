"""Renewed certificates and the servers that are to serve them, through the check and its tables (contract 4.10 [T])."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.support.certificates import a_sight
from tests.support.database import counted_calls
from tests.support.interruptions import KilledError, Overtaken, dying_at, failing_at
from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy
from tests.support.inventory_store import Store
from tocsin.delivery.notification import Status
from tocsin.expiry.check import Checked, Seen
from tocsin.inventory.certificate import Certificate, Source
from tocsin.sources.intake import continuing, replaced

pytestmark = pytest.mark.dynamodb_local

OLD, NEW = T0 + 60 * DAY, T0 + 150 * DAY
SUCCESS, FAILURE, RENEWAL = "DeploymentSuccess", "DeploymentFailure", "RenewalSuccess"


class Free:
    """A lease that anybody gets: two checks at once."""

    def take(self, now: datetime, until: datetime) -> bool:
        return True

    def release(self) -> None:
        return


def a_row(id_: str, **fields: Any) -> Certificate:
    boring = {"owner_id": "o1", "serial": f"a{id_[-1]}", "expires_at": OLD, "source": Source.ACM, "source_ref": id_}
    return a_certificate(id=id_, **(boring | fields))


def a_place(id_: str, row: str, **fields: Any) -> Certificate:
    """Make what a server was seen to serve: what the row has."""
    return a_row(id_, serial=f"a{row[-1]}", source=Source.TLS, source_ref=f"{id_}:443", **fields)


def begin(store: Store, *certificates: Certificate) -> None:
    """Store them, and look at each once."""
    if not store.items("Inventory"):
        store.add_owner()
    for certificate in certificates:
        store.add(certificate)
    looked(store)


def sees(store: Store, id_: str, what: str) -> None:
    """Have a source see another certificate there."""
    before = store.inventory.certificates.get(id_)
    serial, expires_at = {"new": ("b", NEW), "old": ("a", OLD), "newest": ("c", NEW + 90 * DAY)}[what]
    draft = replace(before, serial=f"{serial}{before.serial[1:]}", expires_at=expires_at)
    store.lifecycle.change(before, before.changed(draft, store.now), "source_sync")


def looked(store: Store) -> Checked:
    """Check once; nothing may fail."""
    done = store.checked()
    assert done.counts[Seen.FAILED] == 0
    return done


def hourly(store: Store, hours: int, each: Any = lambda hour: None) -> None:
    for hour in range(hours):
        store.now += HOUR
        each(hour)
        looked(store)


def deployments(store: Store, id_: str) -> list[str]:
    return [one for one in store.told(id_) if one in (SUCCESS, FAILURE)]


def test_a_renewed_certificate_that_is_served_is_told_once(store: Store) -> None:
    """Contract 4.10 [T]: and that it was renewed, of the row and of the server, each once."""
    begin(store, a_row("row1"), a_place("web1", "row1"))
    sees(store, "row1", "new")
    hourly(store, 3)
    awaited = store.inventory.certificates.get("web1").awaited
    assert awaited is not None
    assert awaited.until == T0 + 6 * HOUR
    sees(store, "web1", "new")
    hourly(store, 24)
    assert (store.told("row1"), sorted(store.told("web1"))) == ([RENEWAL], [SUCCESS, RENEWAL])
    assert {row.severity for row in store.rows()} == {"informational"}


def test_a_server_that_is_never_reloaded_is_told_once_and_critically(store: Store) -> None:
    """Contract 4.10 [T]: the commonest outage: it was renewed, and the old one is served until it expires."""
    begin(store, a_row("row1"), a_place("web1", "row1"))
    sees(store, "row1", "new")
    hourly(store, 6)
    assert deployments(store, "web1") == [FAILURE]
    hourly(store, 48)
    assert deployments(store, "web1") == [FAILURE]
    (row,) = (row for row in store.rows() if row.type == FAILURE)
    assert (row.severity, row.subject) == (
        "critical",
        "[Tocsin] web1:443 still serves the old certificate of api.example.com, which expires in 59 days 18 hours",
    )
    first, second, *_rest = row.message.splitlines()
    assert first == f"[DeploymentFailure] {row.subject.removeprefix('[Tocsin] ')}."
    assert second == (
        "web1:443 was to serve the one that certificate/row1 has since 2026-03-01 12:00:00 UTC, "
        "by 2026-03-01 18:00:00 UTC."
    )
    store.now = OLD
    store.checked()
    assert "0" in store.tags("web1")  # its expiry alerts as ever


def test_what_is_served_late_supersedes_the_failure_and_succeeds(store: Store) -> None:
    begin(store, a_row("row1"), a_place("web1", "row1"))
    sees(store, "row1", "new")
    hourly(store, 8)
    sees(store, "web1", "new")
    hourly(store, 2)
    assert sorted(deployments(store, "web1")) == [FAILURE, SUCCESS]
    found = {row.type: row for row in store.rows() if row.certificate_id == "web1"}
    assert found[FAILURE].status is Status.SUPERSEDED
    assert (found[FAILURE].last_error or "").startswith("the certificate was renewed")


def test_a_server_that_is_seen_before_its_row_is_told_too(store: Store) -> None:
    begin(store, a_row("row1"), a_place("web1", "row1"))
    sees(store, "web1", "new")
    hourly(store, 2)
    assert deployments(store, "web1") == []
    sees(store, "row1", "new")
    hourly(store, 9)
    assert deployments(store, "web1") == [SUCCESS]


def test_a_server_that_flaps_is_told_once_of_each(store: Store) -> None:
    """Contract 4.10 [T]: one of two behind a name was left out; both answer, hour by hour, for a day."""
    begin(store, a_row("row1"), a_place("web1", "row1"))
    sees(store, "row1", "new")
    hourly(store, 24, lambda hour: sees(store, "web1", "old" if hour % 2 else "new"))
    assert sorted(deployments(store, "web1")) == [FAILURE, SUCCESS]
    assert store.told("web1").count(RENEWAL) == 1


def test_a_server_that_is_first_seen_with_the_old_one_is_told_of(store: Store) -> None:
    begin(store, a_row("row1"))
    sees(store, "row1", "new")
    hourly(store, 24)
    store.add(a_place("web1", "row1"))
    hourly(store, 2)
    assert deployments(store, "web1") == [FAILURE]


@pytest.mark.parametrize("way", ["deleted", "archived", "rolled back"])
def test_what_the_row_has_no_more_is_not_awaited(store: Store, way: str) -> None:
    begin(store, a_row("row1"), a_place("web1", "row1"))
    sees(store, "row1", "new")
    hourly(store, 2)
    row = store.inventory.certificates.get("row1")
    if way == "deleted":
        store.lifecycle.delete(row, "somebody", store.now)
    elif way == "archived":
        store.lifecycle.change(row, row.changed(replace(row, archived_at=store.now), store.now), "somebody")
    else:
        sees(store, "row1", "old")
    hourly(store, 24)
    assert deployments(store, "web1") == []
    assert store.inventory.certificates.get("web1").awaited is None


def test_a_certificate_that_is_renewed_in_another_row_is_awaited_from_that(store: Store) -> None:
    """In ACM, what is issued by ACME gets another ARN: twice, before the server has the first one."""
    begin(store, a_row("row1"), a_place("web1", "row1"))
    for number, (serial, expires_at) in enumerate([("b1", NEW), ("c1", NEW + 30 * DAY)], 1):
        before = store.inventory.certificates.get(f"row{number}")
        seen = a_sight(source=Source.ACM, source_ref=f"arn{number}", serial=serial, expires_at=expires_at)
        after = replace(continuing(before, seen, store.now), id=f"row{number + 1}")
        store.lifecycle.create(after, "source_sync")
        store.lifecycle.change(before, replaced(before, after.id, store.now), "source_sync")
        hourly(store, 2)
    awaited = store.inventory.certificates.get("web1").awaited
    assert awaited is not None
    assert (awaited.identity, awaited.until) == (f"b1@{int(NEW.timestamp())}", T0 + 6 * HOUR)
    hourly(store, 2)
    assert deployments(store, "web1") == [FAILURE]
    awaited = store.inventory.certificates.get("web1").awaited
    assert awaited is not None
    assert awaited.origin == "certificate/row3"
    before = store.inventory.certificates.get("web1")
    draft = replace(before, serial="c1", expires_at=NEW + 30 * DAY)
    store.lifecycle.change(before, before.changed(draft, store.now), "source_sync")
    hourly(store, 2)
    assert sorted(deployments(store, "web1")) == [FAILURE, SUCCESS]


def test_a_failure_that_is_none_any_more_is_told_again_if_it_is_again(store: Store) -> None:
    """A rollback takes it back; the next renewal that is not served is another failure, in the same cycle."""
    begin(store, a_row("row1"), a_place("web1", "row1"))
    sees(store, "row1", "new")
    hourly(store, 7)
    (first,) = (row for row in store.rows() if row.type == FAILURE)
    sees(store, "row1", "old")
    hourly(store, 2)
    assert store.notifications.get(first.id).status is Status.SUPERSEDED
    sees(store, "row1", "new")
    hourly(store, 7)
    (again,) = (row for row in store.rows() if row.type == FAILURE)
    assert (again.id, again.status, again.created_at > first.created_at) == (first.id, Status.PENDING, True)


def test_the_grace_and_the_severities_are_the_policys(store: Store) -> None:
    store.add_owner()
    store.add_policy(a_policy(30, events={FAILURE: "warning", SUCCESS: None, RENEWAL: None}, deployment_grace_hours=48))
    begin(
        store,
        a_row("row1", policy_id="p1"),
        a_place("web1", "row1", policy_id="p1"),
        a_place("web2", "row1", policy_id="p1"),
    )
    sees(store, "row1", "new")
    hourly(store, 3)
    sees(store, "web2", "new")
    hourly(store, 44)
    assert store.rows() == []
    hourly(store, 2)
    assert [(row.certificate_id, row.type, row.severity) for row in store.rows()] == [("web1", FAILURE, "warning")]


def test_more_servers_than_a_page_are_all_told(store: Store) -> None:
    names = [f"web{number:03}" for number in range(120)]
    begin(store, a_row("row1"), *(a_place(name, "row1") for name in names))
    sees(store, "row1", "new")
    store.now += HOUR
    store.checked()
    for name in names[:60]:
        sees(store, name, "new")
    hourly(store, 7)
    told = sorted((str(row.certificate_id), row.type) for row in store.rows() if row.type in (SUCCESS, FAILURE))
    assert told == [(name, SUCCESS if name in names[:60] else FAILURE) for name in names]


def test_what_is_not_renewed_costs_a_question_for_each_server(store: Store) -> None:
    """Whether what it serves was renewed elsewhere; of a row that renewed nothing, nothing is asked."""
    begin(store, a_row("row1"), a_place("web1", "row1"))
    store.watchlist.look_now("row1", store.now)
    with counted_calls(store.client) as plain:
        assert looked(store).counts[Seen.LOOKED_AT] == 1
    store.watchlist.look_now("web1", store.now)
    with counted_calls(store.client) as place:
        assert looked(store).counts[Seen.LOOKED_AT] == 1
    assert place - plain == {"Query": 1}
    assert plain - place == {}


# Killed anywhere, throttled anywhere, two checks at once: the notifications are the same.


def story(store: Store, name: str, interrupted: Any) -> None:
    """Renew one, serve it at one of three places, one before it; `interrupted` is any check behind that."""
    row, early, never, late = f"row-{name}", f"early-{name}", f"never-{name}", f"late-{name}"
    serial = f"a{name}"
    begin(
        store,
        replace(a_row(row), serial=serial),
        *(replace(a_place(one, row), serial=serial) for one in (early, never, late)),
    )
    sees(store, row, "new")
    sees(store, early, "new")
    interrupted()
    store.now += HOUR
    interrupted()
    store.now += HOUR
    store.checked()
    sees(store, late, "new")
    interrupted()
    store.now += 5 * HOUR
    interrupted()
    hourly(store, 2)
    assert (deployments(store, early), deployments(store, never), deployments(store, late)) == (
        [SUCCESS],
        [FAILURE],
        [SUCCESS],
    ), name
    for one in (row, early, late):
        assert store.told(one).count(RENEWAL) == 1, (name, one)


def requests(store: Store) -> int:
    """Count the requests of the longest check of a story."""
    counts = []

    def counting() -> None:
        with counted_calls(store.client) as calls:
            store.checked()
        counts.append(calls.total())

    story(store, "0", counting)
    return max(counts)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before a request", "after a request"])
def test_a_check_that_is_killed_anywhere_changes_nothing(store: Store, *, after: bool) -> None:
    """Contract 4.10 [T]. Its lease runs out; the next one repairs."""
    total = requests(store)
    for request in range(0, total, max(1, total // 8)):

        def die(request: int = request) -> None:
            with suppress(KilledError), dying_at(store.client, request, after=after):
                store.check(lease=Free())
            store.now += timedelta(minutes=10)
            store.checked(lease=Free())

        story(store, f"{request + 1:x}", die)


@pytest.mark.timeout(300)
def test_a_check_that_is_throttled_anywhere_changes_nothing(store: Store) -> None:
    total = requests(store)
    for request in range(1, total, max(1, total // 8)):

        def fail(request: int = request) -> None:
            with failing_at(store.client, request), suppress(store.client.exceptions.ClientError):
                store.check(lease=Free())
            store.now += timedelta(minutes=10)
            store.checked(lease=Free())

        story(store, f"{request + 1:x}", fail)


@pytest.mark.timeout(300)
def test_two_checks_at_once_change_nothing(store: Store) -> None:
    """Where no lease keeps them apart: the second runs wholly at any call of the first one's deployments."""
    for call in range(0, 12, 2):

        def twice(call: int = call) -> None:
            counter = count()

            def meanwhile() -> None:
                store.check(lease=Free())

            watch = store.deployments()
            watch = replace(
                watch,
                served=Overtaken(watch.served, counter, call, meanwhile),
                rows=Overtaken(watch.rows, counter, call, meanwhile),
                attention=Overtaken(watch.attention, counter, call, meanwhile),
                lifecycle=Overtaken(watch.lifecycle, counter, call, meanwhile),
            )
            store.check(lease=Free(), watches=[watch])
            store.now += timedelta(minutes=10)
            store.checked(lease=Free())

        story(store, f"{call + 1:x}", twice)
