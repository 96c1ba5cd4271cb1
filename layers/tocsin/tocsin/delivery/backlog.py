"""Rows waiting for room: oldest first for each destination, with a cap, so that a hung receiver can't hold the rest.

A destination that throttles is given rows at a rate from then on: half of what it took, and a little more with each row
that it takes: additive increase, multiplicative decrease (RFC 5681, section 3.1, does so with a window).
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tocsin.delivery.notification import Notification

_LEAST = 0.2
"""Rows a second that a destination is offered at least."""
_INCREASE = 0.1
"""Rows a second by which a rate grows in a second, while the destination takes all."""
_SOON = 0.01
"""Seconds that a look at a destination takes no sooner than the one before: a part of a row is no row."""
_ECHO = 1.0
"""Seconds for which further refusals say nothing new: those rows were on their way with the first."""


@dataclass(slots=True)
class _Pace:
    """How fast one destination takes rows: a token bucket that holds one second's worth."""

    most: int
    """Rows in flight at once."""
    window: int
    """Rows in flight at once for now: one more with each row that was answered, up to `most`."""
    ceiling: float = 0.0
    """Rows a second that it takes at most; 0: as many as come."""
    rate: float = 0.0
    """Rows a second; 0: it never throttled, and `most` is the only bound."""
    tokens: float = 0.0
    filled_at: float = 0.0
    taken: int = 0
    refused_at: float = -_ECHO

    def room(self, in_flight: int, now: float) -> int:
        """Count the rows that may start now."""
        if not self.rate:
            return self.window - in_flight
        self.tokens = min(self.tokens + (now - self.filled_at) * self.rate, max(self.rate, 1.0))
        self.filled_at = now
        return min(int(self.tokens), self.window - in_flight)

    def opens_in(self) -> float:
        """Give the seconds, from the last look, until a row may start."""
        return max(_SOON, (1.0 - self.tokens) / self.rate) if self.rate else _SOON

    def took_one(self) -> None:
        """Learn that a row was taken."""
        self.taken += 1
        self.rate += _INCREASE / self.rate if self.rate else 0.0
        self.rate = min(self.rate, self.ceiling) if self.ceiling else self.rate

    def answered(self) -> None:
        """Learn that it answered: it may have more at once."""
        self.window = min(self.window + 1, self.most)

    def hung(self) -> None:
        """Learn that it did not answer: nothing follows until the others have."""
        self.window = max(1, self.window - 1)

    def throttled(self, now: float) -> None:
        """Learn that the destination would take no more."""
        if now - self.refused_at >= _ECHO:
            self.rate = max((self.rate or min(self.taken, self.most)) / 2, _LEAST)
            self.tokens, self.filled_at, self.refused_at = 0.0, now, now


@dataclass(frozen=True, slots=True)
class Start:
    """How a destination begins."""

    window: int
    """Rows in flight at once."""
    per_second: float = 0.0
    """Rows a second at most; 0: as many as come."""


def _begun(start: Start, most: int, now: float) -> _Pace:
    rate = start.per_second
    return _Pace(most, min(start.window, most), ceiling=rate, rate=rate, tokens=1.0 if rate else 0.0, filled_at=now)


class Backlog:
    """What waits and what is in flight. Destinations take turns; one that is full or not ready is passed over."""

    def __init__(
        self,
        rows: Collection[Notification],
        destination: Callable[[Notification], str],
        clock: Callable[[], float],
        total: int,
        per_destination: int,
        *,
        starts: Mapping[str, "Start"] = MappingProxyType({}),
    ) -> None:
        """Let at most `total` rows be in flight at once, `per_destination` of them to each. `clock` is in seconds.

        `starts` says with how many at once, and how many a second, a destination begins; else with all.
        """
        self._total = total
        self._clock = clock
        self._queues: dict[str, deque[Notification]] = {}
        self._in_flight: Counter[str] = Counter()
        self._names = {row.id: destination(row) for row in rows}
        self._paces = {
            name: _begun(starts.get(name, Start(per_destination)), per_destination, clock())
            for name in self._names.values()
        }
        for row in rows:
            self._queues.setdefault(self._names[row.id], deque()).append(row)

    def __len__(self) -> int:
        """Count the waiting rows."""
        return sum(map(len, self._queues.values()))

    @property
    def is_busy(self) -> bool:
        """Tell whether anything is in flight."""
        return self._in_flight.total() > 0

    def startable(self) -> int:
        """Count the rows that there is room for now."""
        room = self._total - self._in_flight.total()
        return min(room, sum(min(len(queue), self._room(name)) for name, queue in self._queues.items()))

    def opens_in(self) -> float:
        """Give the seconds until the first of the waiting destinations takes a row again."""
        return min(self._paces[name].opens_in() for name in self._queues)

    def take(self, count: int) -> list[Notification]:
        """Take up to `count` rows into flight, a destination at a time in turn."""
        taken: list[Notification] = []
        while len(taken) < count and self._in_flight.total() < self._total:
            name = next((name for name in self._queues if self._room(name) > 0), None)
            if name is None:
                break
            taken.append(self._pop(name))
        return taken

    def finish(self, row: Notification, *, throttled: bool = False, answered: bool = False, hung: bool = False) -> None:
        """Give back the place of a row that was taken; say whether its destination answered, hung, or took no more."""
        name = self._names[row.id]
        self._in_flight[name] -= 1
        if throttled:
            self._paces[name].throttled(self._clock())
        else:
            self._paces[name].took_one()
        if answered:
            self._paces[name].answered()
        if hung:
            self._paces[name].hung()

    def withdraw(self, name: str) -> list[Notification]:
        """Take out what waits for one destination, and give it."""
        return list(self._queues.pop(name, ()))

    def name_of(self, row: Notification) -> str:
        """Name the destination of a row."""
        return self._names[row.id]

    def put_back(self, row: Notification) -> None:
        """Let a row that was finished wait again, before all others that go there."""
        self._queues.setdefault(self._names[row.id], deque()).appendleft(row)

    def waiting(self) -> list[Notification]:
        """Give the rows that wait."""
        return [row for queue in self._queues.values() for row in queue]

    def _room(self, name: str) -> int:
        return self._paces[name].room(self._in_flight[name], self._clock())

    def _pop(self, name: str) -> Notification:
        """Take the oldest of one destination, and move that destination to the back of the turn."""
        queue = self._queues.pop(name)
        row = queue.popleft()
        self._in_flight[name] += 1
        self._paces[name].tokens -= 1
        if queue:
            self._queues[name] = queue
        return row
