"""Contract 2.5, 2.8, 2.9: the sweep, on AWS's own engine."""

from collections import Counter

from tests.support.database import Database, counted_calls
from tests.support.engine import FakeSender
from tests.support.rows import NOW, a_row, due_since
from tests.support.sweeper import Sweeper
from tocsin.sweep import Swept


async def test_a_thousand_due_rows_take_few_calls_and_are_each_sent_once(database: Database) -> None:
    """Design 2: batches are what makes a sweep fast. At most 150 calls for 1,000 rows."""
    rows = [due_since(a_row(recipient=f"https://{n % 40}.example.com"), NOW) for n in range(1000)]
    database.fill(rows)
    sender = FakeSender()
    with counted_calls(database.client) as calls:
        swept = await Sweeper(database, sender).sweep()
    assert swept == Swept(1000, 0.0, 0.0, settled=1000, left=0, buried=0)
    assert Counter(sender.got) == Counter(row.id for row in rows)
    assert calls.total() <= 150, calls
