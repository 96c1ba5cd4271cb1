"""Bring the inventory up to what its sources have: TLS endpoints, and the account's ACM. One bounded pass.

A source that can't be read changes no certificate; it is recorded as failing, and after a day somebody is told.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tocsin.delivery.notification import ChannelName, DeliveryPolicy, Notification
from tocsin.errors import ConflictError, InvalidFieldsError
from tocsin.network.address import AddressGuard
from tocsin.sources.acm import AccountRead
from tocsin.sources.endpoint import Endpoint, parse_endpoint
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.observed import ObservedCertificate
from tocsin.sources.state import SourceState, alarm_due, notification_of
from tocsin.text import bounded

_log = logging.getLogger(__name__)
_NAME_LIMIT = 256


class States(Protocol):
    """Where the sources' states are kept."""

    def get(self, source: str) -> SourceState:
        """Read one."""
        ...

    def put(self, state: SourceState) -> None:
        """Write one."""
        ...

    def every(self) -> list[SourceState]:
        """Read all."""
        ...

    def forget(self, source: str) -> None:
        """Remove one."""
        ...


@dataclass(frozen=True, slots=True)
class AlarmRoute:
    """Whom a failing source is told to."""

    channel: ChannelName
    recipient: str


@dataclass(slots=True)
class Synced:
    """What a sync did."""

    seen: int = 0
    """Certificates that were read."""
    changed: int = 0
    """Rows that were created or updated."""
    contended: int = 0
    """Rows that others kept changing; the next sync looks again."""
    failing: list[str] = field(default_factory=list)
    """Sources that could not be read."""
    alarms: int = 0


@dataclass(frozen=True, slots=True)
class Sync:
    """One sync's collaborators."""

    take: Callable[[ObservedCertificate], bool]
    """Brings one certificate into the inventory; tells whether that changed anything. Raises ConflictError."""
    states: States
    insert: Callable[[Notification], Notification]
    """Writes an alarm, if it is not there."""
    route: AlarmRoute
    policy: DeliveryPolicy
    clock: Callable[[], datetime]

    async def endpoints(
        self,
        texts: Iterable[str],
        guard: AddressGuard,
        observe: Callable[[list[Endpoint]], Awaitable[Mapping[Endpoint, ObservedCertificate | SourceFailure]]],
        synced: Synced,
    ) -> None:
        """Read each TLS endpoint. A line that is no endpoint is a source that fails; one that is gone is forgotten."""
        endpoints: list[Endpoint] = []
        names: set[str] = set()
        for text in dict.fromkeys(texts):
            try:
                endpoints.append(parse_endpoint(text, guard))
            except InvalidFieldsError as error:
                names.add(name := f"tls:{bounded(text, _NAME_LIMIT)}")
                self._note(name, SourceFailure(FailureKind.UNREADABLE, error.detail), synced)
        for endpoint, seen in (await observe(endpoints)).items():
            failure = seen if isinstance(seen, SourceFailure) else self._take(seen, synced)
            self._note(f"tls:{endpoint}", failure, synced)
        self._forget_all_but(names | {f"tls:{endpoint}" for endpoint in endpoints})

    def _forget_all_but(self, names: set[str]) -> None:
        for state in self.states.every():
            if state.source.startswith("tls:") and state.source not in names:
                self.states.forget(state.source)

    def account(self, name: str, read: AccountRead, synced: Synced) -> None:
        """Take what was read of an account's ACM; one certificate that can't be read fails the source, not the rest."""
        failures = [self._take(seen, synced) for seen in read.observed]
        self._note(name, read.failure or next(filter(None, failures), None), synced)

    def _take(self, seen: ObservedCertificate, synced: Synced) -> SourceFailure | None:
        """Take one certificate; say why that failed, which is its source's failure."""
        synced.seen += 1
        try:
            synced.changed += self.take(seen)
        except ConflictError:
            synced.contended += 1
        except Exception as error:  # one certificate that can't be taken must not keep the others out, tick after tick
            logging.getLogger(__name__).exception("the certificate at %s can't be taken", seen.source_ref)
            return SourceFailure(FailureKind.UNREADABLE, f"{seen.source_ref} can't be taken: {type(error).__name__}")
        return None

    def _note(self, source: str, failure: SourceFailure | None, synced: Synced) -> None:
        """Record how a source was found, and tell somebody of one that has failed for a day."""
        now = self.clock()
        before = self.states.get(source)
        state = before.succeeded(now) if failure is None else before.failed(failure, now)
        if failure is not None:
            synced.failing.append(source)
            _log.warning("source %s can't be read: %s", source, failure)
        if (alarm := alarm_due(state, now)) is not None:
            self.insert(notification_of(alarm, self.route.channel, self.route.recipient, self.policy, now))
            state = state.alarmed(now)
            synced.alarms += 1
        self.states.put(state)
