"""Things of the inventory: written whole, changed under a condition, deleted only when nothing refers to them."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy, a_team, an_owner
from tests.support.inventory_store import Store
from tocsin.errors import (
    ConflictError,
    InUseError,
    MalformedRowError,
    NotFoundError,
    PreconditionFailedError,
)
from tocsin.inventory.audit import Action, Kind
from tocsin.inventory.certificate import Certificate, Source
from tocsin.inventory.policy import parse_policy

pytestmark = pytest.mark.dynamodb_local

WHOLE = a_certificate(
    names=("api.example.com", "*.example.com", "ünï.example"),
    serial="0a:1b",
    fingerprint_sha256="ab" * 32,
    issuer="CN=Example CA, O=Example",
    expires_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    owner_id="o1",
    team_id="t1",
    policy_id="p1",
    source=Source.TLS,
    source_ref="api.example.com:443",
    renewal_status="FAILED",
    chain_verified=False,
    archived_at=T0,
    revoked_at=T0,
)


def test_a_certificate_is_read_as_it_was_written(store: Store) -> None:
    """Contract 5 [S]: certificates have a service. Every field survives."""
    bare = a_certificate(id="bare", not_before=None)
    for certificate in (WHOLE, bare):
        written = store.add(certificate)
        assert store.inventory.certificates.get(certificate.id) == written
        assert store.inventory.certificates.read(certificate.id) == written


def test_policies_owners_and_teams_are_read_as_they_were_written(store: Store) -> None:
    """Contract 5 [S]: renewal policies, teams and owners have services."""
    policy = parse_policy(
        "p1",
        "ünï",
        T0,
        thresholds=[60, "33%", 0],
        severities={"33%": "critical"},
        channels={"critical": ["PagerDuty", "Email"], "warning": []},
        fallbacks={"PagerDuty": "Slack:payments"},
    )
    assert store.inventory.policies.read(store.add_policy(policy).id) == policy
    owner, team = an_owner(team_id="t1"), a_team()
    assert store.inventory.owners.read(store.add_owner(owner).id) == owner
    assert store.inventory.teams.read(store.add_team(team).id) == team


def test_what_is_not_there_is_not_found(store: Store) -> None:
    for shelf in (store.inventory.certificates, store.inventory.owners, store.inventory.policies):
        with pytest.raises(NotFoundError):
            shelf.get("nothing")
        with pytest.raises(NotFoundError):
            shelf.read("nothing")


def test_an_id_is_taken_once(store: Store) -> None:
    store.add(WHOLE)
    with pytest.raises(ConflictError):
        store.add(replace(WHOLE, common_name="another"))
    assert store.inventory.certificates.get(WHOLE.id).common_name == "api.example.com"
    assert len(store.events(Action.CERTIFICATE_CREATED)) == 1


def test_two_operators_cannot_overwrite_each_other_unseen(store: Store) -> None:
    """Issue 3: updates are conditional on the version that was read."""
    read = store.add(a_certificate())
    store.change(read, issuer="CN=One")
    mine = read.changed(replace(read, issuer="CN=Two"), T0)
    with pytest.raises(PreconditionFailedError):
        store.inventory.certificates.update(read, mine, store.said(Action.CERTIFICATE_UPDATED, read.id))
    with pytest.raises(PreconditionFailedError):
        store.inventory.certificates.delete(read, store.said(Action.CERTIFICATE_DELETED, read.id))
    now = store.inventory.certificates.get(read.id)
    assert (now.issuer, now.version, now.etag) == ("CN=One", 2, '"2"')
    assert len(store.events(Action.CERTIFICATE_UPDATED)) == 1


def test_of_many_writers_at_once_one_wins(store: Store) -> None:
    read = store.add(a_certificate(owner_id="o0"))

    def write(number: int) -> bool:
        after = read.changed(replace(read, owner_id=f"o{number}"), T0)
        try:
            store.inventory.certificates.update(read, after, store.said(Action.CERTIFICATE_UPDATED, read.id))
        except PreconditionFailedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(1, 17))) == 1
    assert counts(store) == {("owner", store.inventory.certificates.get(read.id).owner_id): 1}


def counts(store: Store) -> dict[tuple[str, str | None], int]:
    """Read all reference counts that are not 0."""
    found = (item for item in store.items("Inventory") if item["sk"]["S"] == "references")
    split = ((item["pk"]["S"].partition("#"), int(item["count"]["N"])) for item in found)
    return {(kind, id_): count for (kind, _, id_), count in split if count}


def test_what_is_referred_to_cannot_be_deleted(store: Store) -> None:
    """Issue 3: deleting what is still referred to is refused, with what refers to it."""
    store.add_owner(an_owner(team_id="t1"))
    store.add_team(a_team())
    store.add_policy(a_policy(30))
    certificate = store.add(a_certificate(id="c1", owner_id="o1", team_id="t1", policy_id="p1"))
    inventory = store.inventory
    said = store.said(Action.TEAM_DELETED, "t1", Kind.TEAM)
    with pytest.raises(InUseError) as owner:
        inventory.owners.delete(inventory.owners.get("o1"), said)
    with pytest.raises(InUseError) as team:
        inventory.teams.delete(inventory.teams.get("t1"), said)
    with pytest.raises(InUseError) as policy:
        inventory.policies.delete(inventory.policies.get("p1"), said)
    assert (owner.value.referrers, owner.value.count) == (("certificate/c1",), 1)
    assert (sorted(team.value.referrers), team.value.count) == (["certificate/c1", "owner/o1"], 2)
    assert policy.value.referrers == ("certificate/c1",)
    assert store.events(Action.TEAM_DELETED) == []
    inventory.certificates.delete(certificate, store.said(Action.CERTIFICATE_DELETED, "c1"))
    inventory.owners.delete(inventory.owners.get("o1"), store.said(Action.OWNER_DELETED, "o1", Kind.OWNER))
    inventory.teams.delete(inventory.teams.get("t1"), said)
    inventory.policies.delete(inventory.policies.get("p1"), store.said(Action.POLICY_DELETED, "p1", Kind.POLICY))
    assert counts(store) == {}
    with pytest.raises(NotFoundError):
        inventory.teams.get("t1")


def test_a_refusal_names_a_few_and_counts_all(store: Store) -> None:
    owner = store.add_owner()
    for number in range(12):
        store.add(a_certificate(id=f"c{number}", owner_id="o1"))
    with pytest.raises(InUseError) as refused:
        store.inventory.owners.delete(owner, store.said(Action.OWNER_DELETED, "o1", Kind.OWNER))
    assert (len(refused.value.referrers), refused.value.count) == (10, 12)
    assert "and 2 more" in str(refused.value)


def test_counts_are_those_of_the_references(store: Store) -> None:
    """After any changes, a count is what counting would give."""
    dice = random.Random(7)
    alive: dict[str, Certificate] = {}
    for step in range(60):
        id_ = f"c{dice.randrange(6)}"
        fields = {
            name: dice.choice([None, f"{name[0]}1", f"{name[0]}2"]) for name in ("owner_id", "team_id", "policy_id")
        }
        if id_ not in alive:
            alive[id_] = store.add(a_certificate(id=id_, **fields))
        elif step % 5 == 0:
            certificate = alive.pop(id_)
            store.inventory.certificates.delete(certificate, store.said(Action.CERTIFICATE_DELETED, id_))
        else:
            alive[id_] = store.change(alive[id_], **fields)
    kinds = {"owner_id": "owner", "team_id": "team", "policy_id": "renewal_policy"}
    expected = Counter(
        (kind, getattr(certificate, name))
        for certificate in alive.values()
        for name, kind in kinds.items()
        if getattr(certificate, name)
    )
    assert counts(store) == expected


def test_a_reference_that_comes_while_its_owner_is_deleted_is_never_lost_sight_of(store: Store) -> None:
    """Either the owner is gone and the certificate refers to nobody known, or the deletion is refused."""
    for number in range(10):
        owner = store.add_owner(an_owner(id=f"o{number}"))
        with ThreadPoolExecutor(2) as pool:
            added = pool.submit(store.add, a_certificate(id=f"c{number}", owner_id=owner.id))
            deleted = pool.submit(
                store.inventory.owners.delete, owner, store.said(Action.OWNER_DELETED, owner.id, Kind.OWNER)
            )
            added.result()
            refused = isinstance(deleted.exception(), InUseError)
        assert deleted.exception() is None or refused
        assert counts(store)["owner", owner.id] == 1


def test_a_change_that_does_not_mean_it_leaves_the_checks_time_alone(store: Store) -> None:
    """The check moves `due_at` without a new version; an operator's change must not put an older one back."""
    read = store.add(a_certificate())
    assert store.watchlist.look_again(read, T0 + 15 * DAY)
    after = read.changed(replace(read, renewal_status="PENDING_VALIDATION"), T0 + HOUR)
    store.inventory.certificates.update(read, after, store.said(Action.CERTIFICATE_UPDATED, read.id))
    now = store.inventory.certificates.get(read.id)
    assert (now.due_at, now.renewal_status) == (T0 + 15 * DAY, "PENDING_VALIDATION")
    assert not store.watchlist.look_again(read, None)  # the version that was read is no more


def test_a_broken_record_is_shown_but_not_acted_on_and_can_be_mended(store: Store) -> None:
    store.add_owner()
    store.client.update_item(
        TableName=store.names["Inventory"],
        Key={"pk": {"S": "owner#o1"}, "sk": {"S": "record"}},
        UpdateExpression="SET email = :x, created_at = :y",
        ExpressionAttributeValues={":x": {"N": "5"}, ":y": {"S": "yesterday"}},
    )
    with pytest.raises(MalformedRowError, match=r"created_at can't be read.*email can't be read"):
        store.inventory.owners.read("o1")
    shown = store.inventory.owners.get("o1")
    assert (shown.name, shown.email) == ("Ada", "")
    mended = shown.changed(replace(shown, email="ada@example.com"), T0)
    store.inventory.owners.update(shown, mended, store.said(Action.OWNER_UPDATED, "o1", Kind.OWNER))
    assert store.inventory.owners.read("o1").email == "ada@example.com"


def test_many_are_fetched_at_once(store: Store) -> None:
    store.stock(a_certificate(id=f"c{number:03}") for number in range(230))
    store.client.update_item(
        TableName=store.names["Inventory"],
        Key={"pk": {"S": "certificate#c007"}, "sk": {"S": "record"}},
        UpdateExpression="REMOVE expires_at",
    )
    found = store.inventory.certificates.fetch([f"c{number:03}" for number in range(300)])
    assert len(found.things) == 229
    assert list(found.broken) == ["c007"]


def test_a_certificate_comes_back_with_its_marks(store: Store) -> None:
    """Deleting a certificate keeps what was decided: the same one alerts only once a cycle."""
    store.add_owner()
    certificate = store.add(a_certificate(owner_id="o1"))
    store.now = T0 + 15 * DAY
    store.checked()
    current = store.inventory.certificates.get(certificate.id)
    store.inventory.certificates.delete(current, store.said(Action.CERTIFICATE_DELETED, certificate.id))
    assert store.indexed("due") == set()
    store.add(certificate)
    store.checked()
    assert store.tags() == ["30"]
