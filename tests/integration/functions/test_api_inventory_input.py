"""Issue 3, "Bad input gets": 422 naming the field, and nothing written; never a 500, whatever comes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.certificates import self_signed
from tests.support.functions import Answer, call
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    COLLECTIONS,
    IMPORT,
    OWNERS,
    POLICIES,
    TEAMS,
    body_of,
    created,
    put,
    unchanged_by,
    written,
)
from tests.support.inventory_store import Store

pytestmark = pytest.mark.dynamodb_local

A_MEGABYTE = "x" * 1_048_576
PEM = self_signed().pem
SPAN = {"start": "2026-03-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}


@pytest.fixture(scope="module")
def ids(shared_store: Store) -> dict[str, str]:
    """Give one thing of each kind."""
    return {collection: created(collection).json["id"] for collection in COLLECTIONS}


@pytest.fixture
def nothing_is_written(shared_store: Store, ids: dict[str, str]) -> Iterator[None]:
    """Compare everything stored before and after."""
    before = written(shared_store)
    yield
    assert written(shared_store) == before


def assert_names(answer: Answer, field: str) -> None:
    """Let it be a 422 that names this one field."""
    assert answer.status == 422, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.fields == {field}, answer.body


def thresholds(*values: object) -> dict[str, object]:
    return {"alert_thresholds_days": list(values)}


POLICY_BODIES: dict[str, tuple[dict[str, object], str]] = {
    "negative": (thresholds(30, -1), "alert_thresholds_days.1"),
    "over 3650": (thresholds(3651), "alert_thresholds_days.0"),
    "over all": (thresholds(10**400), "alert_thresholds_days.0"),
    "repeated": (thresholds(30, 14, 30), "alert_thresholds_days.2"),
    "repeated in another form": (thresholds(30, 30.0), "alert_thresholds_days.1"),
    "repeated percent": (thresholds("33%", "33%"), "alert_thresholds_days.1"),
    "text": (thresholds("thirty"), "alert_thresholds_days.0"),
    "text of digits": (thresholds("30"), "alert_thresholds_days.0"),
    "null": (thresholds(30, None), "alert_thresholds_days.1"),
    "true": (thresholds(True), "alert_thresholds_days.0"),
    "half a day": (thresholds(0.5), "alert_thresholds_days.0"),
    "a list in the list": (thresholds([30]), "alert_thresholds_days.0"),
    "an object in the list": (thresholds({"days": 30}), "alert_thresholds_days.0"),
    "no list": ({"alert_thresholds_days": 30}, "alert_thresholds_days"),
    "0%": (thresholds("0%"), "alert_thresholds_days.0"),
    "101%": (thresholds("101%"), "alert_thresholds_days.0"),
    "-1%": (thresholds("-1%"), "alert_thresholds_days.0"),
    "half a percent": (thresholds("0.5%"), "alert_thresholds_days.0"),
    "33 of a thousand": (thresholds("33‰"), "alert_thresholds_days.0"),
    "other digits": (thresholds("\uff13\uff13%"), "alert_thresholds_days.0"),
    "too many": (thresholds(*range(33)), "alert_thresholds_days"),
    "unknown severity": ({"severities": {"30": "apocalyptic"}}, "severities.30"),
    "severity of no threshold": ({"severities": {"soon": "warning"}}, "severities.soon"),
    "severity of the wrong kind": ({"severities": {"30": 1}}, "severities.30"),
    "route of an unknown severity": ({"channels": {"apocalyptic": ["Email"]}}, "channels.apocalyptic"),
    "route to an unknown channel": ({"channels": {"warning": ["Email", "Fax"]}}, "channels.warning.1"),
    "route in the wrong case": ({"channels": {"warning": ["email"]}}, "channels.warning.0"),
    "route twice to a channel": ({"channels": {"warning": ["Email", "Email"]}}, "channels.warning.1"),
    "route that is no list": ({"channels": {"warning": "Email"}}, "channels.warning"),
    "fallback of an unknown channel": ({"fallbacks": {"Fax": "Email"}}, "fallbacks.Fax"),
    "fallback to an unknown channel": ({"fallbacks": {"Slack": "Fax"}}, "fallbacks.Slack"),
    "fallback to itself": ({"fallbacks": {"Slack:a": "Slack:a"}}, "fallbacks.Slack:a"),
    "fallback that is no text": ({"fallbacks": {"Slack": ["Email"]}}, "fallbacks.Slack"),
    "fallbacks that are no mapping": ({"fallbacks": ["Slack"]}, "fallbacks"),
    "no name": ({"name": ""}, "name"),
    "a name of 1 MB": ({"name": A_MEGABYTE}, "name"),
    "a name of two lines": ({"name": "a\nb"}, "name"),
    "half a character": ({"name": "\ud83d"}, "name"),
    "a field that nobody knows": ({"version": 3}, "version"),
}


@pytest.mark.parametrize("case", POLICY_BODIES)
def test_a_bad_policy_is_422_and_names_the_field(nothing_is_written: None, ids: dict[str, str], case: str) -> None:
    """Contract 4.8 [T]: a bad channel or severity is refused when the policy is written."""
    fields, place = POLICY_BODIES[case]
    body = body_of(POLICIES) | fields
    assert_names(call("POST", POLICIES, body), place)
    assert_names(put(f"{POLICIES}/{ids[POLICIES]}", body), place)
    assert_names(call("POST", f"{POLICIES}/{ids[POLICIES]}/simulate", body | SPAN), place)


CERTIFICATE_BODIES: dict[str, tuple[dict[str, object], str]] = {
    "no zone": ({"expires_at": "2026-04-01T00:00:00"}, "expires_at"),
    "a date": ({"expires_at": "2026-04-01"}, "expires_at"),
    "no time": ({"expires_at": "soon"}, "expires_at"),
    "seconds since 1970, in text": ({"expires_at": "1775000000"}, "expires_at"),
    "seconds since 1970": ({"expires_at": 1775000000}, "expires_at"),
    "half seconds since 1970": ({"expires_at": 1775000000.5}, "expires_at"),
    "true": ({"expires_at": True}, "expires_at"),
    "null": ({"expires_at": None}, "expires_at"),
    "a year of five digits": ({"expires_at": "12026-04-01T00:00:00Z"}, "expires_at"),
    "beyond our era": ({"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
    "not before, without a zone": ({"not_before": "2026-01-01T00:00:00"}, "not_before"),
    "archived, without a zone": ({"archived_at": "2026-01-01T00:00:00"}, "archived_at"),
    "archived in the future": ({"archived_at": "9998-01-01T00:00:00Z"}, "archived_at"),
    "revoked in the future": ({"revoked_at": "9998-01-01T00:00:00Z"}, "revoked_at"),
    "no name": ({"common_name": ""}, "common_name"),
    "a name of 1 MB": ({"common_name": A_MEGABYTE}, "common_name"),
    "a name of two lines": ({"common_name": "a\r\nBcc: b"}, "common_name"),
    "half a character": ({"common_name": "\udc00"}, "common_name"),
    "an alternative name of 1 MB": ({"names": ["a", A_MEGABYTE]}, "names.1"),
    "an empty alternative name": ({"names": [""]}, "names.0"),
    "a hundred and one names": ({"names": [f"n{number}" for number in range(101)]}, "names"),
    "an empty owner": ({"owner_id": ""}, "owner_id"),
    "an endless policy": ({"policy_id": "p" * 257}, "policy_id"),
    "an issuer of 1 MB": ({"issuer": A_MEGABYTE}, "issuer"),
    "a key of no bits": ({"key_size": 0}, "key_size"),
    "a key that never ends": ({"key_size": 10**40}, "key_size"),
    "a key of some bits": ({"key_size": "many"}, "key_size"),
    "a kind of two lines": ({"key_kind": "RSA\n"}, "key_kind"),
    "an algorithm of 1 MB": ({"signature_algorithm": A_MEGABYTE}, "signature_algorithm"),
    "an endless environment": ({"environment": "p" * 257}, "environment"),
    "an environment of two lines": ({"environment": "a\nb"}, "environment"),
    "tags that are a list": ({"tags": ["a"]}, "tags"),
    "fifty-one tags": ({"tags": {f"k{number}": "" for number in range(51)}}, "tags"),
    "a tag that is a number": ({"tags": {"a": 5}}, "tags.a"),
    "a tag without a key": ({"tags": {"": "a"}}, "tags."),
    "a tag of AWS's own": ({"tags": {"aws:cloudformation:stack-name": "a"}}, "tags.aws:cloudformation:stack-name"),
    "a tag of AWS's own, shouted": ({"tags": {"AWS:x": "a"}}, "tags.AWS:x"),
    "a key of 129 characters": ({"tags": {"k" * 129: "a"}}, f"tags.{'k' * 61}…"),
    "a value of 257 characters": ({"tags": {"a": "v" * 257}}, "tags.a"),
    "a key with a character that AWS refuses": ({"tags": {"a&b": ""}}, "tags.a&b"),
    "a value with a character that AWS refuses": ({"tags": {"a": "b;c"}}, "tags.a"),
    "a tag of two lines": ({"tags": {"a": "b\nc"}}, "tags.a"),
    "half a character in a tag": ({"tags": {"a": "\ud83d"}}, "tags.a"),
    "an id of its own": ({"id": "01JMINE"}, "id"),
    "a source of its own": ({"source": "acm"}, "source"),
}


@pytest.mark.parametrize("case", CERTIFICATE_BODIES)
def test_a_bad_certificate_is_422_and_names_the_field(nothing_is_written: None, ids: dict[str, str], case: str) -> None:
    fields, place = CERTIFICATE_BODIES[case]
    body = body_of(CERTIFICATES) | fields
    assert_names(call("POST", CERTIFICATES, body), place)
    assert_names(put(f"{CERTIFICATES}/{ids[CERTIFICATES]}", body), place)


def test_each_tag_that_is_wrong_is_named(shared_store: Store) -> None:
    """Contract 4.14 [T]: tags over AWS's limits are refused, each by its name."""
    wrong = {"aws:a": "1", "b": "v" * 257, "c": "fine", "d": "?"}
    answer = call("POST", CERTIFICATES, body_of(CERTIFICATES, tags=wrong, key_size=-1))
    assert (answer.status, answer.fields) == (422, {"key_size"})  # the body's shape first
    answer = call("POST", CERTIFICATES, body_of(CERTIFICATES, tags=wrong))
    assert (answer.status, answer.fields) == (422, {"tags.aws:a", "tags.b", "tags.d"})
    answer = call("POST", IMPORT, {"pem": PEM, "tags": wrong})
    assert (answer.status, answer.fields) == (422, {"tags.aws:a", "tags.b", "tags.d"})


def test_tags_at_their_limits_are_taken(store: Store) -> None:
    tags = {f"{number:02}" + "k" * 126: "Zürich 東京 _.:/=+-@".ljust(256, "v") for number in range(50)}
    assert created(CERTIFICATES, tags=tags).json["tags"] == tags


def test_an_expiry_in_the_past_is_accepted(store: Store) -> None:
    """Issue 3, "Bad input gets": it is the fact."""
    assert created(CERTIFICATES, expires_at="2019-12-31T23:59:59+01:00").json["status"] == "Expired"


CONTACT_BODIES: dict[str, tuple[dict[str, object], str]] = {
    "no address": ({"email": "ada"}, "email"),
    "an empty address": ({"email": ""}, "email"),
    "two addresses": ({"email": "a@example.com,b@example.com"}, "email"),
    "a header in the address": ({"email": "a@example.com\r\nBcc: b@example.com"}, "email"),
    "a name in the address": ({"email": "Ada <ada@example.com>"}, "email"),
    "an address of 1 MB": ({"email": f"{A_MEGABYTE}@example.com"}, "email"),
    "half a character in the address": ({"email": "\ud83d@example.com"}, "email"),
    "null": ({"email": None}, "email"),
    "no name": ({"name": ""}, "name"),
    "a name of 1 MB": ({"name": A_MEGABYTE}, "name"),
    "a name of two lines": ({"name": "a\nb"}, "name"),
    "a phone": ({"phone": "112"}, "phone"),
}


@pytest.mark.parametrize("collection", [OWNERS, TEAMS])
@pytest.mark.parametrize("case", CONTACT_BODIES)
def test_a_bad_contact_is_422_and_names_the_field(
    nothing_is_written: None, ids: dict[str, str], case: str, collection: str
) -> None:
    fields, place = CONTACT_BODIES[case]
    body = body_of(collection) | fields
    assert_names(call("POST", collection, body), place)
    assert_names(put(f"{collection}/{ids[collection]}", body), place)


IMPORTS: dict[str, tuple[object, str]] = {
    "nothing": ({}, "pem"),
    "no text": ({"pem": ""}, "pem"),
    "text that is no PEM": ({"pem": "nonsense"}, "pem"),
    "a number": ({"pem": 5}, "pem"),
    "a key alone": ({"pem": self_signed().key_pem}, "pem"),
    "cut off": ({"pem": PEM[:-40]}, "pem"),
    "no base64 in it": ({"pem": "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"}, "pem"),
    "no certificate in it": ({"pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "pem"),
    "one good, one bad": (
        {"pem": f"{PEM}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
        "pem",
    ),
    "half a character": ({"pem": "-----BEGIN CERTIFICATE-----\ud83d-----END CERTIFICATE-----"}, "pem"),
    "1 MB": ({"pem": A_MEGABYTE}, "pem"),
    "an empty owner": ({"pem": PEM, "owner_id": ""}, "owner_id"),
    "a tag of AWS's own": ({"pem": PEM, "tags": {"aws:a": "1"}}, "tags.aws:a"),
    "a field that nobody knows": ({"pem": PEM, "private_key": "x"}, "private_key"),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_a_bad_import_is_422_and_names_the_field(nothing_is_written: None, case: str) -> None:
    """Issue 3, "Bad input gets": PEM that isn't; all or nothing."""
    body, place = IMPORTS[case]
    assert_names(call("POST", IMPORT, body), place)


def test_no_refusal_echoes_a_key(shared_store: Store) -> None:
    key = self_signed().key_pem
    secret = key.splitlines()[1]
    for pem in (key, key + PEM[:-40], key.replace("PRIVATE KEY", "CERTIFICATE")):
        assert secret not in call("POST", IMPORT, {"pem": pem}).body


SPANS = {
    "no start": ({"end": SPAN["end"]}, "start"),
    "no end": ({"start": SPAN["start"]}, "end"),
    "no time at all": ({"start": SPAN["start"], "end": SPAN["start"]}, "end"),
    "backwards": ({"start": SPAN["end"], "end": SPAN["start"]}, "end"),
    "no zone": (SPAN | {"start": "2026-03-01T00:00:00"}, "start"),
    "no truth value": (SPAN | {"all_certificates": "perhaps"}, "all_certificates"),
}


@pytest.mark.parametrize("case", SPANS)
def test_a_bad_simulation_is_422_and_names_the_field(nothing_is_written: None, ids: dict[str, str], case: str) -> None:
    fields, place = SPANS[case]
    assert_names(call("POST", f"{POLICIES}/{ids[POLICIES]}/simulate", body_of(POLICIES) | fields), place)


QUERIES = {
    f"{CERTIFICATES}?status=Dead": "status",
    f"{CERTIFICATES}?status=expired": "status",
    f"{CERTIFICATES}?owner_id=": "owner_id",
    f"{CERTIFICATES}?policy_id={'p' * 257}": "policy_id",
    f"{CERTIFICATES}?expires_after=2026-01-01": "expires_after",
    f"{CERTIFICATES}?expires_before=2026-01-01T00:00:00": "expires_before",
    f"{CERTIFICATES}?limit=0": "limit",
    f"{CERTIFICATES}?environment=": "environment",
    f"{CERTIFICATES}?tag=": "tag.0",
    f"{CERTIFICATES}?tag=a&tag={'t' * 386}": "tag.1",
    f"{CERTIFICATES}?{'&'.join(f'tag={number}' for number in range(51))}": "tag",
    f"{CERTIFICATES}?key_kind=": "key_kind",
    f"{CERTIFICATES}?key_size_below=0": "key_size_below",
    f"{CERTIFICATES}?key_size_below=many": "key_size_below",
    f"{CERTIFICATES}?signature_algorithm={'s' * 257}": "signature_algorithm",
    f"{CERTIFICATES}?issuer_id=": "issuer_id",
    f"{CERTIFICATES}?source=telepathy": "source",
    f"{CERTIFICATES}?in_use=perhaps": "in_use",
    f"{CERTIFICATES}?name=": "name",
    f"{API}/issuers?limit=101": "limit",
    f"{CERTIFICATES}/nobody/versions?limit=0": "limit",
    f"{OWNERS}?limit=101": "limit",
    f"{TEAMS}?limit=x": "limit",
    f"{POLICIES}?cursor={'x' * 1025}": "cursor",
    f"{API}/audit-events?after=yesterday": "after",
    f"{API}/audit-events?before=1775000000": "before",
    f"{API}/audit-events?resource=": "resource",
    f"{API}/audit-events?action=": "action",
    f"{API}/sources?limit=0": "limit",
}


@pytest.mark.parametrize("url", QUERIES)
def test_a_bad_query_is_422_and_names_the_field(shared_store: Store, url: str) -> None:
    assert_names(call("GET", url), QUERIES[url])


def test_a_version_that_never_ends_is_422(shared_store: Store, ids: dict[str, str]) -> None:
    assert_names(put(f"{TEAMS}/{ids[TEAMS]}", body_of(TEAMS), '"' + "1" * 64 + '"'), "If-Match")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({f"f{number}": 1 for number in range(20_000)}, 100),
        ({"severities": {f"{number}x": "y" for number in range(20_000)}}, 1),
        ({"channels": {f"{number}x": [] for number in range(20_000)}}, 1),
        ({"channels": {"warning": ["Email"] * 200_000}}, 1),
        (thresholds(*range(100_000)), 1),
    ],
    ids=["fields", "severities", "routes", "channels", "thresholds"],
)
def test_of_very_many_mistakes_some_are_named(shared_store: Store, fields: dict[str, object], named: int) -> None:
    """An answer of more than 6 MB, or one that takes half a minute, would be a 502 (Lambda quotas)."""
    answer = call("POST", POLICIES, body_of(POLICIES) | fields)
    assert answer.status == 422
    assert len(answer.fields) == named
    assert len(answer.body) < 50_000


def test_a_body_that_is_too_deep_is_422(shared_store: Store) -> None:
    for depth in (200, 900):
        body = f'{{"name": "x", "alert_thresholds_days": {"[" * depth}{"]" * depth}}}'
        assert unchanged_by(shared_store, call, "POST", POLICIES, body).status == 422


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)
values = st.recursive(scalars, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper))
times = st.datetimes().map(lambda at: f"{at.isoformat()}Z")
GOOD: dict[str, dict[str, object]] = {
    CERTIFICATES: {
        "common_name": "api.example.com",
        "expires_at": "2026-04-01T00:00:00Z",
        "names": ["api.example.com"],
        "not_before": "1970-01-01T00:00:00Z",
        "archived_at": "2000-12-31T23:59:59Z",
        "policy_id": "x",
        "team_id": "x",
    },
    POLICIES: {"name": "x", "alert_thresholds_days": [1], "severities": {}, "channels": {}},
    OWNERS: {"name": "x", "email": "a@example.com", "team_id": "x"},
    TEAMS: {"name": "x", "email": "a@example.com"},
    IMPORT: {"pem": PEM, "owner_id": "x"},
    "simulate": {"name": "x", "alert_thresholds_days": ["1%"], **SPAN, "all_certificates": True},
}


def bodies_for(good: dict[str, object]) -> st.SearchStrategy[Any]:
    """Make bodies in which most fields are good, so that what is wrong with the others is reached."""
    fields = {name: st.just(value) | values | times for name, value in good.items()}
    return st.fixed_dictionaries({}, optional=fields)


@pytest.mark.parametrize("route", GOOD)
def test_no_body_whatever_is_a_defect(shared_store: Store, ids: dict[str, str], route: str) -> None:
    """Never a 500, nor a 503 for what DynamoDB refuses: fuzzed bodies are taken, or refused by name."""

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(bodies_for(GOOD[route]))
    def fuzz(body: Any) -> None:
        text = json.dumps(body)
        if route == "simulate":
            answers = [call("POST", f"{POLICIES}/{ids[POLICIES]}/simulate", text)]
        elif route == IMPORT:
            answers = [call("POST", IMPORT, text)]
        else:
            answers = [call("POST", route, text), put(f"{route}/{ids[route]}", text)]
        for answer in answers:
            assert answer.status in (200, 201, 422), (answer.status, answer.body)

    fuzz()
