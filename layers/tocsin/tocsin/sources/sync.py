"""Bring the inventory up to what its sources have: TLS endpoints, and what the account has. One bounded pass.

A source that can't be read changes no certificate; it is recorded as failing, and after a day somebody is told.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.delivery.notification import Notification
from tocsin.delivery.store import Lease
from tocsin.errors import ConflictError, InvalidFieldsError, PreconditionFailedError
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.inventory.certificate import Certificate, Source
from tocsin.network.address import AddressGuard
from tocsin.sources.account import AccountRead, Visit
from tocsin.sources.endpoint import Endpoint, parse_endpoint
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.intake import Assignment, ingest, merged, replaced
from tocsin.sources.observed import Observation, ObservedCertificate
from tocsin.sources.state import AlarmRoute, SourceState, alarm_due
from tocsin.text import bounded

STOP_BEFORE = 25.0
"""Seconds before the end of its time at which a sync starts no further endpoint or certificate: one takes 10."""
_ACTOR = "source_sync"
_NAME_LIMIT = 256
_NOBODYS = Assignment()
_OF_ACCOUNTS = frozenset({Source.ACM, Source.IAM, Source.ACM_PCA, Source.SECRETS_MANAGER, Source.DOMAIN})
"""Sources whose states are forgotten when the stack does not read them any more."""
_BETWEEN = re.compile(r"[,\s]+")

MayStart = Callable[[], bool]
"""Tells whether there is time for one more."""


@dataclass(frozen=True, slots=True)
class Account:
    """One service of the account, and what reads it."""

    name: str
    """Its name as a source, as its `AccountRead` has it."""
    read: Callable[[Visit], AccountRead]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a sync reads."""

    endpoints: Callable[[], str]
    """Gives the list of TLS endpoints as the operator wrote it: one a line, or between commas."""
    guard: AddressGuard
    observe: Callable[[Iterable[Endpoint], datetime, MayStart], Awaitable[Mapping[Endpoint, Observation]]]
    accounts: Sequence[Account] = ()
    """What is read of the account, in this order."""


class States(Protocol):
    """Where the sources' states are kept."""

    def get(self, source: str) -> SourceState:
        """Read one."""

    def put(self, state: SourceState) -> None:
        """Write one."""

    def every(self) -> list[SourceState]:
        """Read all."""

    def forget(self, source: str) -> None:
        """Remove one."""


class Alarms(Protocol):
    """Where alarms are written."""

    def insert(self, row: Notification) -> Notification:
        """Write a new row, or return the one that is there already."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What a sync works on."""

    lifecycle: Lifecycle
    states: States
    alarms: Alarms


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
    silent: list[str] = field(default_factory=list)
    """Agents of whose silence somebody was told just now."""


async def source_sync(
    lease: Lease,
    sources: Sources,
    stores: Stores,
    route: AlarmRoute,
    *,
    clock: Callable[[], datetime],
    remaining: Callable[[], float],
    created: Callable[[Notification], None] = lambda _row: None,
) -> Synced | None:
    """Read all sources, or do nothing (and return None) while another sync is at it.

    `remaining` gives the seconds left; `created` hears of each alarm that was raised.
    """
    now = clock()
    if not lease.take(now, now + timedelta(seconds=remaining())):
        return None
    try:
        return await _Sync(sources, stores, route, clock, remaining, created).run()
    finally:
        lease.release()


@dataclass(slots=True)
class _Sync:
    """One run."""

    sources: Sources
    stores: Stores
    route: AlarmRoute
    clock: Callable[[], datetime]
    remaining: Callable[[], float]
    created: Callable[[Notification], None]
    synced: Synced = field(default_factory=Synced)

    async def run(self) -> Synced:
        try:
            await self._read_endpoints()
        finally:  # a list of endpoints that can't be read must not keep the account unread
            for account in self.sources.accounts:
                self._read_account(account)
            self._forget_accounts({account.name for account in self.sources.accounts})
        return self.synced

    def _may_start(self) -> bool:
        return self.remaining() > STOP_BEFORE

    async def _read_endpoints(self) -> None:
        """Read each TLS endpoint. A line that is no endpoint is a source that fails; one that is gone is forgotten."""
        endpoints: dict[Endpoint, str] = {}
        unreadable: set[str] = set()
        for text in dict.fromkeys(filter(None, _BETWEEN.split(self.sources.endpoints()))):
            try:
                endpoint = parse_endpoint(text, self.sources.guard)
                endpoints[endpoint] = f"tls:{endpoint}"
            except InvalidFieldsError as error:
                unreadable.add(name := f"tls:{bounded(text, _NAME_LIMIT)}")
                self._note(name, SourceFailure(FailureKind.UNREADABLE, error.detail))
        for endpoint, seen in (await self.sources.observe(endpoints, self.clock(), self._may_start)).items():
            failure = seen if isinstance(seen, SourceFailure) else self._ingest(seen)
            self._note(endpoints[endpoint], failure)
        self._forget_all_but({*endpoints.values(), *unreadable})

    def _forget_all_but(self, names: set[str]) -> None:
        for state in self.stores.states.every():
            if state.source.startswith("tls:") and state.source not in names:
                self.stores.states.forget(state.source)

    def _forget_accounts(self, names: set[str]) -> None:
        """Forget the states of what the stack reads no more."""
        for state in self.stores.states.every():
            if state.source.partition(":")[0] in _OF_ACCOUNTS and state.source not in names:
                self.stores.states.forget(state.source)

    def _read_account(self, account: Account) -> None:
        """Read and ingest one service; whatever happens there keeps no other unread."""
        try:
            failure = self._ingest_account(account.read(Visit(self.clock(), self._may_start, self._rows)))
        except Exception as error:  # an answer that nobody expected, tick after tick
            logging.getLogger(__name__).exception("source %s can't be read", account.name)
            failure = SourceFailure(FailureKind.UNREADABLE, f"an answer can't be read: {type(error).__name__}")
        self._note(account.name, failure)

    def _rows(self, ids: Sequence[str]) -> Mapping[str, Certificate]:
        return self.stores.lifecycle.certificates.fetch(list(ids)).things

    def _ingest_account(self, read: AccountRead) -> SourceFailure | None:
        """Ingest what was read; one certificate that can't be read fails the source, not the rest.

        A row is replaced only after the row that takes its part says so: a crash in between silences nothing.
        """
        self.synced.seen += read.unchanged
        rows = self._rows([seen.id for seen in read.observed]) if read.observed else {}
        failures, behind = [], set()
        for seen in read.observed:
            row, contended = rows.get(seen.id), self.synced.contended
            if row is not None and merged(row, seen, self.clock()) is row:
                self.synced.seen += 1
                continue
            failure = self._ingest(seen, read.continues.get(seen.id))
            failures.append(failure)
            if failure is not None or self.synced.contended > contended:
                behind.add(seen.id)
        for row, by in read.replaced:
            if by not in behind:
                self._replace(row, by)
        return read.failure or next(filter(None, failures), None)

    def _replace(self, row: Certificate, by: str) -> None:
        try:
            self.stores.lifecycle.change(row, replaced(row, by, self.clock()), _ACTOR)
        except PreconditionFailedError:  # somebody changed it: the next sync looks again
            self.synced.contended += 1
        else:
            self.synced.changed += 1

    def _ingest(self, seen: ObservedCertificate, before: Certificate | None = None) -> SourceFailure | None:
        """Ingest one certificate; say why that failed, which is its source's failure."""
        self.synced.seen += 1
        try:
            result, _ = ingest(self.stores.lifecycle, seen, _ACTOR, self.clock(), before or _NOBODYS)
            self.synced.changed += result.is_change
        except ConflictError:
            self.synced.contended += 1
        except Exception as error:  # one that can't be ingested must not keep the others out, tick after tick
            logging.getLogger(__name__).exception("the certificate at %s can't be taken", seen.source_ref)
            return SourceFailure(FailureKind.UNREADABLE, f"{seen.source_ref} can't be taken: {type(error).__name__}")
        return None

    def _note(self, source: str, failure: SourceFailure | None) -> None:
        """Record how a source was found, and tell somebody of one that has failed for a day."""
        note(self.stores, self.route, source, failure, self.clock(), self.synced, self.created)


def note(  # noqa: PLR0917 - how a source was found, and all that hears of it
    stores: Stores,
    route: AlarmRoute,
    source: str,
    failure: SourceFailure | None,
    now: datetime,
    synced: Synced,
    created: Callable[[Notification], None],
) -> None:
    """Record how a source was found, and tell somebody of one that has failed for a day."""
    before = stores.states.get(source)
    state = before.succeeded(now) if failure is None else before.failed(failure, now)
    if failure is not None:
        synced.failing.append(source)
        logging.getLogger(__name__).warning("source %s can't be read: %s", source, failure)
    if (alarm := alarm_due(state, route, now)) is not None:
        if stores.alarms.insert(alarm) is alarm:  # else an earlier sync, which died just after, has told it
            created(alarm)
        state = state.alarmed(now)
        synced.alarms += 1
    stores.states.put(state)
