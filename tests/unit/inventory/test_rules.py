"""Each rule, at its boundaries. Contract 4.12 [T]: what is not known of a certificate violates nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.inventory import DAY, T0, a_certificate
from tests.support.rules import a_rule
from tocsin.delivery.notification import Severity
from tocsin.errors import InvalidFieldsError
from tocsin.inventory.certificate import Source
from tocsin.inventory.occurrences import Violation
from tocsin.inventory.rules.judging import changes_at, judge
from tocsin.inventory.rules.kinds import KINDS
from tocsin.inventory.rules.requirement import RuleType

SECOND = timedelta(seconds=1)
LETS_ENCRYPT = "CN=R11,O=Let's Encrypt,C=US"


def said(type_: str, config: Mapping[str, object], now: datetime = T0, **certificate: Any) -> str | None:
    """Give the violation of one rule by one certificate."""
    return a_rule(type_, config).violation(a_certificate(**certificate), now)


@pytest.mark.parametrize(
    ("config", "issuer", "is_kept"),
    [
        ({"issuers": ["Let's Encrypt"]}, LETS_ENCRYPT, True),
        ({"issuers": ["let's encrypt"]}, LETS_ENCRYPT, True),  # upper and lower case are the same
        ({"issuers": ["Amazon", "Encrypt"]}, LETS_ENCRYPT, True),  # one of them
        ({"issuers": ["DigiCert"]}, LETS_ENCRYPT, False),
        ({"issuers": ["Let's Encrypt"], "match": "exact"}, LETS_ENCRYPT, False),
        ({"issuers": [LETS_ENCRYPT], "match": "exact"}, LETS_ENCRYPT, True),
        ({"issuers": []}, LETS_ENCRYPT, False),
        ({"issuers": ["DigiCert"]}, "", True),  # not known
    ],
)
def test_issuers(config: Mapping[str, object], issuer: str, *, is_kept: bool) -> None:
    found = said("AllowedIssuers", config, issuer=issuer)
    assert found == (None if is_kept else f"Its issuer is {issuer}, which is not allowed.")


@pytest.mark.parametrize(
    ("certificate", "lacking"),
    [
        ({"owner_id": "o1", "team_id": "t1", "environment": "e", "tags": {"a": "", "b": "x", "c": "y"}}, None),
        ({"owner_id": "o1", "team_id": "t1", "environment": "e", "tags": {"a": "1"}}, "no tag b"),
        ({"team_id": "t1", "tags": {"A": "1", "b": "2"}}, "no owner, no environment, no tag a"),  # keys are exact
        ({}, "no owner, no team, no environment, no tag a, no tag b"),
    ],
)
def test_metadata_is_the_only_demand_that_something_is_known(certificate: dict[str, Any], lacking: str | None) -> None:
    config = {"tags": ["a", "b"], "owner": True, "team": True, "environment": True}
    assert said("RequiredMetadata", config, **certificate) == (lacking and f"It has {lacking}.")


@pytest.mark.parametrize(
    ("environment", "is_kept"), [("production", True), ("Production", False), ("test", False), ("", True)]
)
def test_environments(environment: str, *, is_kept: bool) -> None:
    found = said("AllowedEnvironments", {"environments": ["production", "staging"]}, environment=environment)
    assert (found is None) == is_kept


@pytest.mark.parametrize(
    ("config", "certificate", "is_kept"),
    [
        ({"rsa_bits": 2048}, {"key_kind": "RSA", "key_size": 2048}, True),
        ({"rsa_bits": 2048}, {"key_kind": "RSA", "key_size": 2047}, False),
        ({"rsa_bits": 2048}, {"key_kind": "EC", "key_size": 256}, True),  # another kind, of another measure
        ({"ec_bits": 384}, {"key_kind": "EC", "key_size": 256}, False),
        ({"ec_bits": 384}, {"key_kind": "EC", "key_size": 384}, True),
        ({"rsa_bits": 2048}, {"key_kind": "RSA", "key_size": None}, True),  # not known
        ({"rsa_bits": 2048, "kinds": ["EC"]}, {"key_kind": ""}, True),
        ({"kinds": ["EC", "Ed25519"]}, {"key_kind": "RSA", "key_size": 4096}, False),
        ({"kinds": ["ec", "ed25519"]}, {"key_kind": "Ed25519", "key_size": 256}, True),
        ({"forbidden_signatures": ["SHA1-*", "MD5-*"]}, {"signature_algorithm": "SHA1-RSA"}, False),
        ({"forbidden_signatures": ["sha1-*"]}, {"signature_algorithm": "SHA1-EC"}, False),
        ({"forbidden_signatures": ["SHA1-RSA"]}, {"signature_algorithm": "SHA1-EC"}, True),
        ({"forbidden_signatures": ["SHA1-*"]}, {"signature_algorithm": "SHA256-RSA"}, True),
        ({"forbidden_signatures": ["SHA1-*"]}, {"signature_algorithm": ""}, True),
    ],
)
def test_keys(config: Mapping[str, object], certificate: dict[str, Any], *, is_kept: bool) -> None:
    assert (said("MinimumKey", config, **certificate) is None) == is_kept


@pytest.mark.parametrize(
    ("issued", "days"),
    [
        (datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC), 398),
        (datetime(2026, 3, 15, tzinfo=UTC), 200),
        (datetime(2027, 3, 14, 23, 59, 59, tzinfo=UTC), 200),
        (datetime(2027, 3, 15, tzinfo=UTC), 100),
        (datetime(2029, 3, 14, 23, 59, 59, tzinfo=UTC), 100),
        (datetime(2029, 3, 15, tzinfo=UTC), 47),
        (datetime(2035, 1, 1, tzinfo=UTC), 47),
    ],
)
def test_the_calendar_of_the_browsers(issued: datetime, days: int) -> None:
    """Both ends of the validity period count: the last second of the last day is the last that is allowed."""
    whole = {"not_before": issued, "expires_at": issued + days * DAY - SECOND}
    assert said("MaximumLifetime", {"days": "cabf"}, **whole) is None
    over = said("MaximumLifetime", {"days": "cabf"}, **whole | {"expires_at": issued + days * DAY})
    assert over is not None
    assert over.endswith(f"more than {days} days.")


def test_a_lifetime_of_days_is_the_time_between_both_ends() -> None:
    for more, is_kept in ((timedelta(), True), (SECOND, False)):
        ends = T0 + 90 * DAY + more
        assert (said("MaximumLifetime", {"days": 90}, not_before=T0, expires_at=ends) is None) == is_kept


@pytest.mark.parametrize("not_before", [None, T0 + 45 * DAY, T0 + 46 * DAY])
def test_a_validity_period_that_is_not_known_is_not_too_long(not_before: datetime | None) -> None:
    for days in ("cabf", 1):
        assert said("MaximumLifetime", {"days": days}, not_before=not_before) is None


@pytest.mark.parametrize(("lead_time", "before"), [(30, 30 * DAY), ("33%", 0.33 * 90 * DAY), (0, 0 * DAY)])
def test_a_lead_time_is_violated_from_its_instant_on(lead_time: object, before: timedelta) -> None:
    rule, certificate = a_rule("RenewalLeadTime", {"lead_time": lead_time}), a_certificate()
    at = certificate.expires_at - before
    assert rule.violation(certificate, at - SECOND) is None
    assert rule.violation(certificate, at) == rule.violation(certificate, at + 400 * DAY) is not None
    assert changes_at(certificate, [rule], at - SECOND) == at
    assert changes_at(certificate, [rule], at) is None


def test_a_percentage_of_what_is_not_known_is_no_lead_time() -> None:
    rule, certificate = a_rule("RenewalLeadTime", {"lead_time": "33%"}), a_certificate(not_before=None)
    assert rule.violation(certificate, certificate.expires_at) is None
    assert changes_at(certificate, [rule], T0) is None


@pytest.mark.parametrize(
    ("scope", "is_in"),
    [
        ({}, True),
        ({"team_id": "t1"}, True),
        ({"team_id": "t2"}, False),
        ({"owner_id": "o1"}, False),  # it has none
        ({"environment": "production", "tags": {"tier": "1"}}, True),
        ({"environment": "production", "tags": {"tier": "2"}}, False),
        ({"policy_id": "p1", "tags": {"tier": "1", "other": ""}}, False),
    ],
)
def test_a_rule_is_of_those_in_its_scope(scope: dict[str, Any], *, is_in: bool) -> None:
    certificate = a_certificate(team_id="t1", environment="production", policy_id="p1", tags={"tier": "1"})
    rule = a_rule("RequiredMetadata", {"owner": True}, scope=scope)
    assert (rule.violation(certificate, T0) is not None) == is_in
    lead = a_rule("RenewalLeadTime", {"lead_time": 1}, scope=scope)
    assert (lead.changes_at(certificate) is not None) == is_in


@pytest.mark.parametrize("ended", ["archived_at", "revoked_at", "replaced_at"])
def test_what_is_not_watched_violates_nothing(ended: str) -> None:
    rule = a_rule("RequiredMetadata", {"owner": True})
    violated = a_certificate(violations=judge(a_certificate(), [rule], T0))
    assert [one.rule_id for one in violated.violations] == [rule.id]
    assert judge(a_certificate(**{ended: T0}), [rule], T0) == ()
    assert judge(a_certificate(**{ended: T0}, violations=violated.violations), [], T0, {rule.id}) == ()
    gone = violated.changed(a_certificate(**{ended: T0}, violations=violated.violations), T0)
    assert gone.violations == ()


def test_a_rule_that_is_not_enabled_judges_nothing() -> None:
    assert judge(a_certificate(), [a_rule("RequiredMetadata", {"owner": True}, is_enabled=False)], T0) == ()


@pytest.mark.parametrize("source", Source)
def test_rules_are_of_certificates(source: Source) -> None:
    """A secret or a domain has no issuer and no key. Contract 4.13."""
    rules = [a_rule("RequiredMetadata", {"owner": True})]
    is_judged = bool(judge(a_certificate(source=source), rules, T0))
    assert is_judged == (source not in (Source.SECRETS_MANAGER, Source.DOMAIN))


def test_a_violation_keeps_its_beginning_and_what_it_says_follows_the_rule() -> None:
    rule = a_rule("RequiredMetadata", {"owner": True, "team": True}, severity=Severity.CRITICAL)
    (first,) = judge(a_certificate(), [rule], T0)
    assert first == Violation(rule.id, rule.name, Severity.CRITICAL, T0, "It has no owner, no team.")
    (later,) = judge(a_certificate(violations=(first,), team_id="t1"), [rule], T0 + DAY)
    assert (later.since, later.detail) == (T0, "It has no owner.")


def test_a_rule_that_cannot_be_read_leaves_what_was_found() -> None:
    """Nobody knows whether it is kept."""
    rule = a_rule("RequiredMetadata", {"owner": True})
    violated = a_certificate(violations=judge(a_certificate(), [rule], T0))
    assert judge(violated, [], T0 + DAY, {rule.id}) == violated.violations
    assert judge(violated, [], T0 + DAY) == ()


def test_what_foreign_names_say_is_bounded() -> None:
    (one,) = judge(a_certificate(issuer="x" * 1024), [a_rule("AllowedIssuers", {"issuers": ["y"]})], T0)
    assert len(one.detail.encode()) <= 512


@pytest.mark.parametrize(
    ("type_", "config", "fields"),
    [
        ("Unknown", {"x": 1}, {"type"}),
        ("", {}, {"type"}),
        ("AllowedIssuers", {}, {"config.issuers"}),
        ("AllowedIssuers", {"issuers": "Amazon"}, {"config.issuers"}),
        ("AllowedIssuers", {"issuers": ["Amazon"] * 2, "match": "regex"}, {"config.issuers.1", "config.match"}),
        ("AllowedIssuers", {"issuers": [1, "", "a\nb", "x" * 1025]}, {f"config.issuers.{n}" for n in range(4)}),
        ("AllowedIssuers", {"issuers": [str(n) for n in range(101)]}, {"config.issuers"}),
        ("AllowedIssuers", {"issuers": ["Amazon"], "isuers": [], "Match": 1}, {"config.isuers", "config.Match"}),
        (
            "AllowedDomains",
            {"domains": ["*", "a.*.b", "a b", "-a.b", "https://a.b"]},
            {f"config.domains.{n}" for n in range(5)},
        ),
        ("RequiredMetadata", {"owner": 1, "team": "yes", "tags": {}}, {"config.owner", "config.team", "config.tags"}),
        ("RequiredMetadata", {"tags": ["x" * 129, "aws:x", "a,b"]}, {f"config.tags.{n}" for n in range(3)}),
        ("AllowedEnvironments", {"environments": None}, {"config.environments"}),
        ("RenewalLeadTime", {}, {"config.lead_time"}),
        ("RenewalLeadTime", {"lead_time": "0%"}, {"config.lead_time"}),
        ("RenewalLeadTime", {"lead_time": 1.5}, {"config.lead_time"}),
        ("RenewalLeadTime", {"lead_time": True}, {"config.lead_time"}),
        ("MinimumKey", {"rsa_bits": -1, "ec_bits": "256"}, {"config.rsa_bits", "config.ec_bits"}),
        ("MinimumKey", {"rsa_bits": float("inf"), "ec_bits": float("nan")}, {"config.rsa_bits", "config.ec_bits"}),
        (
            "MinimumKey",
            {"kinds": "RSA", "forbidden_signatures": ["["]},
            {"config.kinds", "config.forbidden_signatures.0"},
        ),
        ("MaximumLifetime", {}, {"config.days"}),
        ("MaximumLifetime", {"days": 0}, {"config.days"}),
        ("MaximumLifetime", {"days": True}, {"config.days"}),
        ("MaximumLifetime", {"days": "CABF"}, {"config.days"}),
        ("MaximumLifetime", {"days": [90]}, {"config.days"}),
    ],
)
def test_every_field_that_is_wrong_is_named(type_: str, config: Mapping[str, object], fields: set[str]) -> None:
    """Issue 10: an unknown type, a bad config: each field that is wrong, and nothing else."""
    with pytest.raises(InvalidFieldsError) as refused:
        a_rule(type_, config)
    assert {one.field for one in refused.value.problems} == fields


def test_all_parts_of_a_rule_are_looked_at_at_once() -> None:
    scope = {"team_id": "", "environment": "a\nb", "tags": {"k": "x" * 257, "": "v"}}
    with pytest.raises(InvalidFieldsError) as refused:
        a_rule("Unknown", {}, name="", scope=scope)
    assert {one.field for one in refused.value.problems} == {
        *("name", "type", "scope.team_id", "scope.environment", "scope.tags.k", "scope.tags."),
    }


@pytest.mark.parametrize(
    ("type_", "config"),
    [
        ("AllowedIssuers", {"issuers": ["a"], "match": "exact"}),
        ("AllowedDomains", {"domains": ["*.example.com", "Bücher.example", "192.0.2.1", "2001:db8::1"]}),
        ("RequiredMetadata", {"tags": ["a"], "owner": True, "team": False, "environment": True}),
        ("AllowedEnvironments", {"environments": ["a"]}),
        ("RenewalLeadTime", {"lead_time": 30}),
        ("RenewalLeadTime", {"lead_time": "33%"}),
        ("MinimumKey", {"rsa_bits": 2048, "ec_bits": None, "kinds": None, "forbidden_signatures": ["SHA1-*"]}),
        ("MinimumKey", {"rsa_bits": None, "ec_bits": 256, "kinds": [], "forbidden_signatures": []}),
        ("MaximumLifetime", {"days": 47}),
        ("MaximumLifetime", {"days": "cabf"}),
    ],
)
def test_what_is_shown_of_a_demand_reads_as_the_same(type_: str, config: dict[str, object]) -> None:
    demand = a_rule(type_, config).requirement
    assert demand.config == config
    assert demand.type == type_
    assert a_rule(type_, demand.config).requirement == demand


def test_every_type_has_a_kind() -> None:
    assert set(KINDS) == set(RuleType)
