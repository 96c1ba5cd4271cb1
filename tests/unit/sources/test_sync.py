"""One pass over the sources: each is recorded as it was found, and none keeps the others from being read.

Issue 3, item 4: timeouts and refusals are recorded as the source's own state, and never delete a certificate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tests.support.certificates import a_sight
from tests.support.engine import Clock
from tests.support.inventory import T0
from tests.support.rows import POLICY
from tocsin.delivery.notification import ChannelName, Notification, Status
from tocsin.errors import ConflictError
from tocsin.inventory.certificate import Source
from tocsin.network.address import AddressGuard
from tocsin.sources.acm import AccountRead
from tocsin.sources.endpoint import Endpoint
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.observed import ObservedCertificate
from tocsin.sources.state import ALARM_TYPE, SourceState
from tocsin.sources.sync import AlarmRoute, Sync, Synced

REFUSED = SourceFailure(FailureKind.REFUSED, "connecting: the port is closed")
GUARD = AddressGuard.allowing([])
ACCOUNT = "acm:eu-central-1"


@dataclass
class Bench:
    """A sync whose sources, states and clock the test holds."""

    clock: Clock = field(default_factory=lambda: Clock(T0))
    shows: dict[str, ObservedCertificate | SourceFailure] = field(default_factory=dict)
    take: Callable[[ObservedCertificate], bool] = lambda _seen: True
    states: dict[str, SourceState] = field(default_factory=dict)
    alarms: list[Notification] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def get(self, source: str) -> SourceState:
        return self.states.get(source, SourceState(source=source))

    def put(self, state: SourceState) -> None:
        self.states[state.source] = state

    def every(self) -> list[SourceState]:
        return list(self.states.values())

    def forget(self, source: str) -> None:
        del self.states[source]

    @property
    def sync(self) -> Sync:
        def take(seen: ObservedCertificate) -> bool:
            self.taken.append(seen.source_ref)
            return self.take(seen)

        def insert(alarm: Notification) -> Notification:
            self.alarms.append(alarm)
            return alarm

        route = AlarmRoute(ChannelName.EMAIL, "ops@example.com")
        return Sync(take, self, insert, route, POLICY, self.clock)

    async def run(self, *texts: str) -> Synced:
        """Read these endpoints."""

        async def observe(endpoints: list[Endpoint]) -> Mapping[Endpoint, ObservedCertificate | SourceFailure]:
            return {one: self.shows.get(one.host, a_sight(source_ref=str(one))) for one in endpoints}

        synced = Synced()
        await self.sync.endpoints(texts, GUARD, observe, synced)
        return synced

    def read(self, *observed: ObservedCertificate, failures: Sequence[SourceFailure] = ()) -> Synced:
        """Read an account."""
        synced = Synced()
        self.sync.account(ACCOUNT, AccountRead(observed, tuple(failures)), synced)
        return synced


async def test_each_endpoint_is_read_and_recorded() -> None:
    bench = Bench(shows={"b.example.com": REFUSED})
    synced = await bench.run("a.example.com", "b.example.com:8443", "c.example.com:443")
    assert bench.taken == ["a.example.com:443", "c.example.com:443"]
    assert synced == Synced(seen=2, changed=2, failing=["tls:b.example.com:8443"])
    assert {name: state.failing_since for name, state in bench.states.items()} == {
        "tls:a.example.com:443": None,
        "tls:b.example.com:8443": T0,
        "tls:c.example.com:443": None,
    }
    assert bench.states["tls:b.example.com:8443"].last_failure == REFUSED


async def test_an_endpoint_that_is_watched_no_more_is_forgotten() -> None:
    bench = Bench()
    await bench.run("a.example.com", "b.example.com", "no endpoint:")
    bench.states["acm:eu-central-1"] = SourceState(source="acm:eu-central-1")
    await bench.run("b.example.com")
    assert set(bench.states) == {"tls:b.example.com:443", "acm:eu-central-1"}


@pytest.mark.parametrize("text", ["https://a.example.com", "a.example.com:0", "10.0.0.1", "#", "x" * 5000, "a:b:c"])
async def test_a_line_that_is_no_endpoint_fails_alone(text: str) -> None:
    bench = Bench()
    synced = await bench.run(text, "a.example.com", text)
    assert bench.taken == ["a.example.com:443"]
    (name,) = synced.failing
    assert name.startswith("tls:")
    assert len(name) <= 260
    state = bench.states[name]
    assert state.last_failure is not None
    assert state.last_failure.kind is FailureKind.UNREADABLE


async def test_what_others_change_again_and_again_is_left_to_the_next_sync() -> None:
    def contended(seen: ObservedCertificate) -> bool:
        raise ConflictError(seen.id)

    bench = Bench(take=contended)
    assert await bench.run("a.example.com", "b.example.com") == Synced(seen=2, contended=2)
    assert {state.failing_since for state in bench.states.values()} == {None}


async def test_a_certificate_that_cannot_be_taken_fails_its_own_source() -> None:
    def broken(seen: ObservedCertificate) -> bool:
        if seen.source_ref.startswith("a."):
            raise ValueError("s3cret")
        return True

    bench = Bench(take=broken)
    synced = await bench.run("a.example.com", "b.example.com")
    assert synced == Synced(seen=2, changed=1, failing=["tls:a.example.com:443"])
    failure = bench.states["tls:a.example.com:443"].last_failure
    assert str(failure) == "unreadable: a.example.com:443 can't be taken: ValueError"
    account = bench.read(*(a_sight(source=Source.ACM, source_ref=ref) for ref in ("a.1", "b.2")))
    assert account == Synced(seen=2, changed=1, failing=[ACCOUNT])


def test_what_was_read_of_an_account_is_taken_although_the_rest_failed() -> None:
    bench = Bench()
    synced = bench.read(a_sight(source=Source.ACM), failures=[SourceFailure(FailureKind.DENIED, "no", "arn:x")])
    assert synced == Synced(seen=1, changed=1, failing=[ACCOUNT])
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
    (alarm,) = bench.alarms
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
    assert len({alarm.id for alarm in bench.alarms}) == len(bench.alarms) == 2


async def test_a_success_in_between_begins_a_new_spell() -> None:
    bench = Bench()
    for hour in range(72):
        bench.shows = {} if hour % 20 == 19 else {"a.example.com": REFUSED}
        await bench.run("a.example.com")
        bench.clock.forward(hours=1)
    assert bench.alarms == []


async def test_an_alarm_whose_state_was_not_written_is_the_same_alarm() -> None:
    """A sync that is killed between the two writes makes it again, under the same id."""
    bench = Bench(shows={"a.example.com": REFUSED})
    await bench.run("a.example.com")
    bench.clock.forward(days=1)
    before = dict(bench.states)
    await bench.run("a.example.com")
    bench.states = before
    await bench.run("a.example.com")
    first, second = bench.alarms
    assert first.id == second.id
