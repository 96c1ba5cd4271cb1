"""Who may have issued a certificate."""

from dataclasses import dataclass
from typing import ClassVar, Self

from tocsin.inventory.certificate import LINE_LIMIT, Certificate
from tocsin.inventory.rules.requirement import Reading, Requirement, RuleType

_CONTAINS, _EXACT = "contains", "exact"


@dataclass(frozen=True, slots=True)
class AllowedIssuers(Requirement):
    """One of these issued it, by the name that its source gives its issuer: `CN=R11,O=Let's Encrypt,C=US`, `Amazon`.

    `contains`: one of them is somewhere in the name, in upper or lower case. `exact`: one of them is the name.
    """

    issuers: tuple[str, ...] = ()
    is_exact: bool = False

    type: ClassVar[RuleType] = RuleType.ALLOWED_ISSUERS

    @classmethod
    def read(cls, config: Reading) -> Self:
        """Read `issuers` and `match`."""
        issuers = config.texts("issuers", is_required=True, limit=LINE_LIMIT)
        return cls(issuers, config.choice("match", (_CONTAINS, _EXACT)) == _EXACT)

    @property
    def config(self) -> dict[str, object]:
        """Give what `read` reads."""
        return {"issuers": list(self.issuers), "match": _EXACT if self.is_exact else _CONTAINS}

    def violation(self, certificate: Certificate) -> str | None:
        """Say that somebody else issued it."""
        if not certificate.issuer or any(self.names(issuer, certificate.issuer) for issuer in self.issuers):
            return None
        return f"Its issuer is {certificate.issuer}, which is not allowed."

    def names(self, issuer: str, name: str) -> bool:
        """Tell whether `issuer`, one of those that are allowed, means the one of this name."""
        return issuer == name if self.is_exact else issuer.casefold() in name.casefold()

    def impossible(self) -> str | None:
        """Say that nobody is allowed."""
        return None if self.issuers else "It allows no issuer."

    def clash(self, other: Requirement) -> str | None:
        """Say that both allow nobody in common; of parts of names that can't be told."""
        if not isinstance(other, AllowedIssuers):
            return None
        if self.is_exact and other.is_exact:
            disjoint = not set(self.issuers) & set(other.issuers)
        elif self.is_exact or other.is_exact:
            exact, parts = (self, other) if self.is_exact else (other, self)
            disjoint = not any(parts.names(part, name) for name in exact.issuers for part in parts.issuers)
        else:
            return None
        return "They allow no issuer in common." if disjoint else None
