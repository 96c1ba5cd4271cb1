"""Fixtures that several directories share. DynamoDB Local starts once, when the first test asks for it."""

import os
import signal
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from local import dynamodb_local
from tests.support.database import Database, a_database
from tests.support.planted import found_in

DEAR = {
    "tests/e2e/": "stack",
    "tests/docs/test_quickstart.py": "quickstart",
    "tests/demo/test_filling.py": "filled",
}
"""Where tests share a deployed stack, which is dear: one worker of xdist runs all of them."""


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts a command in the background has it ignore Ctrl-C, and what it starts as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives every test to whichever worker is free, and those that share a stack to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        shared = (name for place, name in DEAR.items() if nodeid.startswith(place))
        return next(shared, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """See xdist's documentation, "pytest_xdist_make_scheduler"."""
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that printed or logged a secret which was planted, whatever else it found."""
    report = yield
    leaks = [leak for _title, text in report.sections for leak in found_in(text)]
    if report.passed and leaks:
        report.outcome = "failed"
        report.longrepr = f"a planted secret was printed or logged: {leaks}"
    return report


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
