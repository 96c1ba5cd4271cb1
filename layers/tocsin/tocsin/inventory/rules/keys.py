"""How strong a certificate's key and its signature must be."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar, Self

from tocsin.inventory.certificate import Certificate
from tocsin.inventory.rules.requirement import Reading, Requirement, RuleType

_BITS_LIMIT = 16_384
"""Bits: the largest RSA keys that libraries take."""
_RSA, _EC = "RSA", "EC"
_PATTERN = re.compile(r"[A-Za-z0-9.*-]+")


@dataclass(frozen=True, slots=True)
class MinimumKey(Requirement):
    """Its key is of an allowed kind and long enough, and it is signed with nothing that is forbidden.

    Kinds are `RSA`, `EC`, `Ed25519`, `Ed448`; sizes count bits of the modulus, or of the curve. Signatures are as in
    `SHA1-RSA`, with `*` for any text: `SHA1-*`. All without regard to case.
    Source of what is usual, RSA from 2048 and EC from 256 bits, no SHA-1: CA/Browser Forum, Baseline Requirements,
    6.1.5 and 7.1.3.2.
    """

    rsa_bits: int | None = None
    ec_bits: int | None = None
    kinds: tuple[str, ...] | None = None
    """Null: any."""
    forbidden_signatures: tuple[str, ...] = ()

    type: ClassVar[RuleType] = RuleType.MINIMUM_KEY

    @classmethod
    def read(cls, config: Reading) -> Self:
        """Read `rsa_bits`, `ec_bits`, `kinds` and `forbidden_signatures`."""
        kinds = config.texts("kinds")
        return cls(
            config.count("rsa_bits", 0, _BITS_LIMIT),
            config.count("ec_bits", 0, _BITS_LIMIT),
            None if config.plain("kinds") is None else kinds,
            config.texts("forbidden_signatures", problem=_signature_problem),
        )

    @property
    def config(self) -> dict[str, object]:
        """Give what `read` reads."""
        return {
            "rsa_bits": self.rsa_bits,
            "ec_bits": self.ec_bits,
            "kinds": None if self.kinds is None else list(self.kinds),
            "forbidden_signatures": list(self.forbidden_signatures),
        }

    def violation(self, certificate: Certificate) -> str | None:
        """Say what is too weak."""
        kind, size, signature = certificate.key_kind, certificate.key_size, certificate.signature_algorithm
        if kind and self.kinds is not None and kind.casefold() not in _folded(self.kinds):
            return f"Its key is of the kind {kind}, which is not allowed."
        least = {_RSA: self.rsa_bits, _EC: self.ec_bits}.get(kind.upper())
        if least is not None and size is not None and size < least:
            return f"Its {kind} key has {size} bits, of {least} that it must have."
        if signature and any(fnmatchcase(signature.upper(), one.upper()) for one in self.forbidden_signatures):
            return f"It is signed with {signature}, which is forbidden."
        return None

    def impossible(self) -> str | None:
        """Say that no key can be had, or that nothing is demanded."""
        if self.kinds == ():
            return "It allows no kind of key."
        if any(not one.strip("*") for one in self.forbidden_signatures):
            return "It forbids every signature."
        if not (self.rsa_bits or self.ec_bits or self.kinds or self.forbidden_signatures):
            return "It demands nothing: every certificate keeps it."
        return None

    def clash(self, other: Requirement) -> str | None:
        """Say that both allow no kind in common."""
        if not isinstance(other, MinimumKey) or self.kinds is None or other.kinds is None:
            return None
        return None if _folded(self.kinds) & _folded(other.kinds) else "They allow no kind of key in common."


def _folded(kinds: tuple[str, ...]) -> frozenset[str]:
    return frozenset(kind.casefold() for kind in kinds)


def _signature_problem(text: str) -> str | None:
    return None if _PATTERN.fullmatch(text) else "must be a signature like SHA1-RSA, or SHA1-* for all that begin so"
