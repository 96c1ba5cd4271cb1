"""Contract 2.5, 2.8, 2.9: the sweep, on AWS's own engine."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.support.database import Database, counted_calls
from tests.support.engine import Bench, Clock, FakeSender
from tests.support.rows import NOW, a_row, due_since
from tocsin.delivery import Sender
from tocsin.reading import Malformed
from tocsin.storage.lease import Lease
from tocsin.storage.notifications import NotificationTable
from tocsin.storage.rows import SHARDS
from tocsin.sweep import Swept, sweep


@dataclass
class Sweeper:
    """Sweeps one table as the function does, by the clock of the test."""

    database: Database
    sender: Sender = field(default_factory=FakeSender)
    clock: Clock = field(default_factory=Clock)
    holder: str = "sweep-1"
    seconds: float = 100.0
    remaining: Callable[[], float] = lambda: 100.0
    shards: Sequence[int] = range(SHARDS)
    hand_over: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.table: NotificationTable = self.database.table
        self.bench = Bench(self.table, self.clock)

    @property
    def lease(self) -> Lease:
        return Lease(self.database.client, self.database.name, "retry_sweep", self.holder)

    def bury(self, found: Malformed) -> bool:
        return self.table.bury(found, self.clock.now)

    async def sweep(self) -> Swept | None:
        return await sweep(
            self.lease,
            self.table,
            lambda rows: self.bench.run(rows, self.sender, self.remaining),
            self.bury,
            shards=self.shards,
            hand_over=self.hand_over,
            now=self.clock.now,
            seconds=self.seconds,
        )


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
