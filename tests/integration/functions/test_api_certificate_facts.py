"""What certificates know of themselves, over HTTP: tags, keys, versions, issuers, and lists by all of them."""

import pytest

from tests.support.certificates import Authority, self_signed
from tests.support.functions import call
from tests.support.inventory import DAY, T0
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    IMPORT,
    an_id_in,
    body_of,
    created,
    delete,
    put,
    read,
    text_of,
    walked,
)
from tests.support.inventory_store import Store

pytestmark = pytest.mark.dynamodb_local

FAR = T0 + 5_000 * DAY
FACTS = {
    "environment": "production",
    "tags": {"cost-center": "1234", "pci": ""},
    "key_kind": "RSA",
    "key_size": 2048,
    "signature_algorithm": "SHA256-RSA",
    "issuer": "CN=R11,O=Let's Encrypt,C=US",
    "serial": "abc",
}


def test_what_is_said_is_shown_and_replaced(store: Store) -> None:
    """Contract 4.14 [T]: tags, environment, key and signature are taken, shown, and replaced as a whole."""
    answer = created(CERTIFICATES, **FACTS)
    assert {name: answer.json[name] for name in FACTS} == FACTS
    url = f"{CERTIFICATES}/{answer.json['id']}"
    assert {name: read(url)[name] for name in FACTS} == FACTS
    assert (answer.json["in_use_by"], answer.json["replaced_at"], answer.json["replaced_by"]) == ([], None, None)
    replaced = put(url, body_of(CERTIFICATES, tags={"pci": "yes"}, environment="staging"), answer.headers["etag"])
    assert (replaced.json["tags"], replaced.json["environment"]) == ({"pci": "yes"}, "staging")
    assert (replaced.json["key_size"], replaced.json["issuer_id"]) == (None, None)
    (line,) = read(f"{API}/audit-events?action=certificate_updated")["items"]
    assert line["detail"]["tags"] == "{'cost-center': '1234', 'pci': ''} -> {'pci': 'yes'}"


def test_whole_numbers_are_taken_however_json_writes_them(store: Store) -> None:
    assert created(CERTIFICATES, key_size=2048.0).json["key_size"] == 2048


def test_an_import_may_say_what_a_source_can_not(store: Store) -> None:
    """What a new one is given it keeps when it is renewed, whatever that import says."""
    authority, key = Authority(), self_signed().key
    first = call(
        "POST", IMPORT, {"pem": authority.issued(key=key).pem, "environment": "production", "tags": {"a": "b"}}
    )
    (one,) = first.json["items"]
    assert (one["certificate"]["environment"], one["certificate"]["tags"]) == ("production", {"a": "b"})
    assert (one["certificate"]["key_kind"], one["certificate"]["key_size"]) == ("EC", 256)
    again = call("POST", IMPORT, {"pem": authority.issued(key=key).pem, "environment": "staging"})
    (two,) = again.json["items"]
    assert two["certificate"]["id"] == one["certificate"]["id"]
    assert (two["certificate"]["environment"], two["certificate"]["tags"]) == ("production", {"a": "b"})


@pytest.fixture
def three(store: Store) -> dict[str, str]:
    """Three certificates; give their ids by name."""
    return {
        "rsa": an_id_in(CERTIFICATES, **FACTS | {"common_name": "rsa.example.com", "expires_at": text_of(FAR)}),
        "ec": an_id_in(
            CERTIFICATES,
            common_name="ec.example.com",
            names=["www.example.org"],
            key_kind="EC",
            key_size=256,
            tags={"team": "web", "pci": "yes"},
            issuer="Amazon",
            expires_at=text_of(FAR + DAY),
        ),
        "bare": an_id_in(CERTIFICATES, common_name="bare.example.com", expires_at=text_of(FAR + 2 * DAY)),
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("environment=production", ["rsa"]),
        ("tag=pci", ["rsa", "ec"]),
        ("tag=pci:yes", ["ec"]),
        ("tag=pci&tag=team:web", ["ec"]),
        ("tag=pci%3A", ["rsa"]),
        ("tag=cost-center:1234&tag=team", []),
        ("key_kind=rsa", ["rsa"]),
        ("key_size_below=2048", ["ec"]),
        ("key_kind=RSA&key_size_below=3072", ["rsa"]),
        ("signature_algorithm=SHA256-rsa", ["rsa"]),
        ("source=api", ["rsa", "ec", "bare"]),
        ("source=tls", []),
        ("name=EXAMPLE.ORG", ["ec"]),
        ("issuer_id=nobody", []),
    ],
)
def test_lists_by_what_is_known(three: dict[str, str], query: str, names: list[str]) -> None:
    """Contract 4.14 [T]: by each of them, page by page."""
    assert [one["id"] for one in walked(f"{CERTIFICATES}?{query}", 1)] == [three[name] for name in names]


def test_a_cursor_is_of_its_filters_alone(three: dict[str, str]) -> None:
    first = read(f"{CERTIFICATES}?tag=pci&limit=1")
    assert call("GET", f"{CERTIFICATES}?tag=team&limit=1&cursor={first['next_cursor']}").status == 400
    assert call("GET", f"{CERTIFICATES}?tag=pci&key_kind=EC&limit=1&cursor={first['next_cursor']}").status == 400


def test_issuers_lead_to_their_certificates(three: dict[str, str]) -> None:
    """Contract 4.14 [T]: who issued what is watched, how many, and what expires next."""
    first, second = walked(f"{API}/issuers", 1)
    assert (first["name"], first["certificates"], first["next_expiry"]) == (FACTS["issuer"], 1, text_of(FAR))
    assert (second["name"], second["certificates"]) == ("Amazon", 1)
    url = f"{CERTIFICATES}?issuer_id={second['id']}"
    (found,) = walked(url)
    assert (found["id"], found["issuer_id"]) == (three["ec"], second["id"])
    body = body_of(CERTIFICATES, issuer="Amazon", expires_at=text_of(FAR), archived_at=text_of(T0))
    assert put(f"{CERTIFICATES}/{three['ec']}", body).status == 200
    assert [one["certificates"] for one in walked(f"{API}/issuers")] == [1, 0]
    assert [one["status"] for one in walked(url)] == ["Archived"]
    assert walked(f"{url}&status=Active") == []


def test_the_versions_of_a_certificate(store: Store) -> None:
    """Contract 4.14 [T]: each certificate that was seen at its place, the one that came last first."""
    id_ = an_id_in(CERTIFICATES, **FACTS)
    url = f"{CERTIFICATES}/{id_}"
    renewed = FACTS | {"serial": "def", "expires_at": text_of(T0 + 135 * DAY)}
    assert put(url, body_of(CERTIFICATES, **renewed)).status == 200
    newest, first = walked(f"{url}/versions", 1)
    assert (newest["serial"], newest["times_seen"], newest["gone_at"]) == ("def", 1, None)
    assert (first["serial"], first["gone_at"]) == ("abc", newest["first_seen_at"])
    assert (first["issuer"], first["key_kind"], first["source"]) == (FACTS["issuer"], "RSA", "api")
    assert delete(url).status == 204
    assert call("GET", f"{url}/versions").status == 404


def test_a_cursor_of_versions_is_of_its_certificate(store: Store) -> None:
    ids = [an_id_in(CERTIFICATES, serial=serial) for serial in ("a", "b")]
    for id_ in ids:
        put(f"{CERTIFICATES}/{id_}", body_of(CERTIFICATES, serial=f"{id_[-3:]}f"))
    first = read(f"{CERTIFICATES}/{ids[0]}/versions?limit=1")
    assert call("GET", f"{CERTIFICATES}/{ids[1]}/versions?limit=1&cursor={first['next_cursor']}").status == 400
