"""Issue 10: a rule that no certificate can meet is accepted, with a warning that names the clash."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.inventory import T0
from tests.support.rules import a_rule
from tocsin.inventory.rules.clashes import unknown_issuers, warnings_of
from tocsin.inventory.rules.rule import Rule

Said = tuple[str, Mapping[str, object]]


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        (("AllowedDomains", {"domains": []}), "It allows no domain."),
        (("AllowedIssuers", {"issuers": []}), "It allows no issuer."),
        (("AllowedEnvironments", {"environments": []}), "It allows no environment."),
        (("MinimumKey", {"kinds": []}), "It allows no kind of key."),
        (("MinimumKey", {"forbidden_signatures": ["*"]}), "It forbids every signature."),
        (("MinimumKey", {}), "It demands nothing: every certificate keeps it."),
        (("RequiredMetadata", {}), "It demands nothing: every certificate keeps it."),
        (
            ("RenewalLeadTime", {"lead_time": "100%"}),
            "A certificate would have to be renewed from its first instant on.",
        ),
        (("MinimumKey", {"kinds": ["EC"]}), None),
        (("MaximumLifetime", {"days": 1}), None),
        (("RequiredMetadata", {"tags": ["a"]}), None),
    ],
)
def test_alone(rule: Said, warning: str | None) -> None:
    assert [*warnings_of(a_rule(*rule), [], T0)] == ([] if warning is None else [warning])


@pytest.mark.parametrize(
    ("one", "two", "clash"),
    [
        (
            ("AllowedEnvironments", {"environments": ["a"]}),
            ("AllowedEnvironments", {"environments": ["b"]}),
            "They allow no environment in common.",
        ),
        (
            ("AllowedEnvironments", {"environments": ["a", "b"]}),
            ("AllowedEnvironments", {"environments": ["b", "c"]}),
            None,
        ),
        (
            ("AllowedDomains", {"domains": ["a.test", "*.b.test"]}),
            ("AllowedDomains", {"domains": ["*.a.test", "b.test"]}),
            "They allow no domain in common.",
        ),
        (
            ("AllowedDomains", {"domains": ["*.a.test"]}),
            ("AllowedDomains", {"domains": ["*.b.a.test"]}),
            None,
        ),
        (
            ("AllowedIssuers", {"issuers": ["A"], "match": "exact"}),
            ("AllowedIssuers", {"issuers": ["B"], "match": "exact"}),
            "They allow no issuer in common.",
        ),
        (
            ("AllowedIssuers", {"issuers": ["O=A"], "match": "exact"}),
            ("AllowedIssuers", {"issuers": ["b"]}),
            "They allow no issuer in common.",
        ),
        (
            ("AllowedIssuers", {"issuers": ["O=A"], "match": "exact"}),
            ("AllowedIssuers", {"issuers": ["o=a"]}),
            None,
        ),
        (("AllowedIssuers", {"issuers": ["A"]}), ("AllowedIssuers", {"issuers": ["B"]}), None),  # "A and B" has both
        (
            ("MinimumKey", {"kinds": ["EC"]}),
            ("MinimumKey", {"kinds": ["RSA"], "rsa_bits": 2048}),
            "They allow no kind of key in common.",
        ),
        (("MinimumKey", {"kinds": ["EC"]}), ("MinimumKey", {"rsa_bits": 2048}), None),
        (
            ("MaximumLifetime", {"days": 30}),
            ("RenewalLeadTime", {"lead_time": 30}),
            "A certificate may live 30 days, and has to be renewed 30 days before it expires.",
        ),
        (("MaximumLifetime", {"days": 31}), ("RenewalLeadTime", {"lead_time": 30}), None),
        (("MaximumLifetime", {"days": 1}), ("RenewalLeadTime", {"lead_time": "99%"}), None),
        (
            ("MaximumLifetime", {"days": "cabf"}),
            ("RenewalLeadTime", {"lead_time": 398}),
            "A certificate may live 398 days, and has to be renewed 398 days before it expires.",
        ),
        (("MaximumLifetime", {"days": "cabf"}), ("AllowedDomains", {"domains": ["a.test"]}), None),
    ],
)
def test_beside_another(one: Said, two: Said, clash: str | None) -> None:
    first, second = a_rule(*one, id_="r1", name="first"), a_rule(*two, id_="r2", name="second")
    expected = [] if clash is None else [f"No certificate can keep both this and second (r2). {clash}"]
    assert [*warnings_of(first, [first, second], T0)] == expected
    assert len([*warnings_of(second, [first, second], T0)]) == len(expected)


@pytest.mark.parametrize(
    ("one", "two", "is_warned"),
    [
        ({}, {}, True),
        ({"team_id": "t1"}, {}, True),
        ({"team_id": "t1"}, {"owner_id": "o1"}, True),  # somebody's certificate may be of the team
        ({"team_id": "t1"}, {"team_id": "t2"}, False),
        ({"tags": {"tier": "1"}}, {"tags": {"tier": "2"}}, False),
        ({"tags": {"tier": "1"}}, {"tags": {"other": "2"}}, True),
    ],
)
def test_rules_of_different_certificates_do_not_clash(
    one: Mapping[str, Any], two: Mapping[str, Any], *, is_warned: bool
) -> None:
    rules = [
        a_rule("MinimumKey", {"kinds": [kind]}, id_=kind, scope=scope) for kind, scope in (("EC", one), ("RSA", two))
    ]
    assert bool([*warnings_of(rules[0], rules, T0)]) == is_warned
    assert bool([*warnings_of(rules[1], rules, T0)]) == is_warned


def test_rules_that_are_not_enabled_do_not_clash() -> None:
    one = a_rule("MinimumKey", {"kinds": ["EC"]}, id_="r1")
    off = a_rule("MinimumKey", {"kinds": ["RSA"]}, id_="r2", is_enabled=False)
    assert [*warnings_of(one, [off], T0)] == [*warnings_of(off, [one], T0)] == []


def test_an_environment_of_its_scope_that_it_does_not_allow() -> None:
    rule = a_rule("AllowedEnvironments", {"environments": ["test"]}, scope={"environment": "production"})
    assert [*warnings_of(rule, [], T0)] == ["It is of certificates in production, which it does not allow."]


def allowing(*issuers: str, match: str = "contains") -> Rule:
    """Make a rule of issuers."""
    return a_rule("AllowedIssuers", {"issuers": [*issuers], "match": match})


def test_issuers_that_no_certificate_has() -> None:
    """Issue 10: unknown issuers get a warning."""
    seen = {"CN=R11,O=Let's Encrypt,C=US", "Amazon"}
    assert [*unknown_issuers(allowing("let's encrypt", "Amazon"), seen)] == []
    (warning,) = unknown_issuers(allowing("Let's Encrypt", "DigiCert", "Sectigo"), seen)
    assert warning == "No certificate is from DigiCert, Sectigo."
    (exact,) = unknown_issuers(allowing("Let's Encrypt", match="exact"), seen)
    assert exact == "No certificate is from Let's Encrypt."
    assert [*unknown_issuers(a_rule("RequiredMetadata", {"owner": True}), seen)] == []
