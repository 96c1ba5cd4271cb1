"""What a sight of a certificate costs: a read where it says nothing new, and one transaction where it does."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.certificates import NOT_AFTER, a_sight
from tests.support.inventory import DAY, HOUR
from tests.support.inventory_store import Store
from tests.support.rows import POLICY
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.sources.intake import ingest
from tocsin.sources.observed import ObservedCertificate
from tocsin.storage.inventory.endings import EndingTable

pytestmark = pytest.mark.dynamodb_local

RENEWED = {"serial": "bbb", "expires_at": NOT_AFTER + 90 * DAY, "not_before": NOT_AFTER}


@contextmanager
def costs(store: Store) -> Iterator[Counter[str]]:
    """Count the calls, and the actions in their transactions, such as `Put identity`."""
    seen: Counter[str] = Counter()

    def note(params: dict[str, Any], model: Any, **_rest: Any) -> None:
        seen[model.name] += 1
        for action in params.get("TransactItems", ()):
            ((kind, one),) = action.items()
            key = one.get("Key") or one.get("Item")
            seen[f"{kind} {_named(key)}"] += 1

    store.client.meta.events.register("provide-client-params.dynamodb.*", note)
    yield seen
    store.client.meta.events.unregister("provide-client-params.dynamodb.*", note)


def _named(key: dict[str, Any]) -> str:
    """Name an item by how its keys begin; ids and times are left out."""
    if "at_key" in key:
        return "audit"
    kind, sort_key = key["pk"]["S"].partition("#")[0], key["sk"]["S"].partition("#")[0]
    return f"{kind} {sort_key}" if sort_key in ("record", "version") else kind


def cost_of(store: Store, seen: ObservedCertificate) -> Counter[str]:
    """Ingest a sight; give what that cost."""
    lifecycle = Lifecycle(
        store.inventory.certificates,
        store.alerts,
        store.notifications,
        lambda _change: None,
        EndingTable(store.client, store.names["Inventory"]),
        POLICY,
    )
    with costs(store) as counted:
        ingest(lifecycle, seen, "source_sync", store.now)
    return counted


def test_the_same_again_costs_one_read(store: Store) -> None:
    """Contract 4.14 [T]: a sync that finds nothing new writes nothing."""
    cost_of(store, a_sight())
    assert cost_of(store, a_sight()) == {"GetItem": 1}


def test_what_is_new_is_one_transaction(store: Store) -> None:
    """The row and its line in the trail; its identity, its issuer's list, its version, its issuer's count."""
    assert cost_of(store, a_sight()) == {
        "GetItem": 1,
        "Query": 1,
        "TransactWriteItems": 1,
        "Put certificate record": 1,
        "Put audit": 1,
        "Put identity": 1,
        "Put issuer": 1,
        "Update certificate version": 1,
        "Update issuer record": 1,
    }


def test_a_renewal_is_one_transaction(store: Store) -> None:
    """Six small items more than the row and its line: what leads there moves, one version goes, one comes."""
    cost_of(store, a_sight())
    store.now += HOUR
    assert cost_of(store, a_sight(**RENEWED)) == {
        "GetItem": 1,
        "Query": 2,
        "PutItem": 1,
        "TransactWriteItems": 1,
        "DeleteItem": 1,
        "Update certificate record": 1,
        "Put audit": 1,
        "Put identity": 1,
        "Delete identity": 1,
        "Put issuer": 1,
        "Delete issuer": 1,
        "Update certificate version": 2,
    }


def test_what_touches_neither_key_nor_issuer_costs_what_it_did(store: Store) -> None:
    cost_of(store, a_sight())
    store.now += HOUR
    assert cost_of(store, a_sight(renewal_status="PENDING_VALIDATION")) == {
        "GetItem": 1,
        "TransactWriteItems": 1,
        "Update certificate record": 1,
        "Put audit": 1,
    }
