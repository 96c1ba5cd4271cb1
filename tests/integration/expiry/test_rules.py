"""Rules on AWS's own engine: found when a certificate or a rule changes, told once, resolved when it is gone.

Contract 4.12 [T].
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import counted_calls
from tests.support.interruptions import KilledError, dying_at
from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tests.support.inventory_store import Store
from tests.support.rules import a_rule
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.errors import TooManyError
from tocsin.expiry import compliance
from tocsin.expiry.check import Seen
from tocsin.inventory.rules.rule import RULES_LIMIT, Rule

pytestmark = pytest.mark.dynamodb_local

OWNED = a_rule("RequiredMetadata", {"tags": ["cost-centre"]}, id_="tagged", name="Tagged")
EC = a_rule("MinimumKey", {"kinds": ["EC"]}, id_="ec", name="EC only", severity=Severity.CRITICAL)
LEAD = a_rule("RenewalLeadTime", {"lead_time": 40}, id_="lead", name="In time")


def told(store: Store, certificate_id: str | None = None) -> list[Notification]:
    """Read the notifications of violations."""
    rows = (row for row in store.rows() if row.type == "PolicyViolation")
    return [row for row in rows if certificate_id in (None, row.certificate_id)]


def violated(store: Store, certificate_id: str) -> list[str]:
    """Name the rules that a certificate violates, by its record; the lists must say the same."""
    names = [one.rule_id for one in store.inventory.certificates.get(certificate_id).violations]
    for rule in store.inventory.rules.every().things:
        assert (certificate_id in store.violating(rule)) == (rule in names)
    return sorted(names)


def fill(store: Store, *rules: Rule, count: int = 3) -> None:
    """Store certificates that were looked at, and rules behind them."""
    store.add_owner()
    for number in range(count):
        store.add(a_certificate(id=f"c{number}", owner_id="o1", key_kind="RSA", key_size=2048))
    store.checked()
    for rule in rules:
        store.add_rule(rule)


def test_a_new_rule_is_held_against_what_is_there(store: Store) -> None:
    fill(store, OWNED)
    store.change(a_certificate(id="c1"), tags={"cost-centre": "7"})
    store.now += HOUR
    done = store.checked()
    assert done.counts[Seen.RULES_CHANGED] == 2
    assert [violated(store, f"c{number}") for number in range(3)] == [["tagged"], [], ["tagged"]]
    assert sorted(row.certificate_id or "" for row in told(store)) == ["c0", "c2"]
    row = told(store)[0]
    assert row.severity == "warning"
    assert row.subject == "[Tocsin] api.example.com does not keep a rule"
    first, detail, *_ = row.message.splitlines()
    assert first == "[PolicyViolation] api.example.com does not keep a rule."
    assert detail == "Tagged: It has no tag cost-centre."
    (found,) = store.inventory.certificates.get("c0").violations
    assert (found.since, found.severity, found.detail) == (store.now, "warning", "It has no tag cost-centre.")


def test_it_is_told_once_and_resolved_when_it_is_gone(store: Store) -> None:
    """Contract 4.12 [T]: one notification; superseded when the rule is kept; another when it is violated again."""
    fill(store, OWNED, count=1)
    for _ in range(3):
        store.now += HOUR
        store.checked()
    (row,) = told(store)
    store.change(a_certificate(id="c0"), tags={"cost-centre": "7"})
    store.now += HOUR
    store.checked()
    assert violated(store, "c0") == []
    (ended,) = told(store)
    assert (ended.id, ended.status, ended.last_error) == (
        row.id,
        Status.SUPERSEDED,
        "the certificate keeps the rule now",
    )
    store.change(a_certificate(id="c0"), tags={})
    store.now += HOUR
    store.checked()
    assert violated(store, "c0") == ["tagged"]
    (again,) = told(store)
    assert (again.id, again.status) == (row.id, Status.PENDING)
    said = [
        (event.detail.get("violates"), event.detail.get("violates_no_more"))
        for event in store.events("certificate_judged")
    ]
    assert said == [("Tagged", None), (None, "Tagged"), ("Tagged", None)]


def test_a_renewed_certificate_that_still_violates_it_is_told_of_again(store: Store) -> None:
    """Once for each certificate, cycle and rule."""
    fill(store, EC, count=1)
    store.now += HOUR
    store.checked()
    since = store.inventory.certificates.get("c0").violations[0].since
    renewed = a_certificate(id="c0")
    before = store.inventory.certificates.get("c0")
    after = before.changed(replace(before, expires_at=renewed.expires_at + 90 * DAY, not_before=store.now), store.now)
    store.lifecycle.change(before, after, "a test")
    store.now += HOUR
    store.checked()
    old, new = told(store)
    assert (old.status, new.status) == (Status.SUPERSEDED, Status.PENDING)
    assert new.severity == "critical"
    assert store.inventory.certificates.get("c0").violations[0].since == since


@pytest.mark.parametrize("how", ["delete", "disable", "leave", "mend"])
def test_a_rule_that_is_gone_is_violated_no_more(store: Store, how: str) -> None:
    fill(store, OWNED, EC)
    store.now += HOUR
    store.checked()
    assert violated(store, "c0") == ["ec", "tagged"]
    match how:
        case "delete":
            store.delete_rule("tagged")
        case "disable":
            store.change_rule(replace(OWNED, is_enabled=False))
        case "leave":
            store.change_rule(replace(OWNED, scope=replace(OWNED.scope, team_id="nobody's")))
        case "mend":
            store.change_rule(a_rule("RequiredMetadata", {"owner": True}, id_="tagged"))
    store.now += HOUR
    store.checked()
    assert violated(store, "c0") == ["ec"]
    assert {row.status for row in told(store) if row.severity == "warning"} == {Status.SUPERSEDED}
    assert {row.status for row in told(store) if row.severity == "critical"} == {Status.PENDING}
    assert not [
        item
        for item in store.items("Inventory")
        if item["pk"]["S"] == "policy#tagged" and "violation" in item["sk"]["S"]
    ]


def test_time_alone_may_violate_a_rule(store: Store) -> None:
    """A lead time: at its instant, which no threshold shares, of what was looked at before the rule came."""
    fill(store, LEAD, count=1)
    certificate = a_certificate()
    store.now += HOUR
    assert store.checked().counts[Seen.RULES_CHANGED] == 0
    for at, names in ((-timedelta(seconds=1), []), (timedelta(), ["lead"]), (HOUR, ["lead"])):
        store.now = certificate.expires_at - 40 * DAY + at
        store.checked()
        assert violated(store, "c0") == names
    assert len(told(store)) == 1
    before = store.inventory.certificates.get("c0")
    after = before.changed(replace(before, expires_at=before.expires_at + 90 * DAY), store.now)
    store.lifecycle.change(before, after, "a test")
    store.checked()
    assert violated(store, "c0") == []
    assert [row.status for row in told(store)] == [Status.SUPERSEDED]


def test_what_is_not_watched_is_violated_by_nothing(store: Store) -> None:
    fill(store, OWNED)
    store.now += HOUR
    store.checked()
    store.lifecycle.delete(store.inventory.certificates.get("c0"), "a test", store.now)
    before = store.inventory.certificates.get("c1")
    archived = before.changed(replace(before, archived_at=store.now), store.now)
    store.lifecycle.change(before, archived, "a test")
    assert store.violating("tagged") == ["c2"]
    store.now += HOUR
    store.checked()
    assert [row.status for row in told(store) if row.certificate_id != "c2"] == [Status.SUPERSEDED] * 2
    back = archived.changed(replace(archived, archived_at=None), store.now)
    store.lifecycle.change(archived, back, "a test")
    store.checked()
    assert store.violating("tagged") == ["c1", "c2"]


@pytest.mark.parametrize("count", [60, RULES_LIMIT])
def test_a_certificate_that_violates_very_many_rules_at_once(store: Store, count: int) -> None:
    """A transaction has 100 actions: more rules take some; each step is whole."""
    fill(store, count=1)
    rules = [a_rule("MinimumKey", {"rsa_bits": 4096 + n}, id_=f"r{n:03}", name=f"{n}") for n in range(count)]
    for rule in rules:
        store.add_rule(rule)
    store.now += HOUR
    store.checked()
    assert len(violated(store, "c0")) == len(told(store)) == count
    store.lifecycle.delete(store.inventory.certificates.get("c0"), "a test", store.now)
    assert not [item for item in store.items("Inventory") if item["sk"]["S"].startswith("violation#")]
    assert {row.status for row in told(store)} == {Status.SUPERSEDED}


def test_a_stack_has_so_many_rules_and_no_more(store: Store) -> None:
    for number in range(RULES_LIMIT):
        store.add_rule(replace(OWNED, id=f"r{number}"))
    with pytest.raises(TooManyError):
        store.add_rule(replace(OWNED, id="one more"))
    store.delete_rule("r7")
    store.add_rule(replace(OWNED, id="one more"))
    assert len(store.inventory.rules.every().things) == RULES_LIMIT


def test_violations_that_there_is_nobody_to_tell_of_are_tried_once_a_day(store: Store) -> None:
    """Else a rule that demands owners would have the whole inventory looked at by each check."""
    owners = a_rule("RequiredMetadata", {"owner": True}, id_="owned")
    store.add_rule(owners)
    store.add(a_certificate(id="c0"))
    assert store.checked().counts[Seen.NO_RECIPIENT] == 1
    assert store.violating("owned") == ["c0"]
    looks = []
    for _ in range(24):
        store.now += HOUR
        looks.append(store.checked().counts[Seen.LOOKED_AT])
    assert looks == [0] * 23 + [1]
    store.change_rule(a_rule("RequiredMetadata", {"tags": ["x"]}, id_="owned"))
    store.add_owner()
    store.change(a_certificate(id="c0"), owner_id="o1")
    store.checked()
    assert [row.recipient for row in told(store)] == ["ada@example.com"]


def test_a_rule_that_cannot_be_read_leaves_what_was_found(store: Store) -> None:
    fill(store, OWNED, count=1)
    store.now += HOUR
    store.checked()
    store.client.update_item(
        TableName=store.names["Inventory"],
        Key={"pk": {"S": "policy#tagged"}, "sk": {"S": "record"}},
        UpdateExpression="SET requirement = :x",
        ExpressionAttributeValues={":x": {"S": "broken"}},
    )
    store.add_rule(EC)
    store.now += HOUR
    done = store.checked()
    assert violated(store, "c0") == ["ec", "tagged"]
    assert [(problem.kind, problem.id) for problem in done.problems] == [("policy", "tagged")]
    assert {row.status for row in told(store)} == {Status.PENDING}


def test_rules_that_the_storage_does_not_give_silence_no_other_alert(store: Store) -> None:
    """Contract 4.12 [T]: no rule keeps a certificate from being told of its expiry. It stays due."""
    store.add_owner()
    store.add_rule(OWNED)
    store.add(a_certificate(id="c0", owner_id="o1", expires_at=T0 + 5 * DAY))

    class Silent:
        """Rules that nobody can read."""

        def every(self) -> Any:
            raise RuntimeError("throttled")

    done = store.checked(rules=compliance.Compliance(Silent(), store.lifecycle))
    assert (done.counts[Seen.RAISED], done.counts[Seen.FAILED]) == (1, 1)
    assert [row.type for row in store.rows()] == ["ExpirationWarning"]
    assert store.checked().counts[Seen.RAISED] == 1
    assert violated(store, "c0") == ["tagged"]
    assert len(told(store)) == 1


def test_a_change_of_rules_is_resumed_and_begun_anew_if_they_change_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pages of a size that is soon written; the time of a check is half for them."""
    monkeypatch.setattr(compliance, "_PAGE", 20)
    store.add_owner()
    watched = a_certificate(owner_id="o1", due_at=T0 + 15 * DAY)
    store.stock(replace(watched, id=f"c{number:04}") for number in range(45))
    store.add_rule(OWNED)

    def one_page() -> Store:
        """Check, with time for one page and for no certificate."""
        time = iter([600.0, 600.0, 600.0] + [0.0] * 10_000)  # the lease, the half that is kept, one page
        store.checked(remaining=lambda: next(time))
        store.now += HOUR
        return store

    left = one_page().watchlist.left_over().rules
    assert left is not None
    assert left.after is not None
    store.change_rule(replace(OWNED, name="another name"))
    begun_anew = store.watchlist.left_over().rules
    assert begun_anew is not None
    assert begun_anew.after is None
    store.watchlist.go_on_with_rules(left, "x")  # of the change before: it says nothing of this one
    store.watchlist.finish_rules(left)
    assert store.watchlist.left_over().rules == begun_anew
    for _ in range(3):
        one_page()
    assert store.watchlist.left_over().rules is None
    store.checked()
    assert len(told(store)) == 45
    assert {row.message.splitlines()[1] for row in told(store)} == {"another name: It has no tag cost-centre."}


@pytest.mark.parametrize("after", [False, True], ids=["before a request", "after a request"])
def test_a_check_that_is_killed_at_any_request_changes_nothing(store: Store, *, after: bool) -> None:
    """A rule is made, then mended: killed at any step, the next check leaves what one that was not killed does."""
    fill(store, OWNED, count=1)

    def requests() -> int:
        with counted_calls(store.client) as calls:
            store.checked()
        return calls.total()

    store.now += HOUR
    totals = [requests()]
    store.change_rule(replace(OWNED, is_enabled=False))
    store.now += HOUR
    totals.append(requests())
    assert [row.status for row in told(store)] == [Status.SUPERSEDED]
    assert min(totals) > 10
    for request in range(max(totals)):
        for is_enabled in (True, False):
            store.change_rule(replace(OWNED, is_enabled=is_enabled))
            store.now += HOUR
            try:
                with dying_at(store.client, request, after=after):
                    store.check()
            except KilledError:
                pass
            for _ in range(2):
                store.now += HOUR
                store.checked()
            assert violated(store, "c0") == (["tagged"] if is_enabled else [])
            (row,) = told(store)
            assert row.status is (Status.PENDING if is_enabled else Status.SUPERSEDED), request


def test_two_checks_tell_it_once(store: Store) -> None:
    """The second one begins when the first one's lease has run out, and the first goes on."""
    fill(store, OWNED, count=2)
    store.now += HOUR
    outer = store.stores()
    inner: list[object] = []

    class Overtaken:
        """The certificates, behind which another check runs to its end just before the first is judged."""

        def __getattr__(self, name: str) -> Any:
            return getattr(outer.certificates, name)

        def fetch(self, ids: list[str]) -> Any:
            found = outer.certificates.fetch(ids)
            if not inner:
                inner.append(None)
                store.now += HOUR
                store.checked()
            return found

    overtaken: Any = Overtaken()
    store.check(stores=replace(outer, certificates=overtaken))
    assert inner
    store.checked()
    assert [violated(store, f"c{number}") for number in range(2)] == [["tagged"]] * 2
    assert sorted(row.certificate_id or "" for row in told(store)) == ["c0", "c1"]
