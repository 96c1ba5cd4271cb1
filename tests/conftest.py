"""Fixtures that several directories share. DynamoDB Local starts once, when the first test asks for it."""

import os
from collections.abc import Iterator

import pytest

from ops import dynamodb_local
from tests.support.database import Database, a_database


@pytest.fixture(scope="session")
def dynamodb_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """AWS's own engine, or a skip that says why there is none (an error where CI forbids the skip)."""
    try:
        with dynamodb_local.running(tmp_path_factory.mktemp("dynamodb")) as endpoint:
            yield endpoint
    except dynamodb_local.UnavailableError as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(why))


@pytest.fixture
def database(dynamodb_endpoint: str) -> Iterator[Database]:
    """An empty Notifications table."""
    with a_database(dynamodb_endpoint) as fresh:
        yield fresh
