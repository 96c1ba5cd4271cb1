"""A worker whose clock, time and channels the test holds."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from tests.support.rows import ACCEPTED, NOW, POLICY
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import DeliveryPolicy, Notification
from tocsin.delivery.record import Event, Tally
from tocsin.delivery.send import Delivery, Limits, Review, Sender, Worker
from tocsin.delivery.store import Change, Malformed, Store

_tokens = count(1)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class FakeSender:
    """A channel that answers as it is told, and remembers whom it was sent."""

    answer: Callable[[Notification], SendResult] = lambda _row: ACCEPTED
    got: list[str] = field(default_factory=list)

    @classmethod
    def always(cls, result: SendResult) -> "FakeSender":
        return cls(lambda _row: result)

    def destination(self, notification: Notification) -> str:
        return notification.recipient

    async def send(self, notification: Notification) -> SendResult:
        self.got.append(notification.id)
        return self.answer(notification)


@dataclass
class Watch:
    """What a run reported."""

    events: Counter[Event] = field(default_factory=Counter)
    changes: list[tuple[Event, Change]] = field(default_factory=list)

    def __call__(self, event: Event, change: Change) -> None:
        self.events[event] += 1
        self.changes.append((event, change))


def a_worker(clock: Callable[[], datetime], remaining: Callable[[], float] = lambda: 100.0) -> Worker:
    """Make a worker with its own claim tokens, and dice that take nothing off a wait."""
    return Worker(clock, remaining, lambda: 0.0, lambda: f"claim{next(_tokens):07}")


@dataclass
class Bench:
    """Runs delivery over a store, by one clock."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    policy: DeliveryPolicy = POLICY
    watch: Watch = field(default_factory=Watch)
    limits: Limits = field(default_factory=Limits)
    review: Review | None = None

    async def run(
        self,
        rows: Iterable[Notification],
        sender: Sender,
        remaining: Callable[[], float] = lambda: 100.0,
        malformed: Collection[Malformed] = (),
    ) -> Tally:
        worker = a_worker(self.clock, remaining)
        delivery = Delivery(self.store, sender, self.policy, worker, self.watch, review=self.review, limits=self.limits)
        return await delivery.run(rows, malformed)
