"""Rows of release 0.4.0 are written anew, once, by the expiry check, and nobody notices."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.database import counted_calls
from tests.support.earlier_release import RECORDED, plant_rows_of_0_4_0
from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tests.support.inventory_store import Store
from tests.support.rules import a_rule
from tocsin.errors import PreconditionFailedError
from tocsin.expiry.check import Checked, Seen
from tocsin.expiry.policy_changes import look_anew
from tocsin.expiry.stores import ChangedPolicy, Indexing
from tocsin.inventory.audit import Action
from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.storage.codec import from_timestamp
from tocsin.storage.inventory.indexing import IndexingTable
from tocsin.storage.inventory.issuers import Issuers
from tocsin.storage.inventory.items import CERTIFICATE
from tocsin.storage.inventory.pointers import Pointers
from tocsin.storage.inventory.watchlist import judging_anew
from tocsin.storage.transaction import commit

pytestmark = pytest.mark.dynamodb_local

CERTIFICATES = [item for item in RECORDED["Inventory"] if item["pk"]["S"].startswith("certificate#")]
RECORDS = {item["id"]["S"]: CERTIFICATE.decode(item) for item in CERTIFICATES if item["sk"]["S"] == "record"}


@pytest.fixture
def upgraded(store: Store) -> Store:
    """The tables as that release left them."""
    plant_rows_of_0_4_0(store)
    return store


def checked(store: Store, **given: Any) -> Checked:
    """Check once, as this release does."""
    indexer = IndexingTable(store.client, store.names["Inventory"], store.inventory.certificates)
    return store.checked(indexer=indexer, **given)


def current(store: Store) -> dict[str, Certificate]:
    return {id_: store.inventory.certificates.read(id_) for id_ in RECORDS}


def test_the_record_is_of_every_kind() -> None:
    """So that what these tests show is worth something."""
    sources = {certificate.source.value for certificate in RECORDS.values()}
    assert sources == {"api", "import", "acm", "tls"}
    assert all(certificate.indexed == 0 for certificate in RECORDS.values())
    assert {item["sk"]["S"].partition("#")[0] for item in RECORDED["Inventory"] if item["pk"]["S"] == "work"} == {
        "ended",
        "policy",
    }
    assert any(certificate.archived_at for certificate in RECORDS.values())
    assert any(certificate.revoked_at for certificate in RECORDS.values())


def test_all_are_written_anew_and_say_the_same(upgraded: Store) -> None:
    """Contract 4.14 [T]: no cycle begins, nobody is told of it, and only the version counts on."""
    store = upgraded
    store.checked()  # what that release left to do is done, and told
    before, alerts, trail = current(store), store.rows(), store.items("Audit")
    done = checked(store)
    assert done.counts[Seen.INDEXED] == len(RECORDS)
    assert done.counts[Seen.RAISED] == 0
    for id_, certificate in current(store).items():
        known = before[id_]
        assert certificate == replace(known, indexed=INDEXED, version=known.version + 1)
    assert store.rows() == alerts
    assert store.items("Audit") == trail


def test_what_leads_to_them_is_there(upgraded: Store) -> None:
    store = upgraded
    checked(store)
    pointers = Pointers(store.client, store.names["Inventory"])
    for id_, certificate in current(store).items():
        if certificate.identity:
            assert id_ in pointers.having(certificate.identity)
        (version,) = store.inventory.certificates.versions.of(certificate, 10, None).rows
        assert (version.first_seen_at, version.expires_at) == (certificate.watched_since, certificate.expires_at)
        assert (version.times_seen, version.gone_at) == (1, None)
    shop = [certificate for certificate in RECORDS.values() if certificate.serial == "a001"]
    assert {*pointers.having(shop[0].identity)} == {certificate.id for certificate in shop}
    live = [one for one in RECORDS.values() if one.is_watched and one.issuer]
    issuers = Issuers(store.client, store.names["Inventory"]).page(100, None, store.now).rows
    assert {one.name: one.live for one in issuers} == {
        name: sum(one.issuer == name for one in live) for name in {one.issuer for one in live}
    }


def test_it_is_done_once_and_costs_nothing_then(upgraded: Store) -> None:
    """Contract 4.14 [T]: the check that finds nothing more to write says so, and no later one asks."""
    store = upgraded
    written = []
    for _ in range(3):  # one that writes, one that finds nothing, one that does not look
        store.now += HOUR
        written.append(checked(store).counts[Seen.INDEXED])
    assert written == [len(RECORDS), 0, 0]
    store.now += HOUR
    with counted_calls(store.client) as calls:
        checked(store)
    store.now += HOUR
    with counted_calls(store.client) as without:
        store.checked()
    assert calls == without
    assert "Scan" not in calls


def test_what_the_earlier_release_writes_meanwhile_is_met_too(upgraded: Store) -> None:
    """While a stack is updated, functions of both releases run."""
    store = upgraded
    checked(store)
    store.stock([a_certificate(id="late", serial="1ate", expires_at=T0 + 300 * DAY)])
    store.now += HOUR
    assert checked(store).counts[Seen.INDEXED] == 1
    assert store.inventory.certificates.read("late").indexed == INDEXED
    store.now += HOUR
    assert checked(store).counts[Seen.INDEXED] == 0
    assert store.watchlist.left_over().indexing.is_done


def test_it_goes_on_where_time_ran_out(store: Store) -> None:
    store.stock(a_certificate(id=f"c{number:03}", due_at=None, serial=f"{number:x}") for number in range(250))
    indexer = IndexingTable(store.client, store.names["Inventory"], store.inventory.certificates)
    seen = []
    for _ in range(4):
        turns = iter([True, False])
        seen.append(indexer.go_on(store.watchlist.left_over().indexing, partial(next, turns)))
    assert seen == [100, 100, 50, 0]
    assert not store.watchlist.left_over().indexing.is_done
    assert indexer.go_on(store.watchlist.left_over().indexing, lambda: True) == 0
    assert store.watchlist.left_over().indexing == Indexing(is_done=True)


def test_alerts_come_first(upgraded: Store) -> None:
    """A check without time for what is due writes nothing anew."""
    done = checked(upgraded, seconds=5)
    assert (done.is_complete, done.counts[Seen.INDEXED]) == (False, 0)


def test_a_failure_of_it_fails_no_check(upgraded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store = upgraded
    expected = len(store.rows())
    with monkeypatch.context() as broken:
        broken.setattr(store.inventory.certificates, "index", lambda _certificate: 1 / 0)
        done = checked(store)
    assert (done.counts[Seen.FAILED], done.counts[Seen.INDEXED]) == (1, 0)
    assert len(store.rows()) == expected + done.counts[Seen.RAISED]
    assert checked(store).counts[Seen.INDEXED] == len(RECORDS)


def test_who_has_read_one_before_does_not_write_over_it(upgraded: Store) -> None:
    store = upgraded
    read = store.inventory.certificates.get("01JCERTAPI0000000000000001")
    assert store.inventory.certificates.index(read)
    assert not store.inventory.certificates.index(read)
    after = read.changed(replace(read, owner_id=None), store.now)
    with pytest.raises(PreconditionFailedError):
        store.inventory.certificates.update(read, after, store.said(Action.CERTIFICATE_UPDATED, read.id))


def test_one_that_can_t_be_read_stays_and_holds_up_nobody(upgraded: Store) -> None:
    store = upgraded
    store.client.update_item(
        TableName=store.names["Inventory"],
        Key={"pk": {"S": "certificate#01JCERTAPI0000000000000001"}, "sk": {"S": "record"}},
        UpdateExpression="SET expires_at = :broken",
        ExpressionAttributeValues={":broken": {"S": "soon"}},
    )
    assert checked(store).counts[Seen.INDEXED] == len(RECORDS) - 1
    store.now += HOUR
    assert checked(store).counts[Seen.INDEXED] == 0
    assert store.watchlist.left_over().indexing.is_done


def as_0_4_0_reads_it(item: dict[str, Any]) -> ChangedPolicy:
    """Read an item of what is left to a check as release 0.4.0 reads all that it does not know."""
    id_ = str(item["sk"]["S"]).partition("#")[2]
    return ChangedPolicy(id_, from_timestamp(item["changed_at"]["S"]), item.get("last_key", {}).get("S"))


def test_a_stack_that_goes_back_goes_on_and_does_it_again_when_it_comes_back(store: Store) -> None:
    """Release 0.4.0 takes what it does not know for policies without certificates, and forgets them."""
    indexer = IndexingTable(store.client, store.names["Inventory"], store.inventory.certificates)
    indexer.go_on(Indexing(), lambda: True)
    commit(store.client, [judging_anew(store.names["Inventory"], a_rule("RequiredMetadata", {"owner": True}))])
    left_over = store.watchlist.left_over()
    assert (left_over.indexing.is_done, left_over.changed) == (True, ())
    work = [item for item in store.items("Inventory") if item["pk"]["S"] == "work"]
    assert len(work) == 2
    for item in work:
        assert look_anew(store.watchlist, as_0_4_0_reads_it(item), store.now, lambda: True) == 0
    assert [item for item in store.items("Inventory") if item["pk"]["S"] == "work"] == []
    assert store.watchlist.left_over().indexing == Indexing()


def test_a_renewal_of_a_row_that_is_not_written_anew_yet_keeps_what_was_there(upgraded: Store) -> None:
    store = upgraded
    vpn = next(one for one in RECORDS.values() if one.serial == "c001")
    after = store.change(vpn, serial="c002", fingerprint_sha256="c002" * 16, expires_at=T0 + 150 * DAY)
    newest, first = store.inventory.certificates.versions.of(after, 10, None).rows
    assert (newest.serial, newest.first_seen_at, newest.gone_at) == ("c002", store.now, None)
    assert (first.serial, first.first_seen_at, first.gone_at) == ("c001", vpn.watched_since, store.now)
    assert (first.issuer, first.expires_at, first.times_seen) == (vpn.issuer, vpn.expires_at, 1)
