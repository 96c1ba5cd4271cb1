"""Rows waiting for room: oldest first for each destination, with a cap, so that a hung receiver can't hold the rest."""

from collections import Counter, deque
from collections.abc import Callable, Collection

from tocsin.delivery.notification import Notification


class Backlog:
    """What waits and what is in flight. Destinations take turns; a full one is passed over."""

    def __init__(
        self,
        rows: Collection[Notification],
        destination: Callable[[Notification], str],
        total: int,
        per_destination: int,
    ) -> None:
        """Let at most `total` rows be in flight at once, `per_destination` of them to each."""
        self._total = total
        self._cap = per_destination
        self._queues: dict[str, deque[Notification]] = {}
        self._in_flight: Counter[str] = Counter()
        self._names = {row.id: destination(row) for row in rows}
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

    def take(self, count: int) -> list[Notification]:
        """Take up to `count` rows into flight, a destination at a time in turn."""
        taken: list[Notification] = []
        while len(taken) < count and self._in_flight.total() < self._total:
            name = next((name for name in self._queues if self._room(name) > 0), None)
            if name is None:
                break
            taken.append(self._pop(name))
        return taken

    def finish(self, row: Notification) -> None:
        """Give back the place of a row that was taken."""
        self._in_flight[self._names[row.id]] -= 1

    def waiting(self) -> list[Notification]:
        """Give the rows that were never taken."""
        return [row for queue in self._queues.values() for row in queue]

    def _room(self, name: str) -> int:
        return self._cap - self._in_flight[name]

    def _pop(self, name: str) -> Notification:
        """Take the oldest of one destination, and move that destination to the back of the turn."""
        queue = self._queues.pop(name)
        row = queue.popleft()
        self._in_flight[name] += 1
        if queue:
            self._queues[name] = queue
        return row
