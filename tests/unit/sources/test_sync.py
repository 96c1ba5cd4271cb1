"""One pass over the sources: each is recorded as it was found, and none keeps the others from being read.

Issue 3, item 4: timeouts and refusals are recorded as the source's own state, and never delete a certificate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest

from tests.support.certificates import a_sight
from tests.support.engine import Clock
from tests.support.inventory import T0
from tests.support.lives import Certificates, Lives
from tests.support.rows import POLICY
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Status
from tocsin.errors import ConflictError
from tocsin.inventory.audit import AuditEvent
from tocsin.inventory.certificate import Certificate, Source
from tocsin.network.address import AddressGuard
from tocsin.sources.account import AccountRead, Visit
from tocsin.sources.endpoint import Endpoint
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.intake import first_sight
from tocsin.sources.observed import Observation, ObservedCertificate
from tocsin.sources.state import ALARM_TYPE, AlarmRoute, SourceState
from tocsin.sources.sync import STOP_BEFORE, Account, MayStart, Sources, Stores, Synced, source_sync

REFUSED = SourceFailure(FailureKind.REFUSED, "connecting: the port is closed")
GUARD = AddressGuard.allowing([])
ACCOUNT = "acm:eu-central-1"
ROUTE = AlarmRoute(ChannelName.EMAIL, "ops@example.com", POLICY)


@dataclass
class Bench:
    """A sync whose sources, states, lease and clock the test holds."""

    clock: Clock = field(default_factory=lambda: Clock(T0))
    shows: dict[str, Observation] = field(default_factory=dict)
    certificates: Certificates = field(default_factory=Certificates)
    states: dict[str, SourceState] = field(default_factory=dict)
    alarms: dict[str, Notification] = field(default_factory=dict)
    created: list[Notification] = field(default_factory=list)
    is_free: bool = True
    seconds: float = 600.0
    may_start: list[bool] = field(default_factory=list)
    accounts: Sequence[Account] = ()

    def get(self, source: str) -> SourceState:
        return self.states.get(source, SourceState(source=source))

    def put(self, state: SourceState) -> None:
        self.states[state.source] = state

    def every(self) -> list[SourceState]:
        return list(self.states.values())

    def forget(self, source: str) -> None:
        del self.states[source]

    def insert(self, row: Notification) -> Notification:
        return self.alarms.setdefault(row.id, row)

    def take(self, now: datetime, until: datetime) -> bool:
        was_free, self.is_free = self.is_free, False
        return was_free

    def release(self) -> None:
        self.is_free = True

    @property
    def refs(self) -> list[str]:
        """Say where the certificates of the inventory were seen."""
        return [certificate.source_ref for certificate in self.certificates.things.values()]

    async def run(self, *texts: str, account: AccountRead | None = None) -> Synced:
        """Read these endpoints, and an account."""
        synced = await self.sync("\n".join(texts), account)
        assert synced is not None
        return synced

    async def sync(self, listed: str = "", account: AccountRead | None = None) -> Synced | None:
        """Sync, or find that another sync is at it."""

        async def observe(
            endpoints: Iterable[Endpoint], _now: datetime, may_start: MayStart
        ) -> Mapping[Endpoint, Observation]:
            self.may_start.append(may_start())
            return {one: self.shows.get(one.host, a_sight(source_ref=str(one))) for one in endpoints}

        return await source_sync(
            self,
            Sources(lambda: listed, GUARD, observe, self.accounts if account is None else [a_service(account)]),
            Stores(Lives(self.certificates).lifecycle, self, self),
            ROUTE,
            clock=self.clock,
            remaining=lambda: self.seconds,
            created=self.created.append,
        )


def an_account(*observed: ObservedCertificate, failures: Sequence[SourceFailure] = ()) -> AccountRead:
    """Make what was read of an account."""
    return AccountRead(ACCOUNT, list(observed), failures=list(failures))


def a_service(read: AccountRead) -> Account:
    """Make a service of the account that was read so."""
    return Account(read.source, lambda _visit: read)


async def test_each_endpoint_is_read_and_recorded() -> None:
    bench = Bench(shows={"b.example.com": REFUSED})
    synced = await bench.run("a.example.com", "b.example.com:8443", "c.example.com:443")
    assert bench.refs == ["a.example.com:443", "c.example.com:443"]
    assert synced == Synced(seen=2, changed=2, failing=["tls:b.example.com:8443"])
    assert {name: state.failing_since for name, state in bench.states.items()} == {
        "tls:a.example.com:443": None,
        "tls:b.example.com:8443": T0,
        "tls:c.example.com:443": None,
    }
    assert bench.states["tls:b.example.com:8443"].last_failure == REFUSED


async def test_what_is_watched_no_more_is_forgotten() -> None:
    """An endpoint that left the list, a service that the stack reads no more; but nothing of others."""
    bench = Bench()
    await bench.run("a.example.com", "b.example.com", "no-endpoint:")
    bench.states |= {name: SourceState(source=name) for name in (ACCOUNT, "agent:web-1", "iam", "route53-domains")}
    await bench.run("b.example.com", account=an_account())
    assert set(bench.states) == {"tls:b.example.com:443", ACCOUNT, "agent:web-1"}


@pytest.mark.parametrize("text", ["https://a.example.com", "a.example.com:0", "10.0.0.1", "#", "x" * 5000, "a:b:c"])
async def test_a_line_that_is_no_endpoint_fails_alone(text: str) -> None:
    bench = Bench()
    synced = await bench.run(text, "a.example.com", text)
    assert bench.refs == ["a.example.com:443"]
    (name,) = synced.failing
    assert name.startswith("tls:")
    assert len(name) <= 260
    state = bench.states[name]
    assert state.last_failure is not None
    assert state.last_failure.kind is FailureKind.UNREADABLE


async def test_what_others_change_again_and_again_is_left_to_the_next_sync() -> None:
    class Contended(Certificates):
        def create(self, thing: Certificate, event: AuditEvent) -> Certificate:
            raise ConflictError(thing.id)

    bench = Bench(certificates=Contended())
    assert await bench.run("a.example.com", "b.example.com") == Synced(seen=2, contended=2)
    assert {state.failing_since for state in bench.states.values()} == {None}


async def test_a_certificate_that_cannot_be_taken_fails_its_own_source() -> None:
    class Broken(Certificates):
        def create(self, thing: Certificate, event: AuditEvent) -> Certificate:
            if thing.source_ref.startswith("a."):
                raise ValueError("s3cret")
            return super().create(thing, event)

    bench = Bench(certificates=Broken())
    synced = await bench.run("a.example.com", "b.example.com")
    assert synced == Synced(seen=2, changed=1, failing=["tls:a.example.com:443"])
    failure = bench.states["tls:a.example.com:443"].last_failure
    assert str(failure) == "unreadable: a.example.com:443 can't be taken: ValueError"
    account = an_account(*(a_sight(source=Source.ACM, source_ref=ref) for ref in ("a.1", "b.2")))
    assert await bench.run(account=account) == Synced(seen=2, changed=1, failing=[ACCOUNT])


async def test_what_was_read_of_an_account_is_taken_although_the_rest_failed() -> None:
    bench = Bench()
    account = an_account(a_sight(source=Source.ACM), failures=[SourceFailure(FailureKind.DENIED, "no", "arn:x")])
    assert await bench.run(account=account) == Synced(seen=1, changed=1, failing=[ACCOUNT])
    failure = bench.states[ACCOUNT].last_failure
    assert str(failure) == "denied: 1 of 2 certificates can't be read; arn:x: no"


async def test_a_source_that_fails_for_a_day_alarms_once_a_spell() -> None:
    """Issue 3, item 4: a source that fails for a day raises an alert itself."""
    bench = Bench(shows={"a.example.com": REFUSED})
    alarmed_after = []
    for hour in range(60):
        synced = await bench.run("a.example.com")
        alarmed_after += [hour] * synced.alarms
        bench.clock.forward(hours=1)
    assert alarmed_after == [24]
    (alarm,) = bench.alarms.values()
    assert bench.created == [alarm]
    assert (alarm.type, alarm.status, alarm.recipient) == (ALARM_TYPE, Status.PENDING, "ops@example.com")
    assert "tls:a.example.com:443 can't be read since 2026-03-01 12:00:00 UTC" in alarm.message
    assert "Why: refused: connecting: the port is closed" in alarm.message

    del bench.shows["a.example.com"]
    await bench.run("a.example.com")
    state = bench.states["tls:a.example.com:443"]
    assert (state.failing_since, state.alarmed_at, state.last_failure) == (None, None, REFUSED)

    bench.shows["a.example.com"] = REFUSED
    for _ in range(30):
        bench.clock.forward(hours=1)
        await bench.run("a.example.com")
    assert len(bench.alarms) == len(bench.created) == 2


async def test_a_success_in_between_begins_a_new_spell() -> None:
    bench = Bench()
    for hour in range(72):
        bench.shows = {} if hour % 20 == 19 else {"a.example.com": REFUSED}
        await bench.run("a.example.com")
        bench.clock.forward(hours=1)
    assert bench.alarms == {}


async def test_an_alarm_whose_state_was_not_written_is_the_same_alarm() -> None:
    """A sync that is killed between the two writes makes it again, under the same id: it is created once."""
    bench = Bench(shows={"a.example.com": REFUSED})
    await bench.run("a.example.com")
    bench.clock.forward(days=1)
    before = dict(bench.states)
    await bench.run("a.example.com")
    bench.states = before
    await bench.run("a.example.com")
    assert len(bench.alarms) == len(bench.created) == 1


async def test_one_sync_at_a_time() -> None:
    bench = Bench(is_free=False)
    assert await bench.sync("a.example.com") is None
    assert (bench.refs, bench.states) == ([], {})


async def test_nothing_is_started_when_the_time_is_nearly_up() -> None:
    bench = Bench()
    for bench.seconds in (STOP_BEFORE + 1, STOP_BEFORE):
        await bench.run("a.example.com")
    assert bench.may_start == [True, False]


async def test_a_list_that_cannot_be_read_keeps_no_account_unread_and_the_lease_by_nobody() -> None:
    bench = Bench()

    def unavailable() -> str:
        raise TimeoutError

    async def observe(*_arguments: object) -> Mapping[Endpoint, Observation]:
        return {}

    sources = Sources(unavailable, GUARD, observe, [a_service(an_account(a_sight(source=Source.ACM)))])
    stores = Stores(Lives(bench.certificates).lifecycle, bench, bench)
    with pytest.raises(TimeoutError):
        await source_sync(bench, sources, stores, ROUTE, clock=bench.clock, remaining=lambda: 600.0)
    assert (len(bench.refs), list(bench.states), bench.is_free) == (1, [ACCOUNT], True)


# ── Services of the account ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_service_that_fails_keeps_no_other_unread() -> None:
    """Contract 4.13: each is a source of its own, with a state and a failure of its own; whatever goes wrong there."""

    def odd(_visit: Visit) -> AccountRead:
        raise KeyError("s3cret")

    denied = AccountRead("acm-pca:eu-central-1", failures=[SourceFailure(FailureKind.DENIED, "no")])
    read = AccountRead(ACCOUNT, [a_sight(source=Source.ACM)])
    bench = Bench(accounts=[Account("iam", odd), a_service(denied), a_service(read)])
    assert await bench.run() == Synced(seen=1, changed=1, failing=["iam", "acm-pca:eu-central-1"])
    assert str(bench.states["iam"].last_failure) == "unreadable: an answer can't be read: KeyError"
    assert bench.states[ACCOUNT].last_failure is None


async def test_what_is_known_is_told_to_the_service() -> None:
    """So that it asks for nothing that it need not."""
    visits: list[Visit] = []

    def read(visit: Visit) -> AccountRead:
        visits.append(visit)
        return AccountRead(ACCOUNT, [a_sight(source=Source.ACM)], unchanged=3)

    bench = Bench(accounts=[Account(ACCOUNT, read)])
    assert await bench.run() == Synced(seen=4, changed=1)
    assert await bench.run() == Synced(seen=4, changed=0)
    (row,) = bench.certificates.things.values()
    assert (visits[1].known([row.id, "another"]), visits[1].now, visits[1].may_go_on()) == ({row.id: row}, T0, True)


OLD, NEW = (
    a_sight(source=Source.ACM, source_ref=ref, identity_ref=is_for) for ref, is_for in (("1", ""), ("2", "for"))
)


@pytest.mark.parametrize("is_taken", [True, False])
async def test_a_row_is_replaced_only_by_one_that_is_there(is_taken: bool) -> None:
    """Contract 4.13: where the row that takes its part can't be written, it goes on; the next sync tries again."""

    class Contended(Certificates):
        def create(self, thing: Certificate, event: AuditEvent) -> Certificate:
            if not is_taken:
                raise ConflictError(thing.id)
            return super().create(thing, event)

    old = first_sight(OLD, T0)
    bench = Bench(certificates=Contended({old.id: old}))
    await bench.run(account=AccountRead(ACCOUNT, [NEW], {NEW.id: old}, [(old, NEW.id)]))
    assert bench.certificates.things[old.id].replaced_by == (NEW.id if is_taken else None)


async def test_a_row_that_was_changed_meanwhile_is_replaced_by_the_next_sync() -> None:
    old = first_sight(OLD, T0)
    bench = Bench(certificates=Certificates({old.id: replace(old, version=2, owner_id="o1")}))
    synced = await bench.run(account=AccountRead(ACCOUNT, replaced=[(old, "another")]))
    assert (synced.contended, bench.certificates.things[old.id].replaced_by) == (1, None)
