"""A backlog too large for one sweep (design 3): parts of it are handed over, and each part is swept on its own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.support.fake_table import FakeTable
from tests.support.rows import NOW, an_id
from tocsin.delivery.record import Tally
from tocsin.delivery.store import Due, Fetched
from tocsin.delivery.sweep import LIMIT, sweep


class Free:
    def take(self, now: datetime, until: datetime) -> bool:
        return True

    def release(self) -> None:
        pass


class Flooded(FakeTable):
    """Has more due rows than one sweep takes on, in every shard."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def due(self, now: datetime, limit: int, shards: Sequence[int] = ()) -> list[Due]:
        return [Due(NOW - timedelta(minutes=3), an_id(number)) for number in range(limit)]

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        self.fetched += ids
        return Fetched(())


async def deliver(_found: Fetched) -> Tally:
    return Tally()


async def test_a_sweep_of_the_whole_table_hands_a_flood_over_and_sends_nothing_itself() -> None:
    """Design 3: together the parts are the whole, and no shard is in two of them."""
    table = Flooded()
    parts: list[Sequence[int]] = []
    swept = await sweep(Free(), table, deliver, shards=range(8), hand_over=parts.append, now=NOW, seconds=100)
    assert swept is not None
    assert (swept.handed_over, swept.oldest_due_age, table.fetched) == (True, 180.0, [])
    assert [list(part) for part in parts] == [[0, 1], [2, 3], [4, 5], [6, 7]]


async def test_a_sweep_of_a_part_takes_what_it_can_and_starts_no_other() -> None:
    table = Flooded()
    swept = await sweep(Free(), table, deliver, shards=[0, 1], hand_over=None, now=NOW, seconds=100)
    assert swept is not None
    assert not swept.handed_over
    assert len(table.fetched) == LIMIT
