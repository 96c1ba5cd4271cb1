"""Lists of certificates by what is known of them, their versions and their issuers, against a model in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import combinations, product
from random import Random
from typing import Any

import pytest

from tests.support.database import counted_calls
from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tests.support.inventory_store import Store
from tocsin.inventory.audit import Action
from tocsin.inventory.certificate import Certificate, CertificateStatus, Source
from tocsin.inventory.filters import CertificateFilters
from tocsin.inventory.issuer import issuer_id
from tocsin.inventory.version import CertificateVersion
from tocsin.storage.inventory.issuers import Issuers
from tocsin.storage.inventory.items import LIVE, state_of
from tocsin.storage.paging import Page

pytestmark = pytest.mark.dynamodb_local

ISSUERS = ("", "Amazon", "CN=R11,O=Let's Encrypt,C=US", "CN=Corporate CA")
KEYS = (("", None, ""), ("RSA", 1024, "SHA1-RSA"), ("RSA", 2048, "SHA256-RSA"), ("EC", 256, "SHA384-EC"))
TAGS: tuple[dict[str, str], ...] = ({}, {"pci": ""}, {"team": "web", "a:b": "c"}, {"team": "shop", "pci": "yes"})
SOURCES = (Source.API, Source.ACM, Source.TLS)
STATES: tuple[dict[str, Any], ...] = ({}, {}, {}, {"archived_at": T0}, {"revoked_at": T0}, {"replaced_at": T0})


def everything() -> Iterator[Certificate]:
    """Make 72 certificates in which every value of every fact occurs with many of the others."""
    chance = Random(10)
    for number in range(72):
        key_kind, key_size, signature = KEYS[number % 4]
        yield a_certificate(
            id=f"c{chance.randrange(10**6):06}",
            common_name=f"host{number % 7}.example.com",
            names=(f"Www{number % 5}.example.org",),
            expires_at=T0 + (number * 7 % 72) * DAY,
            serial=f"{number:x}",
            issuer=chance.choice(ISSUERS),
            environment=chance.choice(("", "production", "staging")),
            tags=chance.choice(TAGS),
            source=chance.choice(SOURCES),
            owner_id=chance.choice((None, "o1")),
            key_kind=key_kind,
            key_size=key_size,
            signature_algorithm=signature,
            in_use_by=("arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/web/1",) if number % 3 == 0 else (),
            **chance.choice(STATES),
        )


def every(turn: Callable[[str | None], Page[Any]]) -> list[Any]:
    """Turn all pages."""
    rows: list[Any] = []
    after: str | None = None
    while True:
        page = turn(after)
        rows += page.rows
        after = page.after
        if after is None:
            return rows


def listed(store: Store, filters: CertificateFilters, limit: int) -> list[str]:
    found = every(lambda after: store.lists.certificates(filters, limit, after, store.now, lambda _: ()))
    return [certificate.id for certificate in found]


def is_wanted(one: Certificate, said: dict[str, Any], now: datetime) -> bool:
    """Say by the words of docs/api.md whether a certificate is wanted."""
    tests: dict[str, Callable[[Any], bool]] = {
        "environment": lambda value: one.environment == value,
        "tags": lambda tags: all(
            tag in one.tags or any(tag == f"{key}:{value}" for key, value in one.tags.items()) for tag in tags
        ),
        "key_kind": lambda value: one.key_kind.lower() == value.lower(),
        "key_size_below": lambda bits: one.key_size is not None and one.key_size < bits,
        "signature_algorithm": lambda value: one.signature_algorithm.lower() == value.lower(),
        "issuer_id": lambda value: one.issuer != "" and issuer_id(one.issuer) == value,
        "source": lambda value: one.source is value,
        "in_use": lambda value: bool(one.in_use_by) is value,
        "name": lambda part: part.lower() in f"{one.common_name} {' '.join(one.names)}".lower(),
        "owner_id": lambda value: one.owner_id == value,
        "expires_before": lambda at: one.expires_at < at,
        "status": lambda value: one.status(now, ()) is value,
    }
    return all(tests[name](value) for name, value in said.items())


ONE_BY_ONE: dict[str, tuple[Any, ...]] = {
    "environment": ("production", "Production", "nowhere"),
    "tags": (("pci",), ("team:web",), ("a:b:c",), ("a:b",), ("team", "pci"), ("pci:",), ("team:web", "pci"), ("none",)),
    "key_kind": ("rsa", "EC", "Ed25519"),
    "key_size_below": (1, 1024, 2048, 2049),
    "signature_algorithm": ("sha1-rsa", "SHA384-EC"),
    "issuer_id": (*(issuer_id(name) for name in ISSUERS[1:]), "nobody"),
    "source": SOURCES,
    "in_use": (True, False),
    "name": ("HOST3", "www4.example.ORG", "example", "*"),
    "owner_id": ("o1",),
    "expires_before": (T0 + 30 * DAY,),
    "status": tuple(CertificateStatus),
}
PAIRS: list[dict[str, Any]] = [
    {first: one, second: other}
    for first, second in combinations(ONE_BY_ONE, 2)
    for one, other in product(ONE_BY_ONE[first], ONE_BY_ONE[second])
]
CASES: list[dict[str, Any]] = [
    {},
    *({name: values[0]} for name, values in ONE_BY_ONE.items()),
    {"environment": "production", "tags": ("pci", "team"), "name": "host"},
    {"issuer_id": issuer_id("Amazon"), "key_kind": "RSA", "key_size_below": 2048},
    {"issuer_id": issuer_id("Amazon"), "owner_id": "o1"},
    {"issuer_id": issuer_id("Amazon"), "expires_before": T0 + 30 * DAY},
    {"issuer_id": "nobody"},
    {"issuer_id": issuer_id("Amazon"), "status": CertificateStatus.ARCHIVED},
    {"issuer_id": issuer_id("Amazon"), "status": CertificateStatus.REVOKED},
    {"issuer_id": issuer_id("Amazon"), "status": CertificateStatus.REPLACED},
    {"issuer_id": issuer_id("Amazon"), "status": CertificateStatus.EXPIRED},
]


@pytest.mark.timeout(300)
def test_certificates_are_listed_by_all_that_is_known_of_them(store: Store) -> None:
    """Contract 4.14 [T]: each filter, and some together, give what the model gives, at any size of page."""
    store.now = T0 + 20 * DAY
    model = sorted((store.add(one) for one in everything()), key=lambda one: (one.expires_at, one.id))
    with counted_calls(store.client) as calls:
        for said in CASES:
            expected = [one.id for one in model if is_wanted(one, said, store.now)]
            filters = CertificateFilters(**said)
            assert listed(store, filters, 100) == expected, said
            assert listed(store, filters, 20) == expected, said
    assert calls.keys() == {"Query", "BatchGetItem"}


def test_each_filter_alone_and_with_each_other_one_wants_what_the_model_wants() -> None:
    """Contract 4.14 [T]: 700 combinations; each has a name of its own in cursors."""
    now = T0 + 20 * DAY
    singly = [{name: value} for name, values in ONE_BY_ONE.items() for value in values]
    model = [*everything()]
    for said in (*singly, *PAIRS):
        filters = CertificateFilters(**said)
        assert [one.id for one in model if filters.match(one, now, lambda _: ())] == [
            one.id for one in model if is_wanted(one, said, now)
        ], said
    assert len({CertificateFilters(**said).digest for said in (*singly, *PAIRS)}) == len(singly) + len(PAIRS) > 700


def test_tags_in_another_order_are_the_same_list() -> None:
    one, other = CertificateFilters(tags=("a", "b")), CertificateFilters(tags=("b", "a", "b"))
    assert one.digest == other.digest != CertificateFilters(tags=("a",)).digest


def test_a_page_of_large_certificates_ends_before_lambda_refuses_it(store: Store) -> None:
    """Fifty tags, a hundred names and twenty users of four bytes a character: a hundred such rows are over 6 MB."""
    large = a_certificate(
        names=tuple(f"{number:02}" + "東" * 250 for number in range(100)),
        tags={f"{number:02}" + "k" * 126: "東" * 256 for number in range(50)},
        in_use_by=tuple(f"{number:02}" + "x" * 1_000 for number in range(20)),
    )
    store.stock(replace(large, id=f"c{number:02}") for number in range(60))
    first = store.lists.certificates(CertificateFilters(), 100, None, T0, lambda _: ())
    assert 1 < len(first.rows) < 60
    assert listed(store, CertificateFilters(), 100) == [f"c{number:02}" for number in range(60)]


# ── Issuers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def issuers(store: Store, limit: int = 2) -> dict[str, tuple[int, datetime | None]]:
    """Give the count and the next expiry of each issuer by its name."""
    table = Issuers(store.client, store.names["Inventory"])
    found = every(lambda after: table.page(limit, after, store.now))
    return {issuer.name: (issuer.live, issuer.next_expiry) for issuer in found}


def counted(certificates: Sequence[Certificate], now: datetime) -> dict[str, tuple[int, datetime | None]]:
    """Say what the issuers of these are."""
    live = [one for one in certificates if state_of(one) == LIVE and one.issuer]
    return {
        name: (
            sum(one.issuer == name for one in live),
            min((one.expires_at for one in live if one.issuer == name and one.expires_at > now), default=None),
        )
        for name in {one.issuer for one in live}
    }


def test_issuers_are_counted_as_their_certificates_live(store: Store) -> None:
    """Contract 4.14 [T]: an issuer's count and its next expiry follow every change of its certificates."""
    store.now = T0 + 20 * DAY
    kept = {one.id: store.add(one) for one in everything()}
    assert issuers(store) == counted([*kept.values()], store.now)
    chance = Random(7)
    changes: tuple[dict[str, Any], ...] = (
        {"archived_at": T0},
        {"archived_at": None, "revoked_at": None, "replaced_at": None},
        {"issuer": "CN=Corporate CA"},
        {"issuer": ""},
        {"issuer": "CN=A new one", "expires_at": T0 + 300 * DAY},
        {"expires_at": T0 + 200 * DAY, "serial": "fff"},
        {"environment": "elsewhere"},
    )
    names = set(issuers(store))
    for id_ in list(kept):
        kept[id_] = store.change(kept[id_], **chance.choice(changes))
        if chance.random() < 0.2:
            store.inventory.certificates.delete(kept[id_], store.said(Action.CERTIFICATE_DELETED, id_))
            del kept[id_]
    names |= {"CN=A new one"}
    expected = counted([*kept.values()], store.now)
    assert issuers(store) == {name: expected.get(name, (0, None)) for name in names}
    for id_, one in kept.items():
        store.inventory.certificates.delete(one, store.said(Action.CERTIFICATE_DELETED, id_))
    assert issuers(store) == dict.fromkeys(names, (0, None))
    pointers = [item["pk"]["S"] for item in store.items("Inventory") if item["pk"]["S"].startswith("issuer#")]
    assert {pk.count("#") for pk in pointers} == {1}  # their records alone


def test_issuers_are_listed_as_they_were_first_seen(store: Store) -> None:
    for number, name in enumerate(("CN=Z", "Amazon", "CN=M")):
        store.now = T0 + number * HOUR
        store.add(a_certificate(id=f"c{number}", issuer=name))
        store.add(a_certificate(id=f"d{number}", issuer="CN=Z"))
    assert list(issuers(store)) == ["CN=Z", "Amazon", "CN=M"]
    found = every(lambda after: Issuers(store.client, store.names["Inventory"]).page(1, after, store.now))
    assert [one.created_at for one in found] == [T0, T0 + HOUR, T0 + 2 * HOUR]
    assert [one.id for one in found] == [issuer_id(one.name) for one in found]


# ── Versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

A = {"serial": "aa", "fingerprint_sha256": "a" * 64, "expires_at": T0 + 45 * DAY, "issuer": "CN=CA 1"}
B = {"serial": "bb", "fingerprint_sha256": "b" * 64, "expires_at": T0 + 90 * DAY, "issuer": "CN=CA 2", "key_size": 384}


def versions(store: Store, certificate: Certificate, limit: int = 1) -> list[CertificateVersion]:
    read = store.inventory.certificates.versions
    return every(lambda after: read.of(store.inventory.certificates.get(certificate.id), limit, after))


def test_an_endpoint_that_flaps_has_two_versions(store: Store) -> None:
    """Contract 4.14 [T]: each certificate that was seen at a place is one version, however often it comes and goes."""
    certificate = store.add(a_certificate(source=Source.TLS, source_ref="api.example.com:443", **A))
    for number in range(1, 21):
        store.now = T0 + number * HOUR
        certificate = store.change(certificate, **(B if number % 2 else A))
    first, second = versions(store, certificate)
    assert (first.serial, first.times_seen, first.gone_at) == ("aa", 11, None)
    assert (first.first_seen_at, first.last_seen_at) == (T0, T0 + 20 * HOUR)
    assert (second.serial, second.times_seen, second.gone_at) == ("bb", 10, T0 + 20 * HOUR)
    assert (second.first_seen_at, second.last_seen_at) == (T0 + HOUR, T0 + 19 * HOUR)
    assert (second.issuer, second.key_size, second.expires_at) == ("CN=CA 2", 384, T0 + 90 * DAY)
    assert (second.source, second.source_ref) == (Source.TLS, "api.example.com:443")
    items = [item for item in store.items("Inventory") if item["sk"]["S"].startswith("version#")]
    assert len(items) == 2


def test_what_an_operator_says_is_no_version(store: Store) -> None:
    certificate = store.add(a_certificate(**A))
    store.now = T0 + HOUR
    certificate = store.change(certificate, owner_id="o1", tags={"a": "b"}, archived_at=T0)
    (only,) = versions(store, certificate)
    assert (only.last_seen_at, only.times_seen) == (T0, 1)
    certificate = store.change(certificate, key_size=256)
    (only,) = versions(store, certificate)
    assert (only.key_size, only.last_seen_at, only.times_seen) == (256, T0 + HOUR, 1)
    certificate = store.change(certificate, key_size=None)
    assert versions(store, certificate)[0].key_size is None


@pytest.mark.parametrize(
    "fields",
    [
        {"serial": "", "fingerprint_sha256": "f" * 64},
        {"serial": "", "fingerprint_sha256": ""},
    ],
    ids=["a fingerprint alone", "an expiry alone"],
)
def test_a_certificate_of_which_little_is_known_has_versions_too(store: Store, fields: dict[str, Any]) -> None:
    certificate = store.add(a_certificate(**A | fields))
    other = {"fingerprint_sha256": "e" * 64} if fields["fingerprint_sha256"] else {"expires_at": T0 + 300 * DAY}
    store.now = T0 + HOUR
    certificate = store.change(certificate, **other)
    assert [one.gone_at for one in versions(store, certificate)] == [None, T0 + HOUR]


def test_the_versions_of_a_certificate_go_with_it(store: Store) -> None:
    """Contract 4.14 [T]: one that is deleted, and found again under its id, begins anew."""
    certificate = store.add(a_certificate(**A))
    for number in range(1, 130):
        store.now = T0 + number * HOUR
        certificate = store.change(certificate, serial=f"{number:x}")
    assert len(versions(store, certificate, 100)) == 130
    deleted = store.said(Action.CERTIFICATE_DELETED, certificate.id)
    store.inventory.certificates.delete(certificate, deleted)
    assert not [item for item in store.items("Inventory") if item["sk"]["S"].startswith("version#")]


def test_what_a_crash_leaves_of_a_deleted_certificate_is_nobodys(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    records = store.inventory.certificates
    certificate = store.add(a_certificate(**A))
    with monkeypatch.context() as killed:
        killed.setattr(records.versions, "forget", lambda _certificate: None)
        records.delete(certificate, store.said(Action.CERTIFICATE_DELETED, certificate.id))
    store.now = T0 + HOUR
    again = store.add(replace(a_certificate(**A), created_at=store.now))
    (only,) = versions(store, again)
    assert (only.first_seen_at, only.times_seen) == (T0 + HOUR, 1)
