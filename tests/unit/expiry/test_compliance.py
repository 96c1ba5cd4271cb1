"""How a certificate comes to violate rules: in steps that are each one transaction. Contract 4.12 [T]."""

from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.inventory import DEFAULT, SOMEBODY, T0, a_certificate
from tests.support.rules import a_rule
from tocsin.expiry.compliance import VIOLATIONS_AT_ONCE, Compliance
from tocsin.inventory.audit import Action
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Found, Resolved
from tocsin.inventory.rules.rule import Rule

RESOLVED = Resolved(DEFAULT, SOMEBODY, ())


@dataclass
class Book:
    """Rules, and how often they were read."""

    rules: list[Rule]
    reads: int = 0

    def every(self) -> Found[Rule]:
        self.reads += 1
        return Found({rule.id: rule for rule in self.rules}, {})


@dataclass
class Changes:
    """What was written, in order."""

    written: list[Certificate] = field(default_factory=list)

    def change(self, before: Certificate, after: Certificate, actor: str) -> Action:
        assert actor == "expiry_check"
        assert after.version == before.version + 1
        self.written.append(after)
        return Action.CERTIFICATE_JUDGED


def rules(count: int, first: int = 0) -> list[Rule]:
    """Make rules that a certificate without an owner violates."""
    return [a_rule("RequiredMetadata", {"owner": True}, id_=f"r{n:03}") for n in range(first, first + count)]


def looked_at(certificate: Certificate, count: int, first: int = 0) -> tuple[Certificate, list[Certificate]]:
    """Hold a certificate against so many rules; give it as it is then, and what was written."""
    changes = Changes()
    done = Compliance(Book(rules(count, first)), changes).look(certificate, RESOLVED, T0)
    return done, changes.written


def test_many_rules_take_some_writes_each_of_which_is_small() -> None:
    start = a_certificate()
    violating, up = looked_at(start, 200)
    assert [len(one.violations) for one in up] == [60, 120, 180, 200]
    keeping, down = looked_at(violating, 0)
    assert [len(one.violations) for one in down] == [140, 80, 20, 0]
    assert keeping.violations == ()
    others, across = looked_at(violating, 200, first=200)
    assert {one.rule_id for one in others.violations} == {rule.id for rule in rules(200, 200)}
    for path in ([start, *up], [violating, *down], [violating, *across]):
        for before, after in pairwise(path):
            was, is_ = ({one.rule_id for one in step.violations} for step in (before, after))
            assert 0 < len(was ^ is_) <= VIOLATIONS_AT_ONCE


def test_what_is_judged_as_before_is_not_written() -> None:
    violating, written = looked_at(a_certificate(), 3)
    assert len(written) == 1
    assert looked_at(violating, 3) == (violating, [])


def test_the_rules_are_read_once_and_only_if_something_is_looked_at() -> None:
    book = Book(rules(2))
    compliance = Compliance(book, Changes())
    assert (book.reads, compliance.problems) == (0, ())
    for _ in range(3):
        compliance.look(a_certificate(), RESOLVED, T0)
        compliance.next_look(a_certificate(), RESOLVED, T0)
    assert book.reads == 1
