"""A policy that changes has its certificates looked at anew: all of them, whatever interrupts."""

from dataclasses import replace

import pytest

from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy
from tests.support.inventory_store import Store
from tocsin.expiry.check import Seen

pytestmark = pytest.mark.dynamodb_local


def fill(store: Store, certificates: int) -> None:
    """Store certificates 45 days before their expiry, of which 30 and 7 are thresholds, looked at before."""
    store.add_owner()
    store.add_policy(a_policy(30, 7))
    new = a_certificate(owner_id="o1", policy_id="p1", due_at=T0 + 15 * DAY)
    store.stock(replace(new, id=f"c{number:04}") for number in range(certificates))
    store.now += 2 * HOUR
    store.checked()


def test_a_threshold_that_is_added_takes_effect_at_the_next_check(store: Store) -> None:
    fill(store, 3)
    assert store.checked().counts[Seen.LOOKED_AT] == 0
    store.change_policy(a_policy(60, 46, 44, 30, 7))
    done = store.checked()
    assert done.counts[Seen.POLICY_CHANGED] == 3
    assert store.tags() == ["46"] * 3
    store.now += DAY
    store.checked()
    assert store.tags() == ["46"] * 3 + ["44"] * 3


def test_a_new_name_has_nobody_looked_at(store: Store) -> None:
    fill(store, 3)
    store.change_policy(replace(a_policy(30, 7), name="another name"))
    assert store.checked().counts[Seen.POLICY_CHANGED] == 0


def test_a_change_a_moment_ago_is_gone_through_once_more(store: Store) -> None:
    """The index of a policy's certificates may lag behind: within its first minute a change isn't forgotten."""
    fill(store, 1)
    store.change_policy(a_policy(40, 30, 7))
    assert store.checked().counts[Seen.POLICY_CHANGED] == 1
    store.now += HOUR
    assert store.checked().counts[Seen.POLICY_CHANGED] == 1
    store.now += HOUR
    assert store.checked().counts[Seen.POLICY_CHANGED] == 0


def test_a_change_of_many_certificates_is_resumed(store: Store) -> None:
    fill(store, 250)
    store.change_policy(a_policy(50, 30, 7))
    store.now += HOUR
    for _ in range(3):
        time = iter([600.0, 600.0, 600.0] + [0.0] * 10_000)  # the lease, the half that is kept, one page
        store.checked(remaining=lambda time=time: next(time))
        store.now += HOUR
    (left,) = store.watchlist.left_over().changed or (None,)
    assert left is None
    store.checked()
    assert sorted(row.certificate_id or "" for row in store.rows()) == [f"c{number:04}" for number in range(250)]
    assert set(store.tags()) == {"50"}


def test_a_policy_that_changes_again_meanwhile_begins_anew(store: Store) -> None:
    fill(store, 1)
    store.change_policy(a_policy(46, 30, 7))
    (first,) = store.watchlist.left_over().changed
    store.now += HOUR
    store.change_policy(a_policy(47, 30, 7))
    store.watchlist.go_on(replace(first, after="x"), "x")
    store.watchlist.finish(first)
    (second,) = store.watchlist.left_over().changed
    assert (second.changed_at, second.after) == (store.now, None)


def test_archived_and_deleted_certificates_stay_out(store: Store) -> None:
    fill(store, 2)
    store.change(a_certificate(id="c0000"), archived_at=store.now)
    store.change_policy(a_policy(50, 30, 7))
    store.now += HOUR
    assert store.checked().counts[Seen.POLICY_CHANGED] == 1
    assert not store.watchlist.look_now("c0000", store.now)
    assert not store.watchlist.look_now("never-was", store.now)
    assert store.indexed("due") == {"certificate#c0001"}


def test_a_policy_mended_by_an_operator_takes_effect(store: Store) -> None:
    fill(store, 1)
    store.client.update_item(
        TableName=store.names["Inventory"],
        Key={"pk": {"S": "renewal_policy#p1"}, "sk": {"S": "record"}},
        UpdateExpression="SET thresholds = :x",
        ExpressionAttributeValues={":x": {"S": "broken"}},
    )
    store.now += HOUR
    store.change_policy(a_policy(46))
    store.now += HOUR
    assert store.checked().problems == ()
    assert store.tags() == ["46"]
    assert store.inventory.policies.read("p1").version == 2
