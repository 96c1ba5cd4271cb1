"""`make bench` measures what it says: all rows, by each way of doing it. How fast is not a test's business."""

import pytest

from bench.cold_start import BARE, EVENTS, cold_starts
from bench.servers import serving
from bench.sweeping import measured, result_of, started


@pytest.mark.parametrize("kind", ["sweep", "check", "loop"])
def test_each_way_does_all_rows(kind: str) -> None:
    """A measurement of less than was asked for is an error, not a better figure."""
    with serving(60, 5, 0.0) as store:
        found = measured(kind, 60, store=store)
    assert found.rows == 60
    assert found.microseconds > 0
    assert found.rate > 0


def test_parts_together_do_all_rows() -> None:
    with serving(60, 5, 0.0) as store:
        parts = [result_of(started("sweep", 60, store=store, shards=shards)) for shards in ("0,1,2,3", "4,5,6,7")]
    assert sum(part.rows for part in parts) == 60


def test_every_function_starts() -> None:
    with serving(1, 1, 0.0) as store:
        found = cold_starts(store, 1)
    assert found.keys() == {BARE, *EVENTS}
    assert min(found.values()) > 0
