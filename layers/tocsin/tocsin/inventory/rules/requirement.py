"""What a rule demands of a certificate, and how a demand is read as an operator writes it.

What is not known of a certificate violates nothing: no demand can be held against a key that nobody has seen. That
something must be known is a demand of its own (`metadata.RequiredMetadata`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

from tocsin.errors import FieldProblem
from tocsin.inventory.certificate import Certificate
from tocsin.text import line_problem

LIST_LIMIT = 100
"""Entries of a list in a demand."""
ENTRY_LIMIT = 256
"""Characters in one of them: a DNS name has 253 at most."""


class RuleType(StrEnum):
    """The kinds of demands."""

    ALLOWED_ISSUERS = "AllowedIssuers"
    ALLOWED_DOMAINS = "AllowedDomains"
    REQUIRED_METADATA = "RequiredMetadata"
    ALLOWED_ENVIRONMENTS = "AllowedEnvironments"
    RENEWAL_LEAD_TIME = "RenewalLeadTime"
    MINIMUM_KEY = "MinimumKey"
    MAXIMUM_LIFETIME = "MaximumLifetime"


class Requirement(ABC):
    """One demand. It changes by being replaced."""

    __slots__ = ()

    type: ClassVar[RuleType]

    @classmethod
    @abstractmethod
    def read(cls, config: "Reading") -> Self:
        """Read it; what is wrong is added to the problems of `config`, and something stands in for it."""

    @property
    @abstractmethod
    def config(self) -> dict[str, object]:
        """Give what `read` reads, with its defaults written out."""

    @abstractmethod
    def violation(self, certificate: Certificate) -> str | None:
        """Say in a sentence why `certificate` does not keep it; null: it does, or that is not known.

        The sentence is the same as long as the reason is. Where time decides, it is true from `begins_at` on.
        """

    def begins_at(self, certificate: Certificate) -> datetime | None:  # noqa: ARG002 - for those that time decides
        """Give the instant from which on a violation is one; null: it always is."""
        return None

    def impossible(self) -> str | None:
        """Say in a sentence why no certificate can keep it, or why every one does; null: neither is sure."""
        return None

    def clash(self, other: "Requirement") -> str | None:  # noqa: ARG002 - for those that know one
        """Say in a sentence why no certificate can keep both; null: that is not sure.

        Each kind speaks of its own kind only.
        """
        return None


@dataclass(slots=True)
class Reading:
    """A demand as an operator writes it, and what was found to be wrong with it."""

    config: Mapping[str, object]
    problems: list[FieldProblem] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def texts(
        self,
        name: str,
        *,
        default: Sequence[str] = (),
        is_required: bool = False,
        limit: int = ENTRY_LIMIT,
        problem: Callable[[str], str | None] = lambda _text: None,
    ) -> tuple[str, ...]:
        """Read a list of texts, each of one line and at most `limit` characters; `problem` may know more."""
        found = self._value(name, None)
        if found is None:
            if is_required:
                self.wrong(name, "is missing")
            return tuple(default)
        if not isinstance(found, list | tuple):
            self.wrong(name, "must be a list of texts")
            return tuple(default)
        if len(found) > LIST_LIMIT:
            self.wrong(name, f"has more than {LIST_LIMIT} entries")
            return tuple(default)
        for number, text in enumerate(found):
            if wrong := _text_problem(text, limit) or problem(text):
                self.wrong(f"{name}.{number}", wrong)
            elif text in found[:number]:
                self.wrong(f"{name}.{number}", "is repeated")
        return tuple(text for text in found if isinstance(text, str))

    def flag(self, name: str) -> bool:
        """Read true or false; false unless it is said."""
        found = self._value(name, default=False)
        if not isinstance(found, bool):
            self.wrong(name, "must be true or false")
        return found is True

    def count(self, name: str, lowest: int, highest: int) -> int | None:
        """Read a whole number; null unless it is said."""
        found = self._value(name, None)
        if found is None:
            return None
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if is_number and found == found // 1 and lowest <= found <= highest:
            return int(found)
        self.wrong(name, f"must be a whole number from {lowest} to {highest}")
        return None

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Read one of `choices`; the first one unless it is said."""
        found = self._value(name, choices[0])
        if found not in choices:
            self.wrong(name, f"must be one of {', '.join(choices)}")
            return choices[0]
        return str(found)

    def plain(self, name: str) -> object:
        """Give what was said, as it is; null where nothing was."""
        return self._value(name, None)

    def wrong(self, name: str, detail: str) -> None:
        """Note that a field is wrong."""
        self.problems.append(FieldProblem(f"config.{name}", detail))

    def finish(self) -> None:
        """Note each field that nobody has read: a word that is misspelt must not mean its default."""
        for name in self.config:
            if name not in self._known:
                self.wrong(str(name)[:ENTRY_LIMIT], "is not known")

    def _value(self, name: str, default: object) -> Any:  # noqa: ANN401 - JSON is what it is
        self._known.add(name)
        return self.config.get(name, default)


def _text_problem(text: object, limit: int) -> str | None:
    if not isinstance(text, str):
        return "must be a text"
    return line_problem(text, limit) or (None if text.strip() else "is empty")


def quoted(texts: Sequence[str], shown: int = 5) -> str:
    """Name the first few of many texts, for a sentence."""
    more = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more
