"""The functions' environment: real wiring, against a fresh table."""

from collections.abc import Iterator

import pytest

from tests.support.database import Database
from tests.support.functions import environment, forget_wiring


@pytest.fixture
def stack(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Let the functions of this process work on the test's own table."""
    for name, value in environment(f"stack-{database.name[-12:]}", database.name, database.endpoint).items():
        monkeypatch.setenv(name, value)
    forget_wiring()
    yield database
    forget_wiring()
