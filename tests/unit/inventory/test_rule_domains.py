"""Which names a rule of domains allows. Contract 4.12 [T]."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.inventory import T0, a_certificate
from tests.support.rules import a_rule
from tocsin.errors import InvalidFieldsError
from tocsin.inventory.rules.domains import AllowedDomains, names_of, normal

ASCII_LABELS = st.from_regex(re.compile(r"[a-z0-9]([a-z0-9]{0,8}[a-z0-9])?", re.ASCII), fullmatch=True)
INTERNATIONAL = st.sampled_from(["bücher", "münchen", "παράδειγμα", "例え", "пример"])
LABELS = st.one_of(ASCII_LABELS, INTERNATIONAL)
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


def allows(domains: list[str], *names: str, **certificate: str) -> bool:
    """Tell whether a certificate of these names keeps the rule."""
    rule = a_rule("AllowedDomains", {"domains": domains})
    return rule.violation(a_certificate(**{"common_name": "a person", "names": names} | certificate), T0) is None


@pytest.mark.parametrize(
    ("domain", "name", "is_allowed"),
    [
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com.", True),
        ("example.com", "a.example.com", False),
        ("example.com", "example.com.evil.test", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "*.a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*.example.com", ".example.com", False),
        ("a.example.com", "*.example.com", False),  # which is good for other names too
        ("bücher.example", "xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "BÜCHER.example", True),
        ("*.bücher.example", "a.xn--bcher-kva.example", True),
        ("bücher.example", "bucher.example", False),
        ("straße.example", "xn--strae-oqa.example", True),
        ("straße.example", "strasse.example", False),
        ("example.com", "ada@example.com", True),
        ("example.com", "https://example.com:8443/x?y=@z", True),
        ("example.com", "spiffe://example.com/workload", True),
        ("example.com", "https://example.com@evil.test/", False),
        ("example.com", "http://[::1", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("*.example.com", "192.0.2.1", False),
        ("2001:db8::1", "2001:db8::1", True),
        ("_dmarc.example.com", "_dmarc.example.com", True),
        ("localhost", "localhost", True),
    ],
)
def test_a_name(domain: str, name: str, *, is_allowed: bool) -> None:
    assert allows([domain], name) == is_allowed


def test_every_name_has_to_be_allowed() -> None:
    assert allows(["a.test", "*.b.test"], "a.test", "x.b.test")
    rule = a_rule("AllowedDomains", {"domains": ["a.test"]})
    names = ("a.test", *(f"{number}.test" for number in range(8)))
    assert rule.violation(a_certificate(common_name="a.test", names=names), T0) == (
        "It has names that are not allowed: 0.test, 1.test, 2.test, 3.test, 4.test and 3 more."
    )
    one = rule.violation(a_certificate(common_name="a.test", names=("a.test", "b.test")), T0)
    assert one == "It has a name that is not allowed: b.test."


@pytest.mark.parametrize(
    ("common_name", "names", "judged"),
    [
        ("Ada Lovelace", ("a.test",), ("a.test",)),  # a person's, which is no name of a server
        ("b.test", ("a.test",), ("b.test", "a.test")),
        ("a.test", ("a.test",), ("a.test",)),
        ("Ada Lovelace", (), ("Ada Lovelace",)),  # there is nothing else
        ("Example Ltd. (Root)", ("a.test",), ("a.test",)),
    ],
)
def test_a_common_name_counts_if_it_is_a_domain(
    common_name: str, names: tuple[str, ...], judged: tuple[str, ...]
) -> None:
    assert names_of(a_certificate(common_name=common_name, names=names)) == judged


@given(DOMAINS, st.booleans())
def test_a_domain_allows_itself_however_it_is_written(domain: str, is_upper: bool) -> None:
    written = domain.upper() if is_upper else domain
    assert allows([domain], written)
    assert allows([domain], f"{written}.")
    assert allows([normal(domain)], written)
    assert allows([domain], normal(written))


@given(DOMAINS, LABELS, LABELS)
def test_what_is_below_is_allowed_by_the_star_alone(domain: str, label: str, other: str) -> None:
    for name in (f"{label}.{domain}", f"{other}.{label}.{domain}", f"*.{domain}", f"*.{label}.{domain}"):
        assert allows([f"*.{domain}"], name)
        assert not allows([domain], name)
    assert not allows([f"*.{domain}"], domain)
    assert not allows([f"*.{domain}"], f"x{domain}")


@given(DOMAINS)
def test_normal_writes_in_one_way(domain: str) -> None:
    assert normal(normal(domain)) == normal(domain)
    assert normal(domain).isascii()


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    """Names of certificates are foreign: whatever they are, the rule answers."""
    allows(["example.com", "*.example.com"], text, common_name=text)
    with suppress(InvalidFieldsError):
        a_rule("AllowedDomains", {"domains": [text]})


@given(st.lists(st.tuples(st.booleans(), DOMAINS), min_size=1, max_size=3), DOMAINS)
def test_two_rules_clash_only_where_nothing_keeps_both(patterns: list[tuple[bool, str]], name: str) -> None:
    """Whatever both allow, nobody is warned that they allow nothing in common."""
    domains = [f"*.{domain}" if is_star else domain for is_star, domain in patterns]
    one, two = AllowedDomains(tuple(domains)), AllowedDomains((name, f"*.{name}"))
    assert one.clash(two) == two.clash(one)
    for tried in (name, f"a.{name}", *(domain.replace("*", "a") for domain in domains)):
        certificate = a_certificate(common_name="", names=(tried,))
        if one.violation(certificate) is None and two.violation(certificate) is None:
            assert one.clash(two) is None
