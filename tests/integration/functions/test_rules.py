"""Rules through the real functions: written over HTTP, held against certificates by the check, told, and resolved.

Contract 4.12 [T].
"""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.engine import Clock
from tests.support.functions import call
from tests.support.inventory import DAY, T0
from tests.support.inventory_api import (
    API,
    CERTIFICATES,
    OWNERS,
    RULES,
    an_id_in,
    body_of,
    check,
    created,
    delete,
    put,
    read,
    text_of,
    unchanged_by,
    walked,
)
from tests.support.inventory_store import Store
from tocsin.delivery.notification import Status
from tocsin.inventory.rules.rule import RULES_LIMIT, parse_rule

pytestmark = pytest.mark.dynamodb_local


def a_rule(type_: str, config: dict[str, Any], **fields: Any) -> Any:
    """Create a rule, and give what was answered."""
    return created(RULES, name=type_, type=type_, config=config, **fields).json


def told(store: Store) -> dict[str, Status]:
    """Give the status of each notification of a violation, by its certificate."""
    return {row.certificate_id or "": row.status for row in store.rows() if row.type == "PolicyViolation"}


def test_the_life_of_a_violation(store: Store, clock: Clock) -> None:
    """A rule, a check: listed and told once. Mended, a check: neither listed nor owed."""
    owner = an_id_in(OWNERS)
    weak = an_id_in(CERTIFICATES, owner_id=owner, key_kind="RSA", key_size=1024)
    strong = an_id_in(CERTIFICATES, owner_id=owner, key_kind="EC", key_size=256)
    check()
    rule = a_rule("MinimumKey", {"rsa_bits": 2048}, severity="critical")
    assert rule["warnings"] == []
    violations = f"{RULES}/{rule['id']}/violations"
    assert read(violations) == {"items": [], "next_cursor": None}

    clock.forward(hours=1)
    counts = check()
    assert (counts["rules_changed"], counts["raised"]) == (1, 1)
    detail = "Its RSA key has 1024 bits, of 2048 that it must have."
    (item,) = walked(violations)
    assert item == {
        "certificate_id": weak,
        "common_name": "api.example.com",
        "expires_at": text_of(T0 + 45 * DAY),
        "owner_id": owner,
        "team_id": None,
        "severity": "critical",
        "since": text_of(clock.now),
        "detail": detail,
    }
    shown = {"rule_id": rule["id"], "rule": "MinimumKey", "severity": "critical", "since": text_of(clock.now)}
    assert read(f"{CERTIFICATES}/{weak}")["violations"] == [shown | {"detail": detail}]
    assert read(f"{CERTIFICATES}/{strong}")["violations"] == []
    for violating, found in ((True, weak), (False, strong)):
        answer = read(f"{CERTIFICATES}?violating={str(violating).lower()}")
        assert [one["id"] for one in answer["items"]] == [found]
    explained = read(f"{CERTIFICATES}/{weak}/explain")
    assert explained["violations"] == [shown | {"detail": detail}]
    assert explained["summary"].endswith(" Rules that it violates: MinimumKey.")
    assert [one["about"] for one in explained["told"]] == [f"PolicyViolation {rule['id']}"]
    assert told(store) == {weak: Status.PENDING}
    clock.forward(hours=1)
    assert check()["raised"] == 0

    mended = body_of(CERTIFICATES, owner_id=owner, key_kind="RSA", key_size=2048)
    assert put(f"{CERTIFICATES}/{weak}", mended).status == 200
    clock.forward(hours=1)
    check()
    assert read(violations)["items"] == []
    assert told(store) == {weak: Status.SUPERSEDED}
    assert "Rules" not in read(f"{CERTIFICATES}/{weak}/explain")["summary"]


def test_a_rule_that_is_deleted_is_violated_by_nothing(store: Store, clock: Clock) -> None:
    certificate = an_id_in(CERTIFICATES, owner_id=an_id_in(OWNERS))
    rule = a_rule("RequiredMetadata", {"tags": ["cost-centre"]})
    check()
    assert told(store) == {certificate: Status.PENDING}
    assert delete(f"{RULES}/{rule['id']}").status == 204
    assert call("GET", f"{RULES}/{rule['id']}/violations").status == 404
    clock.forward(hours=1)
    check()
    assert read(f"{CERTIFICATES}/{certificate}")["violations"] == []
    assert told(store) == {certificate: Status.SUPERSEDED}


def test_violations_are_listed_in_pages(store: Store, clock: Clock) -> None:
    rule = a_rule("RequiredMetadata", {"owner": True})
    ids = sorted(an_id_in(CERTIFICATES, common_name=f"{number}.example.com") for number in range(5))
    check()
    assert [one["certificate_id"] for one in walked(f"{RULES}/{rule['id']}/violations", 2)] == ids
    page = read(f"{RULES}/{rule['id']}/violations?limit=2")
    other = a_rule("RequiredMetadata", {"team": True})
    refused = call("GET", f"{RULES}/{other['id']}/violations?cursor={page['next_cursor']}")
    assert refused.status == 400


def test_what_is_wrong_is_named_and_nothing_is_written(store: Store) -> None:
    """Issue 10, "Bad input gets": every field, at once."""
    wrong = {
        "name": "",
        "type": "MinimumKey",
        "config": {"rsa_bits": "2048", "ec_bit": 256},
        "scope": {"team_id": "t1", "tags": {"aws:x": "y"}},
    }
    answer = unchanged_by(store, call, "POST", RULES, wrong)
    assert answer.status == 422
    assert answer.fields == {"name", "config.rsa_bits", "config.ec_bit", "scope.tags.aws:x"}
    unknown = unchanged_by(store, call, "POST", RULES, wrong | {"name": "x", "type": "MinimumKeys", "scope": {}})
    assert (unknown.status, unknown.fields) == (422, {"type"})
    shape = unchanged_by(
        store, call, "POST", RULES, {"name": "x", "enabled": "yes", "severity": "low", "scope": {"team": 1}}
    )
    assert shape.fields == {"type", "config", "enabled", "severity", "scope.team"}


def test_a_rule_that_nothing_can_keep_is_accepted_with_a_warning(store: Store) -> None:
    """Issue 10, "Bad input gets": accepted, with a warning that names the clash."""
    nothing = a_rule("AllowedDomains", {"domains": []})
    assert nothing["warnings"] == ["It allows no domain."]
    lead = a_rule("RenewalLeadTime", {"lead_time": 30}, scope={"team_id": "t1"})
    short = a_rule("MaximumLifetime", {"days": 30})
    clash = "A certificate may live 30 days, and has to be renewed 30 days before it expires."
    assert short["warnings"] == [f"No certificate can keep both this and RenewalLeadTime ({lead['id']}). {clash}"]
    again = read(f"{RULES}/{lead['id']}")["warnings"]
    assert again == [f"No certificate can keep both this and MaximumLifetime ({short['id']}). {clash}"]
    longer = put(f"{RULES}/{short['id']}", body_of(RULES, type="MaximumLifetime", config={"days": 31}))
    assert longer.json["warnings"] == []
    assert [one["type"] for one in walked(RULES)] == ["AllowedDomains", "RenewalLeadTime", "MaximumLifetime"]


def test_an_issuer_that_no_certificate_has_gets_a_warning(store: Store) -> None:
    """Issue 10, "Bad input gets": unknown issuers."""
    an_id_in(CERTIFICATES, issuer="CN=R11,O=Let's Encrypt,C=US")
    an_id_in(CERTIFICATES)
    rule = a_rule("AllowedIssuers", {"issuers": ["Let's Encrypt", "Lets Encrypt"]})
    assert rule["warnings"] == ["No certificate is from Lets Encrypt."]
    assert a_rule("AllowedIssuers", {"issuers": ["let's encrypt"]})["warnings"] == []


def test_a_stack_has_a_bounded_number_of_rules(store: Store) -> None:
    one = parse_rule("r", "a rule", T0, type_="RequiredMetadata", config={})
    for number in range(RULES_LIMIT):
        store.add_rule(replace(one, id=f"r{number}"))
    refused = unchanged_by(store, call, "POST", RULES, body_of(RULES))
    assert (refused.status, refused.json["detail"]) == (
        409,
        f"There are as many of these as there may be. A stack has {RULES_LIMIT} rules at most.",
    )


def test_every_change_of_a_rule_and_of_what_violates_it_is_in_the_audit_trail(store: Store, clock: Clock) -> None:
    certificate = an_id_in(CERTIFICATES)
    rule = a_rule("RequiredMetadata", {"owner": True})
    clock.forward(minutes=1)
    check()
    events = read(f"{API}/audit-events?resource=policy/{rule['id']}")["items"]
    assert [one["action"] for one in events] == ["policy_created"]
    judged = read(f"{API}/audit-events?action=certificate_judged")["items"]
    assert [(one["resource"], one["actor"], one["detail"]) for one in judged] == [
        (f"certificate/{certificate}", "expiry_check", {"violates": "RequiredMetadata"})
    ]


def test_a_policy_and_a_renewal_policy_are_two_things(store: Store) -> None:
    rule = a_rule("RequiredMetadata", {"owner": True})
    assert read(f"{API}/renewal-policies")["items"] == []
    assert call("GET", f"{API}/renewal-policies/{rule['id']}").status == 404
    assert [one["id"] for one in walked(RULES)] == [rule["id"]]
