"""Circuits in memory, by the same rules as the table's; a contract test keeps the two alike."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.delivery.attempt import Delivered, SendResult
from tocsin.delivery.circuit import Circuit, Terms
from tocsin.delivery.notification import Notification


@dataclass
class FakeCircuits:
    """Keeps circuits, and counts what it was asked."""

    kept: dict[str, Circuit] = field(default_factory=dict)
    used: Counter[tuple[str, datetime]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    fails: bool = False

    def read(self, names: Collection[str]) -> Mapping[str, Circuit]:
        self._ask("read")
        return {name: self.kept[name] for name in names if name in self.kept}

    def write(self, after: Circuit) -> Circuit:
        self._ask("write")
        if self.kept.get(after.name, Circuit(name=after.name)).version == after.version:
            self.kept[after.name] = replace(after, version=after.version + 1)
        return self.kept[after.name]

    def reserve(self, name: str, minute: datetime, count: int) -> int:
        self._ask("reserve")
        before = self.used[name, minute]
        self.used[name, minute] += count
        return before

    def note(self, circuit: Circuit) -> None:
        self._ask("note")
        known = self.kept.get(circuit.name, Circuit(name=circuit.name))
        self.kept[circuit.name] = replace(
            known,
            delivered_at=circuit.delivered_at or known.delivered_at,
            failed_at=circuit.failed_at or known.failed_at,
            last_error=circuit.last_error or known.last_error,
        )

    def _ask(self, what: str) -> None:
        if self.fails:
            raise ConnectionError("the table is not there")
        self.asked[what] += 1


@dataclass
class FakeChannels:
    """Channels that answer as they are told; each channel is one destination."""

    answers: dict[str, SendResult] = field(default_factory=dict)
    per_minute: int | None = None
    sent: list[str] = field(default_factory=list)

    def destination(self, notification: Notification) -> str:
        return notification.channel

    async def terms(self, _notification: Notification) -> Terms:
        return Terms(self.per_minute)

    async def send(self, notification: Notification) -> SendResult:
        self.sent.append(notification.id)
        return self.answers.get(notification.channel, Delivered(200))
