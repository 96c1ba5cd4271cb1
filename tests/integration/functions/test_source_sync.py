"""The source sync as its schedule runs it: real wiring, real TLS servers, a Parameter Store and an ACM on loopback.

Issue 3, item 4: where certificates come from.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from local.receiver import Receiver
from tests.support.acm import PREFIX, Acm, Held
from tests.support.certificates import Authority, Made
from tests.support.engine import Clock
from tests.support.functions import Context, call, forget_wiring, handler
from tests.support.inventory import DAY, HOUR, T0
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    OWNERS,
    an_id_in,
    body_of,
    check,
    measured,
    put,
    read,
    text_of,
    walked,
    written,
)
from tests.support.inventory_store import Store
from tests.support.ssm import FakeSsm, a_parameter_store
from tests.support.tls import polite, serving
from tocsin.delivery.notification import Status
from tocsin.storage.lease import Lease

pytestmark = pytest.mark.dynamodb_local
CA = Authority()
NOTHING = {"skipped": False, "seen": 0, "changed": 0, "contended": 0, "failing": [], "alarms": 0, "silent": []}
CLOSED = "127.0.0.1:1"
"""A port that nobody listens on: tcpmux, and below those that anybody may take."""


def a_made(days: float = 60, **fields: Any) -> Made:
    """Make a certificate of 90 days that expires so many days after T0."""
    return CA.issued(not_before=T0 + (days - 90) * DAY, not_after=T0 + days * DAY, **fields)


@dataclass
class Endpoint:
    """A TLS server of which the certificate can be changed."""

    shown: Made
    port: int = 0

    def __post_init__(self) -> None:
        self.context = self.shown.server_context()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def renew(self, shown: Made) -> None:
        """Show another certificate from now on."""
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(shown.key_pem + shown.pem)
            file.flush()
            self.context.load_cert_chain(file.name)


@asynccontextmanager
async def an_endpoint(shown: Made | None = None) -> AsyncIterator[Endpoint]:
    """Serve a certificate."""
    endpoint = Endpoint(shown or a_made())
    async with serving(polite, endpoint.context) as port:
        endpoint.port = port
        yield endpoint


@dataclass
class Parameters:
    """The list of endpoints, as an operator writes it."""

    ssm: FakeSsm
    name: str

    def list(self, *lines: str, between: str = "\n") -> None:
        self.ssm.parameters[self.name] = between.join(lines)


@pytest.fixture
async def endpoints(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Parameters]:
    """Let the sync read TLS endpoints on loopback, and no ACM."""
    async with a_parameter_store() as ssm:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", str(ssm.client.meta.endpoint_url))
        monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
        monkeypatch.setenv("READ_ACM", "no")
        forget_wiring()
        stack = store.names["Notifications"][-12:]
        yield Parameters(ssm, f"/stack-{stack}/sources/tls")


async def sync(milliseconds: int = 60_000) -> dict[str, Any]:
    """Run the function beside the servers."""
    counts: dict[str, Any] = await asyncio.to_thread(
        handler("source_sync"), {}, Context(milliseconds=milliseconds, aws_request_id="sync")
    )
    return counts


def certificate() -> dict[str, Any]:
    """Read the only certificate."""
    (found,) = read(CERTIFICATES)["items"]
    assert isinstance(found, dict)
    return found


def source(name: str) -> dict[str, Any]:
    """Read the state of one source."""
    states = {state["source"]: state for state in walked(f"{API}/sources", 1)}
    found = states[name]
    assert isinstance(found, dict)
    return found


async def test_an_endpoint_is_observed_then_nothing_changes(store: Store, clock: Clock, endpoints: Parameters) -> None:
    async with an_endpoint() as endpoint:
        endpoints.list(endpoint.name)
        assert await sync() == NOTHING | {"seen": 1, "changed": 1}
        first = certificate()
        assert (first["source"], first["source_ref"]) == ("tls", endpoint.name)
        assert (first["common_name"], first["expires_at"]) == ("api.example.com", text_of(T0 + 60 * DAY))
        assert (first["chain_verified"], bool(first["chain_problem"])) == (False, True)
        assert source(f"tls:{endpoint.name}") == {
            "source": f"tls:{endpoint.name}",
            "last_attempt_at": text_of(T0),
            "last_success_at": text_of(T0),
            "failing_since": None,
            "last_failure": None,
        }
        before = store.inventory.certificates.get(first["id"])
        clock.forward(hours=1)
        assert await sync() == NOTHING | {"seen": 1}
        assert store.inventory.certificates.get(first["id"]) == before
        assert certificate()["version"] == 1
        assert source(f"tls:{endpoint.name}")["last_success_at"] == text_of(T0 + HOUR)
    (event,) = read(f"{API}/audit-events")["items"]
    assert (event["action"], event["actor"]) == ("certificate_created", "source_sync")


async def test_a_renewal_at_the_source_ends_the_old_cycle(store: Store, clock: Clock, endpoints: Parameters) -> None:
    """Issue 3, item 4: a renewed certificate seen at a source updates its row and ends the old cycle."""
    owner = an_id_in(OWNERS)
    async with an_endpoint(a_made(45)) as endpoint:
        endpoints.list(endpoint.name)
        await sync()
        id_ = certificate()["id"]
        body = body_of(CERTIFICATES, expires_at=certificate()["expires_at"], owner_id=owner)
        assert put(f"{CERTIFICATES}/{id_}", body | {"not_before": certificate()["not_before"]}).status == 200
        clock.forward(days=15)
        assert check()["raised"] == 1
        endpoint.renew(a_made(105, serial=0xDEF))
        assert await sync() == NOTHING | {"seen": 1, "changed": 1}
    after = certificate()
    assert (after["id"], after["serial"], after["expires_at"]) == (id_, "def", text_of(T0 + 105 * DAY))
    assert after["owner_id"] == owner
    (row,) = store.rows()
    assert row.status is Status.SUPERSEDED
    assert (row.last_error or "").startswith("the certificate was renewed")
    assert (check()["raised"], store.told()) == (1, ["RenewalSuccess"])
    clock.now = T0 + 75 * DAY
    assert check()["raised"] == 1


async def test_a_source_that_fails_leaves_its_certificate_alone(
    store: Store, clock: Clock, endpoints: Parameters
) -> None:
    """Issue 3, item 4: timeouts and refusals are recorded as the source's own state, and never delete a certificate."""
    async with an_endpoint() as endpoint:
        endpoints.list(endpoint.name)
        await sync()
    before = store.inventory.certificates.get(certificate()["id"])
    clock.forward(hours=1)
    assert await sync() == NOTHING | {"failing": [f"tls:{endpoint.name}"]}
    assert store.inventory.certificates.get(before.id) == before
    state = source(f"tls:{endpoint.name}")
    assert (state["failing_since"], state["last_success_at"]) == (text_of(T0 + HOUR), text_of(T0))
    assert state["last_failure"].startswith("refused:")


async def test_a_source_that_fails_for_a_day_tells_somebody_once(
    store: Store, clock: Clock, endpoints: Parameters, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 3, item 4: a source that fails for a day raises an alert itself; a recovery ends that."""
    name = f"tls:{CLOSED}"
    endpoints.list(CLOSED)
    alarms = []
    for _ in range(4):
        alarms.append((await sync())["alarms"])
        clock.forward(hours=12)
    assert alarms == [0, 0, 1, 0]
    (row,) = store.rows()
    assert (row.type, row.channel, row.recipient, row.status) == ("Custom:SourceFailing", "SNS", "", Status.PENDING)
    assert f"{name} can't be read since 2026-03-01 12:00:00 UTC" in row.message
    counted = measured(capsys.readouterr().out)
    assert (counted["NotificationsCreated"], counted["SourcesFailing"]) == (1, 4)

    async with an_endpoint() as endpoint:
        state = store_states(store)
        put_state = state.get(name)
        state.put(put_state.succeeded(clock.now))  # as if it could be read once
        endpoints.list(CLOSED, endpoint.name)
        clock.forward(hours=1)
        await sync()
        assert source(name)["failing_since"] == text_of(clock.now)
        clock.forward(days=1)
        assert (await sync())["alarms"] == 1
    assert len(store.rows()) == 2


def store_states(store: Store) -> Any:
    """Open the sources' states."""
    from tocsin.storage.inventory.source_states import SourceStates

    return SourceStates(store.client, store.names["Inventory"])


async def test_a_fallback_address_is_told_of_failing_sources(
    store: Store, clock: Clock, endpoints: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALLBACK_EMAIL", "ops@example.com")
    forget_wiring()
    endpoints.list(CLOSED)
    await sync()
    clock.forward(days=1)
    await sync()
    (row,) = store.rows()
    assert (row.channel, row.recipient) == ("Email", "ops@example.com")


@pytest.mark.parametrize("between", ["\n", ",", ", ", "\r\n\t"])
async def test_a_bad_line_stops_no_other(store: Store, clock: Clock, endpoints: Parameters, between: str) -> None:
    async with an_endpoint() as endpoint:
        endpoints.list("http://nonsense", "10.0.0.1:443", endpoint.name, CLOSED, between=between)
        synced = await sync()
    assert (synced["seen"], synced["changed"]) == (1, 1)
    assert sorted(synced["failing"]) == ["tls:10.0.0.1:443", f"tls:{CLOSED}", "tls:http://nonsense"]
    assert source("tls:http://nonsense")["last_failure"].startswith("unreadable:")
    assert [state["source"] for state in walked(f"{API}/sources")] == sorted(
        [*synced["failing"], f"tls:{endpoint.name}"]
    )


async def test_a_stack_without_a_list_has_no_endpoints(store: Store, clock: Clock, endpoints: Parameters) -> None:
    assert await sync() == NOTHING
    assert read(f"{API}/sources") == {"items": [], "next_cursor": None}


async def test_a_sync_beside_another_is_skipped(store: Store, clock: Clock, endpoints: Parameters) -> None:
    """Contract 2.8's rule for every job: what starts while another runs does nothing, and says so."""
    endpoints.list(CLOSED)
    lease = Lease(store.client, store.names["Notifications"], "source_sync", "another")
    assert lease.take(clock.now, clock.now + HOUR)
    before = written(store)
    assert await sync() == {"skipped": True}
    assert written(store) == before
    lease.release()
    assert (await sync())["skipped"] is False
    assert (await sync())["skipped"] is False


async def test_a_sync_without_time_says_so(store: Store, clock: Clock, endpoints: Parameters) -> None:
    """An endpoint that there was no time for has failed: if that goes on, somebody has to know."""
    async with an_endpoint() as endpoint:
        endpoints.list(endpoint.name)
        assert (await sync(milliseconds=20_000))["failing"] == [f"tls:{endpoint.name}"]
    assert source(f"tls:{endpoint.name}")["last_failure"].startswith("timeout:")
    assert read(CERTIFICATES)["items"] == []


# ── ACM ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def acm(endpoints: Parameters, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Acm]:
    """Let the sync read this account too."""
    fake = Acm()
    async with Receiver(fake) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ACM", receiver.url(""))
        monkeypatch.setenv("READ_ACM", "yes")
        forget_wiring()
        yield fake


async def test_an_account_is_read_and_its_renewals_are_seen(store: Store, clock: Clock, acm: Acm) -> None:
    """Issue 3, item 4: ACM (list and describe; account-wide)."""
    arns = [f"{PREFIX}{letter}" for letter in "ab"]
    failed = Held(T0 + 20 * DAY, renewal="FAILED", reason="CAA_ERROR")
    acm.held = {arns[0]: failed, arns[1]: Held(T0 + 90 * DAY)}
    assert await sync() == NOTHING | {"seen": 2, "changed": 2}
    first, second = read(CERTIFICATES)["items"]
    assert (first["common_name"], first["source"], first["source_ref"]) == ("a.example.com", "acm", arns[0])
    assert first["renewal_status"] == "FAILED: CAA_ERROR"
    assert (first["status"], second["status"]) == ("Expiring", "Active")
    assert await sync() == NOTHING | {"seen": 2}
    acm.held[arns[0]] = replace(failed, expires_at=T0 + 110 * DAY)
    assert await sync() == NOTHING | {"seen": 2, "changed": 1}
    assert read(f"{CERTIFICATES}/{first['id']}")["expires_at"] == text_of(T0 + 110 * DAY)
    assert source("acm:us-east-1")["failing_since"] is None


async def test_an_account_that_cannot_be_read_stops_no_endpoint(
    store: Store, clock: Clock, acm: Acm, endpoints: Parameters
) -> None:
    acm.failing["ListCertificates"] = "AccessDeniedException"
    async with an_endpoint() as endpoint:
        endpoints.list(endpoint.name)
        assert await sync() == NOTHING | {"seen": 1, "changed": 1, "failing": ["acm:us-east-1"]}
    state = source("acm:us-east-1")
    assert state["last_failure"] == "denied: ListCertificates: AccessDeniedException"
    assert "s3cret" not in call("GET", f"{API}/sources").body


async def test_one_certificate_that_cannot_be_described_stops_no_other(store: Store, clock: Clock, acm: Acm) -> None:
    acm.held = {f"{PREFIX}{letter}": Held(T0 + DAY) for letter in "abc"}
    acm.failing[list(acm.held)[1]] = "AccessDeniedException"
    assert await sync() == NOTHING | {"seen": 2, "changed": 2, "failing": ["acm:us-east-1"]}
    assert len(read(CERTIFICATES)["items"]) == 2
