"""Fixtures that several directories share. DynamoDB Local starts once, when the first test asks for it."""

import os
from collections.abc import Iterator

import pytest

from ops import dynamodb_local
from tests.support.database import Database, a_database

DEAR = {"tests/e2e": "stack", "tests/docs/test_quickstart.py": "quickstart"}
"""Where tests share a deployed stack, which is dear: one worker of xdist runs all of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell xdist (`--dist loadgroup`) which tests belong together; the others go to whoever is free."""
    for item in items:
        for place, group in DEAR.items():
            if item.nodeid.startswith(place) and {"stack", "shell"} & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.xdist_group(group))


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
