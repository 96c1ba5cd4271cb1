"""A check that is killed, fails, overlaps with another or with a change, at any step: the result is the same."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tests.support.database import counted_calls
from tests.support.interruptions import KilledError, Overtaken, dying_at, failing_at
from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy
from tests.support.inventory_store import Store
from tocsin.expiry.check import Seen
from tocsin.storage.inventory.alerts import AlertTable

pytestmark = pytest.mark.dynamodb_local

AT = T0 + 32 * DAY
"""13 days left: 30 and 14 are crossed since the watch began; a certificate that is new at AT gets 14 only."""


def prepare(store: Store) -> None:
    """Store a policy and an owner, read once so that every run makes the same requests."""
    store.add_owner()
    store.add_policy(a_policy(30, 14, 0, channels={"informational": ["Email", "Slack"]}))
    store.now = T0 + 2 * HOUR
    store.checked()


def add(store: Store, name: str) -> None:
    """Store what one interrupted check meets: watched for long, and new."""
    store.now = T0
    store.add(a_certificate(id=f"{name}-old", owner_id="o1", policy_id="p1"))
    store.now = AT
    store.add(a_certificate(id=f"{name}-new", owner_id="o1", policy_id="p1"))


def assert_as_expected(store: Store, name: str) -> None:
    """Check that exactly the expected was written."""
    for id_, alerts, marks in (("old", ["14", "30", "30"], 3), ("new", ["14"], 3)):
        assert sorted(store.tags(f"{name}-{id_}")) == alerts, name
        assert len(store.alerts.marks(f"{name}-{id_}", 100, None).rows) == marks, name
    assert len(store.events("expiration_alert_sent")) == min(100, len(store.rows()))


def requests_of_one(store: Store) -> int:
    """Count the requests of a check that meets what `add` stores."""
    add(store, "first")
    with counted_calls(store.client) as calls:
        store.checked()
    assert_as_expected(store, "first")
    return calls.total()


@pytest.mark.parametrize("after", [False, True], ids=["before a request", "after a request"])
def test_a_check_that_is_killed_at_any_request_changes_nothing(store: Store, *, after: bool) -> None:
    """Issue 3: a check killed at any step changes nothing in the result. Its lease runs out; the next one repairs."""
    prepare(store)
    total = requests_of_one(store)
    assert total > 15
    for request in range(total):
        add(store, f"{request}")
        with pytest.raises(KilledError), dying_at(store.client, request, after=after):
            store.check()
        store.now += HOUR
        assert store.checked().is_complete
        assert_as_expected(store, f"{request}")


def test_a_check_that_is_throttled_at_any_request_changes_nothing(store: Store) -> None:
    """Faults: throttling, on each call. The check fails or leaves that certificate due; the next one repairs."""
    prepare(store)
    total = requests_of_one(store)
    for request in range(total):
        add(store, f"{request}")
        with failing_at(store.client, request) as failed:
            try:
                done = store.check()
            except store.client.exceptions.ClientError:
                done = None
        assert failed
        assert done is None or done.counts[Seen.FAILED] + done.counts[Seen.RAISED] >= 1
        store.now += HOUR
        store.checked()
        assert_as_expected(store, f"{request}")


class Free:
    """A lease that everybody gets."""

    def take(self, *_: Any) -> bool:
        return True

    def release(self) -> None:
        return


def overtaken(store: Store, call: int, meanwhile: Any) -> Any:
    """Check once; just before the check's own `call`, something else happens."""
    counter = count()
    return store.check(
        lease=Free(), stores=store.stores(lambda inner: Overtaken(inner, counter, call, meanwhile))
    ), next(counter)


def test_checks_that_overlap_at_any_step_alert_once(store: Store) -> None:
    """Contract 4.3 [T]: two overlapping checks can't alert twice, even where no lease keeps them apart."""
    prepare(store)
    add(store, "first")
    _, total = overtaken(store, -1, None)
    assert total > 10
    for call in range(total):
        add(store, f"{call}")
        overtaken(store, call, lambda: store.check(lease=Free()))
        assert_as_expected(store, f"{call}")


def test_a_renewal_at_any_step_leaves_no_alert_of_the_old_cycle_behind_it(store: Store) -> None:
    """Faults: the certificate is renewed in between. What was raised before the renewal stays; nothing is after it."""
    prepare(store)
    add(store, "first")
    _, total = overtaken(store, -1, None)
    for call in range(total):
        add(store, f"{call}")
        before: list[int] = []

        def renew(name: str = f"{call}-old", before: list[int] = before) -> None:
            store.change(a_certificate(id=name), expires_at=AT + 90 * DAY)
            before.append(len(store.tags(name)))

        overtaken(store, call, renew)
        store.now = AT + HOUR
        store.checked()
        assert [len(store.tags(f"{call}-old"))] == before
        assert store.inventory.certificates.get(f"{call}-old").due_at == AT + 60 * DAY


def test_a_check_that_meets_a_change_leaves_it_to_the_next(store: Store) -> None:
    """The transaction states the version that was read."""
    prepare(store)
    add(store, "x")

    class Late:
        def __init__(self, inner: AlertTable) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def raise_alert(self, *arguments: Any) -> Any:
            current = store.inventory.certificates.get("x-old")
            if current.renewal_status == "":
                store.change(current, renewal_status="PENDING_VALIDATION")
            return self._inner.raise_alert(*arguments)

    stores = store.stores()
    done = store.checked(stores=replace(stores, alerts=Late(store.alerts)))
    assert done.counts[Seen.STALE] == 1
    assert store.tags("x-old") == []
    store.now += HOUR
    store.checked()
    assert_as_expected(store, "x")


def test_an_alert_without_its_mark_is_not_overwritten(store: Store) -> None:
    """Contract 4.3 [T]: the write is "insert if absent", even if the marks were lost."""
    prepare(store)
    add(store, "x")
    store.checked()
    rows = {row.id: row for row in store.rows()}
    for mark in store.alerts.marks("x-old", 100, None).rows:
        key = {"pk": {"S": "certificate#x-old"}, "sk": {"S": f"mark#{mark.id}"}}
        store.client.delete_item(TableName=store.names["Inventory"], Key=key)
    store.watchlist.look_now("x-old", store.now)
    store.now += HOUR
    assert store.checked().counts[Seen.DUPLICATE] == 3
    assert {row.id: row for row in store.rows()} == rows


def test_a_policy_change_during_a_look_is_not_lost(store: Store) -> None:
    """What was made due after it was read stays due."""
    prepare(store)
    add(store, "x")
    read = store.inventory.certificates.get("x-old")
    store.watchlist.look_now("x-old", AT + HOUR)
    assert not store.watchlist.look_again(read, AT + DAY)
    assert store.inventory.certificates.get("x-old").due_at == AT + HOUR
    assert store.watchlist.look_again(store.inventory.certificates.get("x-old"), None)
    assert not store.watchlist.look_again(read, AT + DAY)
    assert store.indexed("due") == {"certificate#x-new"}
