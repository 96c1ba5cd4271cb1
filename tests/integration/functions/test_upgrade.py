"""Rows of the release before this one are read, alerted, renewed and deleted correctly, by the real functions.

They are recorded (`tests/support/rows_of_0_4_0.json`), among them the work that a killed worker of that release left.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.earlier_release import RECORDED, UPGRADED_AT, plant_rows_of_0_4_0
from tests.support.engine import Bench, Clock, FakeSender
from tests.support.functions import Answer, call
from tests.support.inventory import DAY, HOUR, T0
from tests.support.inventory_api import CERTIFICATES, OWNERS, POLICIES, TEAMS, check, delete, put, read, text_of, walked
from tests.support.inventory_store import Store
from tocsin.bootstrap import inventory
from tocsin.delivery.notification import Status
from tocsin.expiry.still_true import reviewer
from tocsin.inventory.certificate import Certificate, Source
from tocsin.sources.intake import Result, ingest
from tocsin.sources.observed import ObservedCertificate
from tocsin.storage.inventory.pointers import Pointers

pytestmark = pytest.mark.dynamodb_local
TOLD = frozenset(item["id"]["S"] for item in RECORDED["Notifications"])
"""What was told before the upgrade."""


@pytest.fixture(autouse=True)
def upgraded(store: Store, clock: Clock) -> None:
    """Begin with what that release left, an hour after it stopped."""
    plant_rows_of_0_4_0(store)
    clock.now = UPGRADED_AT


def named(store: Store, name: str, source: Source) -> Certificate:
    """Read a certificate as it is now."""
    rows = (store.inventory.certificates.get(row["id"]) for row in walked(CERTIFICATES, 100))
    (found,) = (row for row in rows if (row.common_name, row.source) == (name, source))
    return found


def sight_of(certificate: Certificate, **fields: Any) -> ObservedCertificate:
    """Give what its source sees of it now, with what this release reads beside."""
    same = ("source", "source_ref", "common_name", "names", "issuer", "serial", "fingerprint_sha256", "not_before")
    facts = {name: getattr(certificate, name) for name in (*same, "expires_at", "renewal_status", "revoked_at")}
    problem = None if certificate.chain_verified else certificate.chain_problem
    return ObservedCertificate(**(facts | {"chain_problem": problem, "key_kind": "RSA", "key_size": 2048} | fields))


def new_alerts(store: Store) -> Counter[tuple[str, str]]:
    """Name what was told since the upgrade: (certificate, what about)."""
    told: Counter[tuple[str, str]] = Counter()
    for row in store.rows():
        if row.id not in TOLD:
            name = store.inventory.certificates.get(row.certificate_id or "").common_name
            tag = row.message.partition("[threshold:")[2].partition("]")[0]
            told[name, tag or row.type] += 1
    return told


def test_everything_is_read(store: Store) -> None:
    """Each record and each list, marks and explanations: as that release wrote them."""
    records = [item["pk"]["S"] for item in RECORDED["Inventory"] if item["sk"]["S"] == "record"]
    recorded = Counter(key.partition("#")[0] for key in records)
    kinds = {CERTIFICATES: "certificate", POLICIES: "renewal_policy", OWNERS: "owner", TEAMS: "team"}
    for collection, kind in kinds.items():
        rows = walked(collection, 5)
        assert len(rows) == recorded[kind]
        for row in rows:
            assert read(f"{collection}/{row['id']}") == row
    for row in walked(CERTIFICATES, 5):
        assert read(f"{CERTIFICATES}/{row['id']}/explain")["summary"]
        assert {one["type"] for one in read(f"{CERTIFICATES}/{row['id']}/notifications")["items"]} <= {
            "ExpirationWarning"
        }


def test_what_was_told_is_not_told_again_and_interrupted_work_is_finished(store: Store) -> None:
    """The first check: a policy that had changed, a cycle whose end was interrupted, nobody to write to."""
    counts = check()
    assert new_alerts(store) == {("vpn.example.com", "90"): 1}  # its policy has a threshold of 90 days since an hour
    assert (counts["ended_again"], counts["policy_changed"], counts["no_recipient"]) == (1, 1, 1)
    ended = [row.id for row in store.rows() if row.status is Status.SUPERSEDED]
    old = named(store, "old.example.com", Source.TLS)
    assert [store.notifications.get(id_).certificate_id for id_ in ended] == [old.id]
    assert check()["raised"] == 0


def test_the_next_days_bring_what_is_due_each_once(store: Store, clock: Clock) -> None:
    """Contract 4.3 [T]: an alert's id is what it was, so a threshold that was told stays told."""
    while clock.now < T0 + 60 * DAY:
        check()
        clock.forward(hours=12)
    assert new_alerts(store) == {
        ("by-hand.example.com", "0"): 1,
        ("dead-policy.example.com", "14"): 1,
        ("dead-policy.example.com", "7"): 1,
        ("dead-policy.example.com", "0"): 1,
        ("shop.example.com", "7"): 2,  # of two rows: an endpoint and an ARN
        ("shop.example.com", "0"): 4,  # each by e-mail and PagerDuty
        ("old.example.com", "30"): 1,
        ("later.example.com", "30"): 1,
        ("later.example.com", "14"): 2,
        ("later.example.com", "7"): 1,
        ("later.example.com", "0"): 2,
        ("api.example.com", "14"): 2,
        ("api.example.com", "7"): 1,
        ("api.example.com", "0"): 2,
        ("cdn.example.com", "0"): 2,
        ("vpn.example.com", "90"): 1,
        ("vpn.example.com", "7"): 1,
    }


def test_a_sight_that_says_nothing_new_writes_a_row_once(store: Store, clock: Clock) -> None:
    """With what leads to it; its alerts stand."""
    before = named(store, "shop.example.com", Source.ACM)
    seen = sight_of(before)
    assert ingest(inventory.lifecycle(), seen, "source_sync", clock.now)[0] is Result.CHANGED
    assert ingest(inventory.lifecycle(), seen, "source_sync", clock.now + HOUR)[0] is Result.UNCHANGED
    assert Pointers(store.client, store.names["Inventory"]).having(before.identity) == [before.id]
    check()
    assert new_alerts(store)["shop.example.com", "RenewalSuccess"] == 0
    assert {row.status for row in store.rows() if row.certificate_id == before.id} == {Status.PENDING}


def test_a_renewal_that_had_failed_before_the_upgrade_is_told_of_once(store: Store, clock: Clock) -> None:
    """That release knew, and had no way to say it. It is still so, and time runs out."""
    failed = named(store, "api.example.com", Source.ACM)
    for _ in range(3):
        ingest(inventory.lifecycle(), sight_of(failed), "source_sync", clock.now)
        check()
        clock.forward(hours=1)
    assert new_alerts(store)["api.example.com", "RenewalFailure"] == 2  # critical: e-mail and PagerDuty


def test_a_revocation_of_long_ago_is_not_news(store: Store, clock: Clock) -> None:
    """Who upgrades is not told of everything that was ever revoked."""
    gone = named(store, "gone.example.com", Source.ACM)
    ingest(inventory.lifecycle(), sight_of(gone), "source_sync", clock.now)
    check()
    assert new_alerts(store)["gone.example.com", "Revocation"] == 0


def test_a_renewal_ends_the_alerts_of_that_release_and_is_told(store: Store, clock: Clock) -> None:
    """Contract 4.9 [T]: also of a row that nobody has written since."""
    before = named(store, "shop.example.com", Source.TLS)
    seen = sight_of(before, serial="a009", not_before=clock.now, expires_at=clock.now + 90 * DAY)
    assert ingest(inventory.lifecycle(), seen, "source_sync", clock.now)[0] is Result.RENEWED
    assert {row.status for row in store.rows() if row.certificate_id == before.id} == {Status.SUPERSEDED}
    check()
    assert new_alerts(store)["shop.example.com", "RenewalSuccess"] == 1
    after = store.inventory.certificates.get(before.id)
    having = Pointers(store.client, store.names["Inventory"]).having
    assert before.id not in having(before.identity)
    assert having(after.identity) == [before.id]
    assert (after.owner_id, after.policy_id, after.renewed_from) == ("o1", "p1", before.identity)


@contextmanager
def counted(store: Store) -> Iterator[dict[str, Any]]:
    """Say by how much the counts of references changed."""

    def counts() -> Counter[str]:
        items = (item for item in store.items("Inventory") if item["sk"]["S"] == "references")
        return Counter({item["pk"]["S"]: int(item["count"]["N"]) for item in items})

    before, changed = counts(), dict[str, Any]()
    yield changed
    after = counts()
    changed |= {key: after[key] - before[key] for key in before | after if after[key] != before[key]}


def changed(id_: str, **fields: Any) -> Answer:
    """Change a certificate as an operator does, who sends back what was read."""
    shown = read(f"{CERTIFICATES}/{id_}")
    names = ("common_name", "names", "serial", "issuer", "fingerprint_sha256", "owner_id", "team_id", "policy_id")
    body = {name: shown[name] for name in (*names, "expires_at", "not_before", "archived_at")} | fields
    return put(f"{CERTIFICATES}/{id_}", body)


def test_an_operator_changes_archives_and_deletes_them(store: Store, clock: Clock) -> None:
    """Their alerts end, and what refers to owners and policies is still counted right."""
    shop, expired = named(store, "shop.example.com", Source.TLS), named(store, "expired.example.com", Source.API)
    with counted(store) as counts:
        assert changed(shop.id, owner_id=None).status == 200
        assert changed(shop.id, archived_at=text_of(clock.now)).status == 200
        assert delete(f"{CERTIFICATES}/{expired.id}").status == 204
    assert counts == {"owner#o1": -2, "renewal_policy#p1": -1}
    ended = {row.certificate_id for row in store.rows() if row.status is Status.SUPERSEDED}
    assert ended == {shop.id, expired.id}
    assert call("GET", f"{CERTIFICATES}/{expired.id}").status == 404
    assert not [item for item in store.items("Inventory") if item["sk"] == {"S": expired.id}]


async def test_the_notifications_of_that_release_are_delivered(store: Store, clock: Clock) -> None:
    """In words that are true now; but not the one whose cycle is over."""
    old = named(store, "old.example.com", Source.TLS)
    sender = FakeSender()
    bench = Bench(store.notifications, clock, review=reviewer(store.alerts, clock))
    rows = store.rows()
    await bench.run(rows, sender)
    after = {row.id: row for row in store.rows()}
    assert sorted(sender.got) == sorted(row.id for row in rows if row.certificate_id != old.id)
    assert {after[id_].status for id_ in sender.got} == {Status.SENT}
    assert {after[row.id].status for row in rows if row.certificate_id == old.id} == {Status.SUPERSEDED}
    (by_hand,) = (row for row in after.values() if "by-hand" in row.message)
    assert "expires in 2 days 21 hours" in by_hand.message
