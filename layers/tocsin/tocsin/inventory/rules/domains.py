"""Which names a certificate may have."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import ClassVar, Self
from urllib.parse import urlsplit

from tocsin.inventory.certificate import Certificate
from tocsin.inventory.rules.requirement import Reading, Requirement, RuleType, quoted

_ANY_BELOW = "*."
_NAME_LIMIT = 253
"""Characters of a whole name (RFC 1035, 2.3.4, as text)."""
_REMEMBERED = 10_000
"""Names that are not read again: those of an inventory repeat."""
_LABEL = re.compile("[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
"""A label as servers have it (RFC 1123, 2.1), with underscores, which certificates of others have."""


@dataclass(frozen=True, slots=True)
class AllowedDomains(Requirement):
    """Each of its names is one of these: `example.com` itself, or, by `*.example.com`, any name below it.

    Below means at any depth, wildcards included: `*.example.com` allows `a.example.com`, `a.b.example.com` and
    `*.example.com`, and not `example.com`. Upper and lower case, and both ways of writing an international name
    (RFC 5890, 2.3.2.1: A-labels and U-labels), are the same.
    """

    domains: tuple[str, ...] = ()

    type: ClassVar[RuleType] = RuleType.ALLOWED_DOMAINS

    @classmethod
    def read(cls, config: Reading) -> Self:
        """Read `domains`."""
        return cls(config.texts("domains", is_required=True, problem=_pattern_problem))

    @property
    def config(self) -> dict[str, object]:
        """Give what `read` reads."""
        return {"domains": list(self.domains)}

    def violation(self, certificate: Certificate) -> str | None:
        """Name those of its names that are not allowed."""
        patterns = _patterns(self.domains)
        others = [name for name in names_of(certificate) if not _allows(patterns, host_of(name))]
        if not others:
            return None
        return f"It has {'a name that is' if len(others) == 1 else 'names that are'} not allowed: {quoted(others)}."

    def impossible(self) -> str | None:
        """Say that no name is allowed."""
        return None if self.domains else "It allows no domain."

    def clash(self, other: Requirement) -> str | None:
        """Say that both allow no name in common."""
        if not isinstance(other, AllowedDomains):
            return None
        pairs = ((normal(one), normal(two)) for one in self.domains for two in other.domains)
        return None if any(_meet(one, two) for one, two in pairs) else "They allow no domain in common."


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """Give the names that a certificate is for: its alternative names, and its common name if that is a domain.

    A common name is any text, as in a client's certificate; where nothing else is there, it is taken as it is.
    """
    common = certificate.common_name
    if not certificate.names:
        return (common,)
    is_another = "." in common and common not in certificate.names and _pattern_problem(common) is None
    return (*((common,) if is_another else ()), *certificate.names)


@lru_cache(_REMEMBERED)
def host_of(name: str) -> str:
    """Give the domain or address in an alternative name, also of a mail address or a URI, as `normal` writes it."""
    if "://" in name:
        try:
            return normal(urlsplit(name).hostname or name)
        except ValueError:
            return normal(name)
    return normal(name.rpartition("@")[2])


def normal(name: str) -> str:
    """Write a name or pattern in one way: lower case, international labels as A-labels, without the root's dot.

    What is no name is written in lower case, and matches only itself.
    """
    lower = name.strip().lower().removesuffix(".")  # a casefolded "ß" would be another name (RFC 5894, 7.2)
    if lower.isascii():
        return lower
    import idna  # noqa: PLC0415 - most names are ASCII, and need none of its tables

    below, start, rest = lower.rpartition(_ANY_BELOW) if lower.startswith(_ANY_BELOW) else ("", "", lower)
    try:
        return below + start + idna.encode(rest, uts46=True).decode()
    except idna.IDNAError:
        return lower


@lru_cache(_REMEMBERED)
def _patterns(domains: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Give the names that are allowed, and the ends that allowed ones have."""
    normals = [normal(domain) for domain in domains]
    ends = tuple(one[1:] for one in normals if one.startswith(_ANY_BELOW))
    return frozenset(one for one in normals if not one.startswith(_ANY_BELOW)), ends


def _allows(patterns: tuple[frozenset[str], tuple[str, ...]], host: str) -> bool:
    names, ends = patterns
    return host in names or any(host.endswith(end) and len(host) > len(end) for end in ends)


def _meet(one: str, two: str) -> bool:
    """Tell whether some name is allowed by both of two patterns."""
    if one == two:
        return True
    if one.startswith(_ANY_BELOW) and two.startswith(_ANY_BELOW):
        return one.endswith(two[1:]) or two.endswith(one[1:])
    below, name = (one, two) if one.startswith(_ANY_BELOW) else (two, one)
    return below.startswith(_ANY_BELOW) and name.endswith(below[1:]) and len(name) >= len(below)


def _pattern_problem(text: str) -> str | None:
    """Say why a text is no domain, no `*.domain` and no address."""
    written = normal(text)
    try:
        ip_address(written)
    except ValueError:
        pass
    else:
        return None
    name = written.removeprefix(_ANY_BELOW)
    if len(name) <= _NAME_LIMIT and all(_LABEL.fullmatch(label) for label in name.split(".")):
        return None
    return "must be a domain like example.com, or *.example.com for all names below it"
