"""Issue 10: 10,000 certificates and 50 rules: the check's requests follow what changed, not the inventory.

Contract 4.12 [T]. CI counts with 1,200 certificates; TOCSIN_RULES_SIZE asks for another number.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.support.database import counted_calls
from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tests.support.inventory_store import Store, a_store
from tests.support.rules import a_rule
from tocsin.expiry.check import Checked, Seen
from tocsin.inventory.rules.rule import Rule

pytestmark = [pytest.mark.dynamodb_local, pytest.mark.timeout(840)]

SIZE = int(os.environ.get("TOCSIN_RULES_SIZE", "1200"))
PAGE = 400
CHANGED = 20
IDLE = Counter(Query=5, PutItem=1, DeleteItem=1)
"""The lease twice, what was left over, the four partitions of the index: `test_cost` has the same."""
RULES = 50
READING_RULES = 2
"""Which there are, and a hundred of them."""


def rules() -> list[Rule]:
    """Make rules of every kind that each certificate of `filled` keeps."""
    kinds = (
        ("AllowedIssuers", {"issuers": ["Let's Encrypt"]}),
        ("AllowedDomains", {"domains": ["*.example.com"]}),
        ("RequiredMetadata", {"owner": True, "tags": ["tier"]}),
        ("AllowedEnvironments", {"environments": ["production"]}),
        ("RenewalLeadTime", {"lead_time": 10}),
        ("MinimumKey", {"rsa_bits": 2048, "forbidden_signatures": ["SHA1-*"]}),
        ("MaximumLifetime", {"days": "cabf"}),
    )
    return [a_rule(*kinds[n % len(kinds)], id_=f"r{n:02}", name=f"rule {n}") for n in range(RULES)]


@pytest.fixture(scope="module")
def filled(dynamodb_endpoint: str) -> Iterator[Store]:
    """Give an inventory that was held against 50 rules, of which each certificate keeps all."""
    with a_store(dynamodb_endpoint) as store:
        store.add_owner()
        whole = a_certificate(
            owner_id="o1",
            issuer="CN=R11,O=Let's Encrypt,C=US",
            names=("api.example.com",),
            tags={"tier": "1"},
            environment="production",
            key_kind="RSA",
            key_size=2048,
            signature_algorithm="SHA256-RSA",
            watched_since=T0,
        )
        ends = (T0 + 60 * DAY + number * HOUR / 60 for number in range(SIZE))
        store.stock(
            replace(whole, id=f"c{n:05}", expires_at=end, not_before=end - 89 * DAY, due_at=end - 30 * DAY)
            for n, end in enumerate(ends)
        )
        for rule in rules():
            store.add_rule(rule)
        store.checked()
        assert store.watchlist.left_over().rules is None
        yield store


def checked(store: Store) -> tuple[Checked, Counter[str]]:
    """Check an hour later; count the requests."""
    store.now += HOUR
    with ThreadPoolExecutor(8) as threads, counted_calls(store.client) as calls:
        done = store.checked(each=threads.map)
    assert done.is_complete
    assert done.counts[Seen.FAILED] == 0
    assert "Scan" not in calls
    return done, calls


def note(what: str, calls: Counter[str]) -> None:
    """Write the figures down, for `--log-cli-level=INFO`."""
    logging.getLogger(__name__).info("%d certificates, %s: %d requests %s", SIZE, what, calls.total(), dict(calls))


def test_where_nothing_changed_it_costs_what_it_costs_without_rules(filled: Store) -> None:
    """And no rule is read."""
    done, calls = checked(filled)
    assert done.counts[Seen.LOOKED_AT] == 0
    assert calls == IDLE
    note("nothing changed", calls)


@pytest.mark.parametrize("count", [1, CHANGED])
def test_certificates_that_changed_cost_what_they_are(filled: Store, count: int) -> None:
    """Changed so that they violate nothing; then so that each violates the rules of one kind."""
    rules_of_kind = len([rule for rule in rules() if rule.requirement.type == "AllowedEnvironments"])
    for environment, violations in (("production", 0), ("test", rules_of_kind), ("production", 0)):
        for n in range(count):
            filled.change(a_certificate(id=f"c{n:05}"), environment=environment, serial=f"{filled.now:%Y%m%d%H}{count}")
        done, calls = checked(filled)
        assert done.counts[Seen.LOOKED_AT] == count
        assert len(filled.inventory.certificates.get("c00000").violations) == violations
        assert done.counts[Seen.RAISED] == count * violations
        assert calls.total() <= IDLE.total() + 4 + READING_RULES + 2 + count * (12 + 2 * rules_of_kind)
        note(f"{count} changed, each of which violates {violations}", calls)


def test_a_rule_that_changed_costs_pages_and_what_it_changes(filled: Store) -> None:
    """Two requests for a hundred certificates, whatever the rules; a few for each that violates it."""
    filled.add_rule(a_rule("RequiredMetadata", {"tags": ["tier"]}, id_="more"))
    done, calls = checked(filled)
    assert (done.counts[Seen.RULES_CHANGED], done.counts[Seen.LOOKED_AT]) == (0, 0)
    pages = SIZE // PAGE + 1
    whole = IDLE + Counter(Query=8 * pages, BatchGetItem=4 * pages, UpdateItem=pages, DeleteItem=1)
    assert calls.total() <= (whole.total() + READING_RULES)
    note("a rule that all keep", calls)

    for n in range(CHANGED):
        filled.change(a_certificate(id=f"c{n:05}"), tags={"tier": "2"})
    checked(filled)
    filled.change_rule(a_rule("AllowedDomains", {"domains": ["*.test"]}, id_="more", scope={"tags": {"tier": "2"}}))
    done, calls = checked(filled)
    assert done.counts[Seen.RULES_CHANGED] == done.counts[Seen.LOOKED_AT] == done.counts[Seen.RAISED] == CHANGED
    assert len(filled.violating("more")) == CHANGED
    assert calls.total() <= whole.total() + READING_RULES + 7 + CHANGED * 10
    note(f"a rule that {CHANGED} violate", calls)

    filled.delete_rule("more")
    done, calls = checked(filled)
    assert done.counts[Seen.RULES_CHANGED] == CHANGED
    assert filled.violating("more") == []
    note("a rule that is gone", calls)
