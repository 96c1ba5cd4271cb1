"""The command line against an API that answers what a test has recorded."""

from collections.abc import Iterator

import pytest

from tests.support.cli_api import RecordedApi, recorded_api
from tocsin_cli import api as client
from tocsin_cli import jobs


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedApi]:
    """An API; nothing waits before it asks again."""
    monkeypatch.setattr(client, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(jobs, "_LOOK_EVERY", 0.0)
    with recorded_api() as recorded:
        yield recorded
