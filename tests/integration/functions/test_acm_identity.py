"""Certificates of ACM that get another ARN with each renewal, by the real sync and check on DynamoDB Local.

Contract 4.13: one row for what they are issued for; nothing that still serves is silenced; nothing is told twice.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.receiver import Receiver
from tests.support.acm import PREFIX, Acm, Held
from tests.support.engine import Clock
from tests.support.functions import Context, forget_wiring, handler
from tests.support.inventory import DAY, HOUR, T0, a_certificate, an_owner
from tests.support.inventory_api import API, CERTIFICATES, check, read, text_of
from tests.support.inventory_store import Store
from tests.support.ssm import a_parameter_store
from tocsin.delivery.notification import Status
from tocsin.inventory.certificate import Certificate, Source, source_id
from tocsin.sources.acm import is_turn

pytestmark = pytest.mark.dynamodb_local
A, B, C = (f"{PREFIX}{letter}" for letter in "abc")
ACME = Held(T0 + 45 * DAY, ("www.example.com", "example.com"), "a1", "ACME", "acme-account-1")
RENEWED = replace(ACME, expires_at=T0 + 105 * DAY, serial="b2")
AGAIN = replace(ACME, expires_at=T0 + 165 * DAY, serial="c3")
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/1"


@pytest.fixture
async def acm(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Acm]:
    """Let the sync read this account, and no endpoint."""
    fake = Acm()
    async with a_parameter_store() as ssm, Receiver(fake) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", str(ssm.client.meta.endpoint_url))
        monkeypatch.setenv("AWS_ENDPOINT_URL_ACM", receiver.url(""))
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("FALLBACK_EMAIL", "ops@example.com")
        forget_wiring()
        yield fake


async def sync() -> dict[str, Any]:
    """Run the function beside the service."""
    run = handler("source_sync")
    counts: dict[str, Any] = await asyncio.to_thread(run, {}, Context(aws_request_id="sync"))
    return counts


def rows(store: Store) -> dict[str, Certificate]:
    """Give the rows of the inventory by where each was seen, or by that and `replaced`."""
    found = [store.inventory.certificates.get(one["id"]) for one in read(f"{CERTIFICATES}?limit=100")["items"]]
    return {one.source_ref + (" replaced" if one.replaced_at else ""): one for one in found}


def left_by_a_release_before(store: Store, arn: str, held: Held, **fields: Any) -> Certificate:
    """Put a row there as releases up to 0.4 made it: its id is that of the ARN, and nothing leads to it."""
    row = a_certificate(
        id=source_id(Source.ACM, arn),
        source=Source.ACM,
        source_ref=arn,
        common_name=held.names[0],
        names=held.names,
        serial=held.serial,
        expires_at=held.expires_at,
        due_at=T0,
        **fields,
    )
    store.stock([row])
    return row


async def test_a_renewal_by_acme_renews_the_row(store: Store, clock: Clock, acm: Acm) -> None:
    """The row keeps its id and its owner; its facts are those of the new ARN."""
    acm.held = {A: ACME}
    await sync()
    (first,) = rows(store).values()
    assert (first.source_ref, first.serial, first.id != source_id(Source.ACM, A)) == (A, "a1", True)
    store.add_owner()
    store.change(first, owner_id=an_owner().id)
    clock.forward(days=16)
    assert check()["raised"] == 1

    acm.held |= {B: RENEWED}
    assert (await sync())["changed"] == 1
    (row,) = rows(store).values()
    assert (row.id, row.source_ref, row.serial, row.owner_id) == (first.id, B, "b2", "o1")
    assert (row.expires_at, row.renewed_from) == (RENEWED.expires_at, first.identity)
    assert [alert.status for alert in store.rows()] == [Status.SUPERSEDED]
    check()
    assert store.told(row.id) == ["RenewalSuccess"]


async def test_the_one_before_says_nothing_any_more(store: Store, clock: Clock, acm: Acm) -> None:
    """ACM lists it for a year after it has expired: it would alert at 30, 14, 7 and 0 days though it was replaced."""
    acm.held = {A: ACME, B: RENEWED}
    for _ in range(17):
        await sync()
        check()
        clock.forward(days=3)
    assert [one.common_name for one in rows(store).values()] == ["www.example.com"]
    assert store.tags() == []


async def test_the_order_in_which_they_are_listed_does_not_matter(store: Store, clock: Clock, acm: Acm) -> None:
    acm.held = {B: RENEWED, C: AGAIN, A: ACME}
    counts = await sync()
    assert (counts["seen"], counts["changed"]) == (3, 1)
    assert [row.source_ref for row in rows(store).values()] == [C]


@pytest.mark.parametrize(
    "other",
    [
        {"names": ("example.com",)},
        {"names": ("www.example.com", "example.com", "api.example.com")},
        {"key_algorithm": "RSA_2048"},
        {"acme_account": "acme-account-2"},
        {"origin": "AWS_MANAGED"},
        {"origin": "CUSTOMER_PROVIDED"},
    ],
)
async def test_what_is_for_something_else_is_another_row(
    store: Store, clock: Clock, acm: Acm, other: dict[str, Any]
) -> None:
    """Other names, another kind of key, another account; and what did not come by ACME keeps its ARN anyway."""
    acm.held = {A: ACME, B: replace(RENEWED, **other)}
    await sync()
    assert {row.source_ref for row in rows(store).values()} == {A, B}


@pytest.mark.parametrize(
    "same",
    [
        {"names": ("EXAMPLE.com", "www.example.com")},
        {"key_algorithm": "EC_secp384r1"},
        {"serial": "ff"},
    ],
)
async def test_what_a_renewal_may_change_is_the_same_row(
    store: Store, clock: Clock, acm: Acm, same: dict[str, Any]
) -> None:
    acm.held = {A: ACME, B: replace(RENEWED, **same)}
    await sync()
    assert [row.source_ref for row in rows(store).values()] == [B]


async def test_duplicates_of_other_origins_are_left_as_they_are(store: Store, clock: Clock, acm: Acm) -> None:
    """A certificate that was requested twice is renewed under each ARN that is in use."""
    acm.held = {arn: replace(held, origin="AWS_MANAGED") for arn, held in ((A, ACME), (B, RENEWED))}
    await sync()
    assert {one.id for one in rows(store).values()} == {source_id(Source.ACM, arn) for arn in (A, B)}


async def test_an_older_one_that_is_in_use_is_not_silenced(store: Store, clock: Clock, acm: Acm) -> None:
    """It has a row of its own for as long as something uses it, with the people of the row that it was in."""
    acm.held = {A: ACME}
    await sync()
    store.add_owner()
    (first,) = rows(store).values()
    store.change(first, owner_id="o1")
    acm.held = {A: replace(ACME, in_use_by=(BALANCER,)), B: RENEWED}
    clock.now = ACME.expires_at - 7 * DAY
    await sync()
    found = rows(store)
    assert (found[B].id, found[B].owner_id) == (first.id, "o1")
    assert (found[A].id, found[A].owner_id) == (source_id(Source.ACM, A), "o1")
    check()
    (alert,) = [row for row in store.rows() if row.type == "ExpirationWarning"]
    assert (alert.certificate_id, alert.recipient) == (found[A].id, "ada@example.com")
    assert f"In use by: {BALANCER}" in alert.message

    acm.held[A] = ACME
    await sync()
    assert store.notifications.get(alert.id).status is Status.SUPERSEDED
    replaced = rows(store)[f"{A} replaced"]
    assert (replaced.replaced_by, replaced.due_at) == (first.id, None)
    assert read(f"{CERTIFICATES}/{replaced.id}")["status"] == "Replaced"

    clock.forward(hours=1)
    acm.held[A] = replace(ACME, in_use_by=(BALANCER,))
    await sync()
    assert rows(store)[A].replaced_by is None
    check()
    assert store.tags(found[A].id) == ["7"]
    assert store.notifications.get(alert.id).status is Status.PENDING


async def test_a_revoked_one_replaces_nothing(store: Store, clock: Clock, acm: Acm) -> None:
    """The one before it is what is left: it is watched, until a good one is issued."""
    acm.held = {A: ACME, B: RENEWED}
    await sync()
    (home,) = rows(store).values()
    acm.held[B] = replace(RENEWED, status="REVOKED")
    clock.now = ACME.expires_at - 13 * DAY
    await sync()
    check()
    found = rows(store)
    assert (found[B].id, found[B].revoked_at is not None) == (home.id, True)
    assert store.told(home.id) == ["Revocation"]
    assert store.tags(found[A].id) == ["14"]
    acm.held[C] = AGAIN
    await sync()
    found = rows(store)
    assert (found[C].id, found[C].revoked_at) == (home.id, None)
    assert found[f"{A} replaced"].replaced_by == home.id


async def test_what_was_not_read_is_not_gone(store: Store, clock: Clock, acm: Acm) -> None:
    """A newer one that can't be read this time must not put the row back to the older one."""
    acm.held = {A: ACME, B: RENEWED}
    await sync()
    acm.failing = {B: "AccessDeniedException", "SearchCertificates": "AccessDeniedException"}
    counts = await sync()
    assert (counts["changed"], counts["failing"]) == (0, ["acm:us-east-1"])
    assert [row.source_ref for row in rows(store).values()] == [B]


@pytest.mark.parametrize("is_of_a_release_before", [False, True])
async def test_servers_are_to_serve_what_came_by_another_arn(
    store: Store, clock: Clock, acm: Acm, is_of_a_release_before: bool
) -> None:
    """A renewal like any other: a server that still shows the old one is waited for."""
    if is_of_a_release_before:
        left_by_a_release_before(store, A, ACME)
    acm.held = {A: ACME}
    await sync()
    server = a_certificate(
        source=Source.TLS, source_ref="www.example.com:443", serial=ACME.serial, expires_at=ACME.expires_at
    )
    store.add(server)
    acm.held[B] = RENEWED
    await sync()
    for _ in range(2):
        check()
    awaited = store.inventory.certificates.get(server.id).awaited
    assert awaited is not None
    assert awaited.identity == rows(store)[B].identity


# ── Rows of the release before ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_row_of_the_release_before_goes_on_until_there_is_a_newer_arn(
    store: Store, clock: Clock, acm: Acm
) -> None:
    left_by_a_release_before(store, A, ACME)
    clock.now = ACME.expires_at - 29 * DAY
    assert check()["raised"] == 1
    acm.held = {A: ACME}
    for _ in range(3):
        await sync()
        assert check()["raised"] == 0
        clock.forward(hours=1)
    assert [row.id for row in rows(store).values()] == [source_id(Source.ACM, A)]


async def test_a_newer_arn_takes_over_from_the_release_before(store: Store, clock: Clock, acm: Acm) -> None:
    """Its row becomes Replaced: its alerts end, nothing is told twice, and whose it was goes over."""
    store.add_owner()
    old = left_by_a_release_before(store, A, ACME, owner_id="o1", environment="production", tags={"team": "web"})
    clock.now = ACME.expires_at - 29 * DAY
    check()
    assert store.tags(old.id) == ["30"]
    acm.held = {A: ACME, B: RENEWED}
    assert (await sync())["changed"] == 2
    found = rows(store)
    home, replaced = found[B], found[f"{A} replaced"]
    assert (home.owner_id, home.environment, home.tags) == ("o1", "production", {"team": "web"})
    assert (replaced.id, replaced.replaced_by, replaced.replaced_at) == (old.id, home.id, clock.now)
    assert [row.status for row in store.rows()] == [Status.SUPERSEDED]
    audit = read(f"{API}/audit-events?resource=certificate/{old.id}")["items"]
    assert audit[0]["action"] == "certificate_replaced"
    for _ in range(20):
        clock.forward(days=3)
        await sync()
        check()
    assert store.tags(old.id) == ["30"]
    assert store.told() == ["RenewalSuccess"]
    assert (store.tags(home.id), home.renewed_from) == (["30"], old.identity)


async def test_two_rows_of_the_release_before_become_one(store: Store, clock: Clock, acm: Acm) -> None:
    """The newer one goes on, and has told what it has told."""
    first, second = left_by_a_release_before(store, A, ACME), left_by_a_release_before(store, B, RENEWED)
    clock.now = RENEWED.expires_at - 29 * DAY
    check()
    told = store.tags()
    assert (len(store.tags(first.id)), store.tags(second.id)) == (4, ["30"])
    acm.held = {A: ACME, B: RENEWED}
    await sync()
    check()
    found = rows(store)
    assert (found[B].id, found[f"{A} replaced"].replaced_by) == (second.id, second.id)
    assert (store.tags(), store.told()) == (told, [])

    acm.held[C] = AGAIN
    await sync()
    found = rows(store)
    assert found[f"{B} replaced"].replaced_by == found[C].id
    assert found[C].renewed_from == second.identity
    await sync()
    assert rows(store).keys() == {C, f"{A} replaced", f"{B} replaced"}


async def test_what_an_operator_put_away_stays_away(store: Store, clock: Clock, acm: Acm) -> None:
    """But not what comes after it: that was never theirs to see."""
    archived = left_by_a_release_before(store, A, ACME, archived_at=T0)
    acm.held = {A: ACME}
    await sync()
    assert [(row.id, row.archived_at) for row in rows(store).values()] == [(archived.id, T0)]
    acm.held[B] = RENEWED
    await sync()
    assert rows(store)[B].archived_at is None


# ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_search_shows_unchanged_is_not_described(store: Store, clock: Clock, acm: Acm) -> None:
    """200 certificates: 200 descriptions once, then some in each hour, so that each is described once a day."""
    acm.held = {f"{PREFIX}{number:03}": Held(T0 + (60 + number) * DAY, ("a.example.com",)) for number in range(200)}
    assert (await sync())["seen"] == 200
    assert acm.calls == {"ListCertificates": 1, "SearchCertificates": 1, "DescribeCertificate": 200}
    acm.calls.clear()
    for _ in range(24):
        clock.forward(hours=1)
        counts = await sync()
        assert (counts["seen"], counts["changed"]) == (200, 0)
    assert acm.calls == {"ListCertificates": 24, "SearchCertificates": 24, "DescribeCertificate": 200}


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": T0 + 200 * DAY},
        {"serial": "ff"},
        {"renewal": "PENDING_VALIDATION"},
        {"in_use_by": ()},
        {"status": "REVOKED"},
    ],
)
async def test_what_a_search_shows_changed_is_described(
    store: Store, clock: Clock, acm: Acm, change: dict[str, Any]
) -> None:
    held = Held(T0 + 60 * DAY, in_use_by=(BALANCER,), renewal="FAILED", reason="CAA_ERROR")
    acm.held = {A: held, B: replace(held, serial="b2")}
    await sync()
    acm.calls.clear()
    acm.held[A] = replace(held, **change)
    clock.now = an_hour_of_none_of(A, B)
    assert (await sync())["changed"] == 1
    assert acm.calls["DescribeCertificate"] == 1


def an_hour_of_none_of(*arns: str) -> datetime:
    """Give a time at which none of them is described whatever a search says."""
    hours = (T0 + number * HOUR for number in range(24))
    return next(at for at in hours if not any(is_turn(arn, at) for arn in arns))


async def test_a_role_that_may_not_search_describes_everything(store: Store, clock: Clock, acm: Acm) -> None:
    acm.failing["SearchCertificates"] = "AccessDeniedException"
    acm.held = {A: ACME, B: RENEWED, C: Held(T0 + 60 * DAY)}
    for _ in range(2):
        acm.calls.clear()
        assert (await sync())["failing"] == []
        assert acm.calls["DescribeCertificate"] == 3
    assert {row.source_ref for row in rows(store).values()} == {B, C}


async def test_what_a_search_leaves_out_is_described(store: Store, clock: Clock, acm: Acm) -> None:
    """The list is the word on what there is."""
    acm.held = {A: ACME, B: Held(T0 + 60 * DAY)}
    acm.left_out = {A}
    for _ in range(2):
        await sync()
    assert {row.source_ref for row in rows(store).values()} == {A, B}


async def test_pages_are_followed(store: Store, clock: Clock, acm: Acm) -> None:
    acm.page = 2
    acm.held = {f"{PREFIX}{number}": Held(T0 + (60 + number) * DAY) for number in range(5)}
    await sync()
    assert (acm.calls["ListCertificates"], acm.calls["SearchCertificates"]) == (3, 3)
    assert len(rows(store)) == 5


async def test_users_are_shown_and_asked_for(store: Store, clock: Clock, acm: Acm) -> None:
    """`InUseBy` in the API, and as a filter."""
    acm.held = {A: Held(T0 + 60 * DAY, in_use_by=(BALANCER,)), B: Held(T0 + 60 * DAY)}
    await sync()
    in_use, unused = (read(f"{CERTIFICATES}?in_use={value}")["items"] for value in ("true", "false"))
    assert [(one["source_ref"], one["in_use_by"]) for one in in_use] == [(A, [BALANCER])]
    assert [(one["source_ref"], one["in_use_by"]) for one in unused] == [(B, [])]
    assert in_use[0]["expires_at"] == text_of(T0 + timedelta(days=60))
