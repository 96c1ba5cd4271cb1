"""The tables of the inventory, on AWS's own engine."""

from collections.abc import Iterator

import pytest

from tests.support.inventory_store import Store, a_store


@pytest.fixture
def store(dynamodb_endpoint: str) -> Iterator[Store]:
    """Give empty tables."""
    with a_store(dynamodb_endpoint) as fresh:
        yield fresh
