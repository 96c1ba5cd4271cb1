"""The functions' environment: real wiring, against fresh tables, by a clock that the test may hold."""

from collections.abc import Iterator

import pytest

from tests.support.database import Database
from tests.support.engine import Clock
from tests.support.functions import wired
from tests.support.inventory import T0
from tests.support.inventory_store import Store
from tocsin.bootstrap import resources


@pytest.fixture
def store(dynamodb_endpoint: str) -> Iterator[Store]:
    """Give the test's own tables, on which the functions work."""
    with wired(dynamodb_endpoint) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def shared_store(dynamodb_endpoint: str) -> Iterator[Store]:
    """Give the tables of a whole module: for tests that write nothing."""
    with wired(dynamodb_endpoint) as fresh:
        yield fresh


@pytest.fixture
def stack(store: Store, dynamodb_endpoint: str) -> Database:
    """Give the table of notifications that the functions work on."""
    return Database(dynamodb_endpoint, store.client, store.names["Notifications"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the functions a clock that stands still until it is moved, from T0 on."""
    held = Clock(T0)
    monkeypatch.setattr(resources, "now", held)
    return held
