"""ACM's ACME certificates through any history: issued, used, revoked, unreadable. Contract 4.13.

The reader, the sync and the intake are the real ones; ACM and the inventory are in memory.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.support.acm import PREFIX, Acm, Held
from tests.support.engine import Clock
from tests.support.inventory import DAY, T0, a_certificate
from tests.support.lives import Certificates, Lives
from tests.support.rows import POLICY
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification
from tocsin.inventory.certificate import Certificate, Source, source_id
from tocsin.network.address import AddressGuard
from tocsin.sources.acm import read_account
from tocsin.sources.endpoint import Endpoint
from tocsin.sources.observed import Observation
from tocsin.sources.state import AlarmRoute, SourceState
from tocsin.sources.sync import Account, Sources, Stores, source_sync

MODEL = botocore.session.get_session().get_service_model("acm")
ARNS = tuple(f"{PREFIX}{letter}" for letter in "abcd")
TIMES = ("NotBefore", "NotAfter")


@dataclass
class Client:
    """A client of botocore's, as far as the reader goes: what `acm` has, as botocore would have read it."""

    acm: Acm
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name="us-east-1", service_model=MODEL))

    def get_paginator(self, operation: str) -> Any:
        page = {
            "list_certificates": {"CertificateSummaryList": [{"CertificateArn": arn} for arn in self.acm.held]},
            "search_certificates": {"Results": [read(self.acm.found(arn)) for arn in self.acm.held]},
        }[operation]
        if operation in self.acm.failing:
            return SimpleNamespace(paginate=partial(refuse, operation))
        return SimpleNamespace(paginate=lambda **_: [page])

    def describe_certificate(self, *, CertificateArn: str) -> Any:  # noqa: N803 - as ACM has it
        if CertificateArn in self.acm.failing:
            refuse("DescribeCertificate")
        return {"Certificate": read(self.acm.detail(CertificateArn))}


def refuse(operation: str, **_: object) -> None:
    raise ClientError({"Error": {"Code": "AccessDeniedException"}}, operation)


def read(plain: dict[str, Any]) -> dict[str, Any]:
    """Read times as botocore does."""
    found = {name: read(value) if isinstance(value, dict) else value for name, value in plain.items()}
    return found | {name: datetime.fromtimestamp(plain[name], UTC) for name in TIMES if name in plain}


@dataclass
class World:
    """An account, an inventory, and syncs of it."""

    acm: Acm = field(default_factory=Acm)
    certificates: Certificates = field(default_factory=Certificates)
    clock: Clock = field(default_factory=lambda: Clock(T0))
    states: dict[str, SourceState] = field(default_factory=dict)

    def get(self, source: str) -> SourceState:
        return self.states.get(source, SourceState(source=source))

    def put(self, state: SourceState) -> None:
        self.states[state.source] = state

    def every(self) -> list[SourceState]:
        return list(self.states.values())

    def forget(self, source: str) -> None:
        del self.states[source]

    def insert(self, row: Notification) -> Notification:
        return row

    def take(self, now: datetime, until: datetime) -> bool:
        return True

    def release(self) -> None:
        pass

    def sync(self) -> None:
        """Read the account once, an hour later."""

        async def observe(*_: object) -> Mapping[Endpoint, Observation]:
            return {}

        self.clock.forward(hours=1)
        account = Account("acm:us-east-1", partial(read_account, Client(self.acm)))  # type: ignore[arg-type]  # in part
        sources = Sources(lambda: "", AddressGuard.allowing([]), observe, (account,))
        stores = Stores(Lives(self.certificates).lifecycle, self, self)
        route = AlarmRoute(ChannelName.EMAIL, "ops@example.com", POLICY)
        asyncio.run(source_sync(self, sources, stores, route, clock=self.clock, remaining=lambda: 600.0))

    @property
    def watched(self) -> list[Certificate]:
        return [row for row in self.certificates.things.values() if row.is_watched]


def a_held(number: int, **fields: Any) -> Held:
    """Make one of several that are issued for the same, each 60 days after the one before."""
    return Held(T0 + (60 + 60 * number) * DAY, ("www.example.com",), f"{number + 1:x}", "ACME", "account", **fields)


STEPS = st.lists(
    st.tuples(
        st.integers(0, len(ARNS) - 1),
        st.sampled_from(("issue", "use", "release", "revoke")),
        st.sampled_from(("", "", "", "denied", "no search", "both")),
    ),
    min_size=1,
    max_size=10,
)


def step(account: World, number: int, what: str, trouble: str) -> None:
    """Let something happen to one certificate, and sync with some trouble."""
    arn = ARNS[number]
    held = account.acm.held.get(arn)
    if held is None:
        if what != "issue":
            return
        account.acm.held[arn] = a_held(number)
    elif what == "use":
        account.acm.held[arn] = replace(held, in_use_by=("arn:aws:balancer",))
    elif what == "release":
        account.acm.held[arn] = replace(held, in_use_by=())
    elif what == "revoke":
        account.acm.held[arn] = replace(held, status="REVOKED")
    account.acm.failing = dict.fromkeys(failing(arn, trouble), "AccessDeniedException")
    account.sync()
    account.acm.failing = {}


def failing(arn: str, trouble: str) -> Iterable[str]:
    """Name what can't be read."""
    if trouble in ("denied", "both"):
        yield arn
    if trouble in ("no search", "both"):
        yield "search_certificates"


def to_be_watched(held: Mapping[str, Held]) -> set[str]:
    """Say which must be watched: what is in use, and what nothing good comes after; but for the revoked."""
    good = {arn: one for arn, one in held.items() if one.status != "REVOKED"}
    last = max(good, key=lambda arn: good[arn].expires_at, default="")
    return {arn for arn, one in good.items() if one.in_use_by or arn == last}


def a_world(*, is_upgraded: bool) -> World:
    """Make an empty account; or one of which a release before has two rows, with ids of their ARNs."""
    account = World()
    for number in range(2 if is_upgraded else 0):
        account.acm.held[ARNS[number]] = held = a_held(number)
        row = a_certificate(
            id=source_id(Source.ACM, ARNS[number]),
            source=Source.ACM,
            source_ref=ARNS[number],
            expires_at=held.expires_at,
            serial=held.serial,
        )
        account.certificates.things[row.id] = row
    return account


@given(STEPS, st.booleans())
def test_what_serves_is_watched_and_nothing_else_is(steps: list[tuple[int, str, str]], is_upgraded: bool) -> None:
    """After any history and a sync without trouble: each one once, and of what is past none."""
    account = a_world(is_upgraded=is_upgraded)
    for one in steps:
        step(account, *one)
    account.sync()
    assert sorted(row.source_ref for row in account.watched) == sorted(to_be_watched(account.acm.held))
    before = dict(account.certificates.things)
    account.sync()
    assert account.certificates.things == before
    assert {state.failing_since for state in account.states.values()} == {None}


@given(STEPS, st.booleans())
def test_nothing_that_serves_is_silenced_on_the_way(steps: list[tuple[int, str, str]], is_upgraded: bool) -> None:
    """Not while something can't be read, either: what was watched and still is to be, is."""
    account = a_world(is_upgraded=is_upgraded)
    for one in steps:
        seen = {row.source_ref for row in account.watched}
        step(account, *one)
        still = seen & to_be_watched(account.acm.held)
        assert still <= {row.source_ref for row in account.watched}
