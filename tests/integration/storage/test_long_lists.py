"""Lists at size, read through cursors while the rows change underneath."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.database import Database, counted_calls
from tests.support.rows import ACCEPTED, NOW, REJECTED, a_row, an_id, settled
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import BATCH, Change
from tocsin.storage.notifications.item import SHARDS


def pages(database: Database, filters: Filters, limit: int = 100) -> Iterator[tuple[Notification, ...]]:
    place: str | None = None
    while True:
        page = database.lists.page(filters, limit, place)
        yield page.rows
        if (place := page.after) is None:
            return


def rows_of(database: Database, filters: Filters, limit: int = 100) -> list[Notification]:
    return [row for page in pages(database, filters, limit) for row in page]


def aged(count: int) -> list[Notification]:
    """Make rows, the newest first; every tenth pair was created at the same instant.

    Their ids are the same in each run: they decide how rows are spread over the shards, and so what a page costs.
    """
    return [
        a_row(id=an_id(1_000_000 + number), created_at=NOW - timedelta(seconds=number - (number % 10 == 9)))
        for number in range(count)
    ]


def test_ten_thousand_rows_come_once_each_in_order_while_they_change(database: Database) -> None:
    """Contract 3.6 [T]: list totals and cursors are right at any size."""
    rows = aged(10_000)
    database.fill(rows)
    done = threading.Event()

    def change() -> None:
        changes = [Change(row, settled(row, ACCEPTED)) for row in rows[::7]]
        for start in range(0, len(changes), BATCH):
            if done.is_set():
                return
            database.table.write(changes[start : start + BATCH])

    changing = threading.Thread(target=change)
    changing.start()
    seen = rows_of(database, Filters())
    done.set()
    changing.join()
    assert len(seen) == 10_000
    assert [row.id for row in seen] == [
        row.id for row in sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
    ]


def test_a_filtered_list_does_bounded_work_and_still_gets_through(database: Database) -> None:
    """Contract 3.1 [S]: lists filter by text in the message, whatever the table's size."""
    rows = aged(3_000)
    wanted = {10, 1_500, 2_990}
    database.fill(replace(row, message="A needle.") if number in wanted else row for number, row in enumerate(rows))
    found: list[str] = []
    walk = pages(database, Filters(contains="NEEDLE"))
    while True:
        with counted_calls(database.client) as calls:
            page = next(walk, None)
        assert calls["Query"] <= 8 * (8 + 1)  # 8 stretches of 8 shards, and again where one has more than its share
        assert calls["BatchGetItem"] <= 8
        if page is None:
            break
        found += [row.id for row in page]
    assert found == [rows[number].id for number in sorted(wanted)]


def test_dead_letters_come_by_the_time_of_their_death(database: Database) -> None:
    """Contract 3.1 [S]: `?status=dead`, without a look at the others."""
    living, dying = aged(50), [a_row(created_at=NOW - timedelta(hours=number)) for number in range(30)]
    dead = [settled(row, REJECTED, now=NOW - timedelta(minutes=number * 7 % 30)) for number, row in enumerate(dying)]
    database.fill([*living, *dead])
    listed = rows_of(database, Filters(status=Status.DEAD), limit=7)
    assert [row.died_at for row in listed] == sorted((row.died_at for row in dead), reverse=True)  # type: ignore[type-var]  # all died
    assert {row.id for row in listed} == {row.id for row in dead}


def test_a_window_of_creation_is_exact(database: Database) -> None:
    """Design 4: `created_after` is inclusive, `created_before` exclusive; an empty window is an empty list."""
    rows = [a_row(created_at=NOW - timedelta(days=number)) for number in range(80)]  # over three months
    database.fill(rows)
    newest, oldest = rows[10].created_at, rows[70].created_at
    listed = rows_of(database, Filters(created_after=oldest, created_before=newest), limit=9)
    assert [row.id for row in listed] == [row.id for row in rows[11:71]]
    assert rows_of(database, Filters(created_after=newest, created_before=oldest)) == []


def test_a_list_that_ends_says_so_at_once(database: Database) -> None:
    """Contract 3.6 [T]: a short list has no further page, in eight queries."""
    database.fill(aged(3))
    with counted_calls(database.client) as calls:
        page = database.lists.page(Filters(), 50, None)
    assert (len(page.rows), page.after, calls["Query"]) == (3, None, 8)


def test_a_page_reads_few_more_keys_than_it_shows(database: Database) -> None:
    """Each of eight shards is asked for its share of a page, and again only where it has more: not for all of it."""
    database.fill(aged(1_000))
    read: list[int] = []

    def seen(parsed: dict[str, Any], **_: Any) -> None:
        read.append(parsed["Count"])

    database.client.meta.events.register("after-call.dynamodb.Query", seen)
    assert len(database.lists.page(Filters(), 50, None).rows) == 50
    assert SHARDS <= len(read) <= SHARDS + 4, read
    assert sum(read) <= 50 + SHARDS * 6, read
    assert 8 * 51 / sum(read) > 3, "a third of what asking each for a whole page reads"
