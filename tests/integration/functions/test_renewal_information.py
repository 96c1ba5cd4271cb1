"""ACME renewal information through the real functions: an authority on loopback says when, and the check asks then.

Contract 4.11 [T]: a policy may leave it to a certificate's authority when it is renewed (RFC 9773).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from local.receiver import Behaviour, Exchange, Receiver, answers, endless
from tests.support.database import counted_calls
from tests.support.engine import Clock
from tests.support.functions import Context, forget_wiring, handler
from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy
from tests.support.inventory_api import API, CERTIFICATES, check, put, read, text_of, walked
from tests.support.inventory_store import Store
from tests.support.ssm import FakeSsm, a_parameter_store
from tocsin.bootstrap import resources
from tocsin.inventory.certificate import Certificate

pytestmark = pytest.mark.dynamodb_local
ARI_ID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


@dataclass
class Authority:
    """An ACME server, as far as renewal information goes."""

    window: tuple[datetime, datetime] = (T0 + 2 * HOUR, T0 + 3 * HOUR)
    ask_again: int = 3600
    """Seconds."""
    behaviour: Behaviour | None = None
    """What it does instead, of renewal information."""
    knows: str = ARI_ID
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def __call__(self, exchange: Exchange) -> None:
        path = exchange.request.path
        self.asked.append(path)
        if path == "/directory":
            body = json.dumps({"renewalInfo": f"http://127.0.0.1:{self.port}/renewal-info"}).encode()
            await answers(200, body)(exchange)
        elif self.behaviour is not None:
            await self.behaviour(exchange)
        elif path != f"/renewal-info/{self.knows}":
            await answers(404, b"{}")(exchange)
        else:
            await answers(200, self.says(), Retry_After=str(self.ask_again))(exchange)

    def says(self) -> bytes:
        start, end = self.window
        window = {"start": start.isoformat(), "end": end.isoformat()}
        return json.dumps({"suggestedWindow": window, "explanationURL": "https://ca.example/why"}).encode()

    @property
    def name(self) -> str:
        return f"ari:127.0.0.1:{self.port}"

    @property
    def count(self) -> int:
        """Count how often it was asked about a certificate."""
        return len([path for path in self.asked if path != "/directory"])


@pytest.fixture
async def ssm(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeSsm]:
    async with a_parameter_store() as ssm:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", str(ssm.client.meta.endpoint_url))
        monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
        monkeypatch.setenv("READ_ACM", "no")
        forget_wiring()
        yield ssm


@pytest.fixture
async def authority(ssm: FakeSsm) -> AsyncIterator[Authority]:
    made = Authority()
    async with Receiver(made) as server:
        made.port = server.port
        listed(ssm, made)
        yield made


def listed(ssm: FakeSsm, *authorities: Authority) -> None:
    """List the directories, as an operator does."""
    name = f"/{resources.settings().stack}/sources/ari"
    ssm.parameters[name] = "\n".join(f"http://127.0.0.1:{one.port}/directory" for one in authorities)


async def sync() -> None:
    await asyncio.to_thread(handler("source_sync"), {}, Context(aws_request_id="sync"))


def a_certificate_of_it(store: Store, **fields: Any) -> Certificate:
    policy = store.add_policy(a_policy(renew_before="ari"))
    return store.add(a_certificate(**{"ari_id": ARI_ID, "policy_id": policy.id, "expires_at": T0 + 80 * DAY} | fields))


def hand_offs(store: Store) -> list[dict[str, Any]]:
    return [json.loads(row.message) for row in store.rows() if row.type == "RenewalRequested"]


def sources() -> dict[str, Any]:
    return {one["source"]: one for one in walked(f"{API}/sources") if one["source"].startswith("ari:")}


async def test_a_renewal_is_asked_for_when_the_authority_suggests(
    store: Store, clock: Clock, authority: Authority
) -> None:
    """Contract 4.11 [T]: at an instant in the window; the version stays, and the reason is the authority's."""
    certificate = a_certificate_of_it(store)
    check()
    await sync()
    shown = read(f"{CERTIFICATES}/{certificate.id}")
    assert (shown["explanation_url"], shown["version"]) == ("https://ca.example/why", 1)
    at = datetime.fromisoformat(shown["suggested_renewal_at"])
    assert authority.window[0] <= at < authority.window[1]
    clock.now = T0 + HOUR
    check()
    assert hand_offs(store) == []
    clock.now = T0 + 3 * HOUR
    check()
    (detail,) = hand_offs(store)
    assert (detail["ari_id"], detail["reason"]) == (ARI_ID, "its authority suggests it: https://ca.example/why")
    assert sources()[authority.name]["failing_since"] is None


async def test_it_is_asked_again_when_it_says_and_no_sooner(store: Store, clock: Clock, authority: Authority) -> None:
    """Contract 4.11 [T]: Retry-After is kept; a window that moves (a revocation ahead) moves the renewal."""
    authority.window = (T0 + 40 * DAY, T0 + 41 * DAY)
    certificate = a_certificate_of_it(store)
    check()
    for minutes, count in ((0, 1), (30, 1), (60, 2)):
        clock.now = T0 + HOUR * minutes / 60
        await sync()
        assert authority.count == count
    authority.window = (T0, T0 + HOUR)
    clock.now = T0 + 2 * HOUR
    await sync()
    check()
    assert [detail["certificate_id"] for detail in hand_offs(store)] == [certificate.id]


async def test_an_authority_that_fails_is_a_failing_source_and_the_renewal_comes_all_the_same(
    store: Store, clock: Clock, authority: Authority
) -> None:
    """Contract 4.11 [T]: without an answer it is renewed when a third of its life is left."""
    authority.behaviour = endless(200)
    a_certificate_of_it(store)
    check()
    await sync()
    assert sources()[authority.name]["last_failure"] == "unreadable: an answer of more than 64 KB"
    await sync()
    assert authority.count == 1, "not again within the hour"
    clock.now = T0 + 50 * DAY
    check()
    assert [detail["reason"] for detail in hand_offs(store)] == ["its policy asks for it"]


async def test_the_one_that_knows_it_is_found(store: Store, clock: Clock, ssm: FakeSsm, authority: Authority) -> None:
    """Several directories: each is asked until one knows the certificate."""
    other = Authority(knows="another.one")
    async with Receiver(other) as server:
        other.port = server.port
        listed(ssm, other, authority)
        certificate = a_certificate_of_it(store)
        check()
        await sync()
    assert read(f"{CERTIFICATES}/{certificate.id}")["suggested_renewal_at"] is not None
    assert (other.count, authority.count) == (1, 1)
    assert {one["failing_since"] for one in sources().values()} == {None}
    listed(ssm, authority)
    await sync()
    assert set(sources()) == {authority.name}, "what is listed no more is forgotten"


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/directory", "file:///etc/passwd", "http://[::1", "nowhere"]
)
async def test_only_what_the_guard_permits_is_asked(store: Store, clock: Clock, ssm: FakeSsm, address: str) -> None:
    """The prizes are on the link-local address: no directory that is listed leads there."""
    ssm.parameters[f"/{resources.settings().stack}/sources/ari"] = address
    a_certificate_of_it(store)
    check()
    await sync()
    (state,) = sources().values()
    assert state["last_failure"].startswith("forbidden_address")


async def test_nobody_is_asked_where_no_directory_is_listed(store: Store, clock: Clock, ssm: FakeSsm) -> None:
    a_certificate_of_it(store)
    check()
    await sync()
    assert sources() == {}


async def test_a_renewed_certificate_is_asked_about_anew_and_an_archived_one_no_more(
    store: Store, clock: Clock, authority: Authority
) -> None:
    """Contract 4.11 [T]: a suggestion is for one certificate, not for its place."""
    certificate = a_certificate_of_it(store)
    check()
    await sync()
    store.now = clock.now = T0 + HOUR
    renewed = store.change(certificate, expires_at=T0 + 90 * DAY, ari_id="next.one")
    assert (renewed.suggested_renewal_at, renewed.suggestion_until, renewed.explanation_url) == (None, None, "")
    authority.knows = "next.one"
    check()
    await sync()
    assert authority.asked[-1] == "/renewal-info/next.one"
    assert authority.count == 2
    url = f"{CERTIFICATES}/{certificate.id}"
    body = {"common_name": "a", "expires_at": text_of(T0 + 90 * DAY), "archived_at": text_of(T0)}
    assert put(url, body).status == 200
    clock.now = T0 + 3 * HOUR
    await sync()
    assert authority.count == 2
    assert [item for item in store.items("Inventory") if item["pk"]["S"] == "ari"] == []
    assert read(url)["suggested_renewal_at"] is None


async def test_a_run_reads_what_is_due_and_not_the_inventory(store: Store, clock: Clock, authority: Authority) -> None:
    """Contract 4.11 [T]: requests follow what is due to be asked, not how much there is."""
    policy = store.add_policy(a_policy(renew_before="ari"))
    for number in range(30):
        fields = {"ari_id": f"a.{number}", "policy_id": policy.id, "expires_at": T0 + 80 * DAY}
        store.add(a_certificate(id=f"certificate-{number}", **fields))
    check()
    await sync()
    assert authority.count == 30
    with counted_calls(resources.dynamodb()) as calls:
        clock.now = T0 + HOUR
        await sync()
    assert authority.count == 30, "nobody knew them: they are asked about tomorrow"
    assert sum(calls.values()) <= 15, calls
