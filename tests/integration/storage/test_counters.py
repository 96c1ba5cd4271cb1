"""Contract 3.3 [S], the counters of Prometheus: only added to, by many workers at once, at a cost that is known."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.faults import faulty, throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Status
from tocsin.errors import StorageUnavailableError
from tocsin.storage.notifications.counters import MOST_CHANNELS, OTHER, Counts

pytestmark = pytest.mark.dynamodb_local

SLACK, MAIL = ChannelName("Slack:payments"), ChannelName.EMAIL


def counts(database: Database) -> Counts:
    """Give the counts as another instance of a function has them."""
    return Counts(database.client, database.name)


def test_nothing_was_counted_yet(database: Database) -> None:
    assert counts(database).read() == {}


def test_each_channel_and_state_has_a_count_of_its_own(database: Database) -> None:
    counts(database).add({(SLACK, Status.DEAD): 2, (SLACK, Status.SENT): 1, (MAIL, Status.DEAD): 5})
    counts(database).add({(SLACK, Status.DEAD): 1})
    assert counts(database).read() == {
        (SLACK, Status.DEAD): 3,
        (SLACK, Status.SENT): 1,
        (MAIL, Status.DEAD): 5,
    }


def test_workers_that_count_at_once_lose_nothing_of_each_other(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            pool.submit(counts(database).add, {(SLACK, Status.DEAD): 1})
    assert counts(database).read() == {(SLACK, Status.DEAD): 50}


def test_a_run_costs_one_write_unit_for_each_channel(database: Database) -> None:
    """However many rows it had; the first time that a channel is seen, its name is written as well."""
    used: list[float] = []

    def ask(params: dict[str, Any], model: Any, **_rest: Any) -> None:
        if model.name == "UpdateItem":
            params["ReturnConsumedCapacity"] = "INDEXES"

    def note(parsed: dict[str, Any], **_rest: Any) -> None:
        if "ConsumedCapacity" in parsed:
            used.append(parsed["ConsumedCapacity"]["CapacityUnits"])

    database.client.meta.events.register("provide-client-params.dynamodb.*", ask)
    database.client.meta.events.register("after-call.dynamodb.*", note)
    run = {(SLACK, Status.DEAD): 1_000, (SLACK, Status.SENT): 9, (SLACK, Status.FAILED): 4, (MAIL, Status.SENT): 1}
    counts(database).add(run)
    assert used == [1.0] * 4
    used.clear()
    counts(database).add(run)
    assert used == [1.0] * 2


def test_invented_names_share_one_label(database: Database) -> None:
    """Who may create notifications may name a million channels: a scrape has a hundred and one."""
    names = [ChannelName(f"Slack:team-{number:03}") for number in range(MOST_CHANNELS + 3)]
    counts(database).add(dict.fromkeys(((name, Status.DEAD) for name in names), 1))
    counts(database).add({(names[-1], Status.DEAD): 1, (names[0], Status.DEAD): 1})
    found = counts(database).read()
    assert len(found) == MOST_CHANNELS + 1
    assert found[names[0], Status.DEAD] == 2
    assert found[OTHER, Status.DEAD] == 4
    assert sum(found.values()) == MOST_CHANNELS + 5


def test_counts_are_in_no_index(database: Database) -> None:
    """No list shows them, and no sweep takes them for rows."""
    counts(database).add({(SLACK, Status.DEAD): 1})
    assert not any(database.indexed(index) for index in ("due", "dead", "by_created"))


@pytest.mark.parametrize("operation", ["UpdateItem", "GetItem"])
def test_a_table_that_does_not_answer_is_named(
    database: Database, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)
    with faulty(database.client, operation, throttled()), pytest.raises(StorageUnavailableError):
        counts(database).add({(SLACK, Status.DEAD): 1})
