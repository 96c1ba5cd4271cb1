"""Issue 3: 10,000 certificates, 200 inside the window: the requests don't depend on the 9,800."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.support.database import counted_calls
from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tests.support.inventory_store import Store, a_store
from tocsin.expiry.check import Seen

pytestmark = pytest.mark.dynamodb_local


def fill(store: Store, count: int, name: str, days_left: float) -> None:
    """Store certificates that were looked at before, and are due at their first threshold."""
    watched = a_certificate(owner_id="o1", watched_since=T0 - 365 * DAY)
    ends = [T0 + (days_left + number / count) * DAY for number in range(count)]
    store.stock(
        replace(watched, id=f"{name}-{number:05}", expires_at=end, due_at=end - 30 * DAY)
        for number, end in enumerate(ends)
    )


def a_days_requests(store: Store) -> Counter[str]:
    """Check every second hour of a day; count the requests."""
    with counted_calls(store.client) as calls:
        for number in range(1, 13):
            store.now = T0 + 2 * number * HOUR
            assert store.checked().is_complete
    return calls


@pytest.mark.timeout(300)
def test_the_requests_follow_the_window_not_the_inventory(store: Store, dynamodb_endpoint: str) -> None:
    """200 cross their first threshold in one day; 9,800 more, which don't, change no count."""
    store.add_owner()
    fill(store, 200, "inside", 30)
    fill(store, 9_800, "outside", 60)
    among = a_days_requests(store)
    with a_store(dynamodb_endpoint) as other:
        other.add_owner()
        fill(other, 200, "inside", 30)
        assert a_days_requests(other) == among
    assert len(store.rows()) == among["TransactWriteItems"] == 200
    # A certificate: its marks, its alert, its next time. A check: the lease twice, what was left over, the owner, the
    # four partitions of the index twice (the second time there is no more), the certificates together, and which rules
    # there are.
    assert among.total() == 200 * 3 + 12 * (2 + 1 + 1 + 2 * 4 + 1 + 1)
    assert "Scan" not in among


def test_an_idle_check_costs_seven_requests(store: Store) -> None:
    """The lease twice, what was left over, and the four partitions of the index."""
    store.add(a_certificate())
    store.checked()
    store.now += HOUR
    with counted_calls(store.client) as calls:
        assert store.checked().counts[Seen.LOOKED_AT] == 0
    assert calls == Counter(Query=5, PutItem=1, DeleteItem=1)


def test_looking_at_many_at_once_sees_what_looking_in_turn_sees(store: Store, dynamodb_endpoint: str) -> None:
    """Contract 4.3 [S]: each alert once, and no request more, however the looks overlap."""
    with a_store(dynamodb_endpoint) as other, ThreadPoolExecutor(8) as threads:
        for one in (store, other):
            one.add_owner()
            fill(one, 250, "inside", 30)
            one.now += DAY
        with counted_calls(store.client) as in_turn:
            alone = store.checked()
        with counted_calls(other.client) as at_once:
            together = other.checked(each=threads.map)
        assert together == alone
        assert at_once == in_turn
        assert together.counts[Seen.RAISED] == 250
        assert sorted(row.id for row in other.rows()) == sorted(row.id for row in store.rows())
        assert sorted(row.id for row in other.created) == sorted(row.id for row in other.rows())
