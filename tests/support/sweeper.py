"""Sweeps one table as the function does, by the clock of the test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.support.database import Database
from tests.support.engine import Bench, Clock, FakeSender
from tocsin.delivery.send import Sender
from tocsin.delivery.sweep import Swept, sweep
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import SHARDS
from tocsin.storage.notifications.table import NotificationTable


@dataclass
class Sweeper:
    """See the module."""

    database: Database
    sender: Sender = field(default_factory=FakeSender)
    clock: Clock = field(default_factory=Clock)
    holder: str = "sweep-1"
    seconds: float = 100.0
    remaining: Callable[[], float] = lambda: 100.0
    shards: Sequence[int] = range(SHARDS)
    hand_over: Callable[[Sequence[int]], None] | None = None

    def __post_init__(self) -> None:
        self.table: NotificationTable = self.database.table
        self.bench = Bench(self.table, self.clock)

    @property
    def lease(self) -> Lease:
        return Lease(self.database.client, self.database.name, "retry_sweep", self.holder)

    async def sweep(self) -> Swept | None:
        self.bench.store = self.table
        return await sweep(
            self.lease,
            self.table,
            lambda found: self.bench.run(found.rows, self.sender, self.remaining, found.malformed),
            shards=self.shards,
            hand_over=self.hand_over,
            now=self.clock.now,
            seconds=self.seconds,
        )
