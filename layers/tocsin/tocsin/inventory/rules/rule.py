"""A rule: what is demanded, of which certificates, and how severe it is not to keep it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tocsin.delivery.notification import Severity
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.certificate import NAME_LIMIT, Certificate
from tocsin.inventory.rules.kinds import read_requirement
from tocsin.inventory.rules.requirement import Requirement
from tocsin.inventory.tags import tag_problems
from tocsin.inventory.versioned import Versioned
from tocsin.text import line_problem

RULES_LIMIT = 200
"""Rules of one stack: each certificate is held against all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Of which certificates it is demanded: all that are given must be so; none: of all."""

    owner_id: str | None = None
    team_id: str | None = None
    policy_id: str | None = None
    """Of those that follow this renewal policy."""
    environment: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def has(self, certificate: Certificate) -> bool:
        """Tell whether `certificate` is in it."""
        return all(getattr(self, name) in (None, getattr(certificate, name)) for name in _SCOPED) and all(
            certificate.tags.get(key) == value for key, value in self.tags.items()
        )

    def meets(self, other: "Scope") -> bool:
        """Tell whether a certificate can be in both."""
        pairs = [(getattr(self, name), getattr(other, name)) for name in _SCOPED]
        pairs += [(value, other.tags.get(key)) for key, value in self.tags.items()]
        return all(one is None or two is None or one == two for one, two in pairs)


_SCOPED = ("owner_id", "team_id", "policy_id", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Versioned):
    """What certificates have to be."""

    name: str
    requirement: Requirement
    severity: Severity = Severity.WARNING
    """How severe a violation is, whatever the renewal policy of the certificate says of such events."""
    is_enabled: bool = True
    scope: Scope = field(default_factory=Scope)

    @property
    def judges_as(self) -> tuple[object, ...] | None:
        """Give all that certificates are judged by, and all that is told; null: by nothing."""
        return (self.name, self.requirement, self.severity, self.scope) if self.is_enabled else None

    def violation(self, certificate: Certificate, now: datetime) -> str | None:
        """Say in a sentence why `certificate` violates it at `now`; null: it does not, or need not keep it."""
        at = self.changes_at(certificate)
        if not self._is_of(certificate) or (at is not None and now < at):
            return None
        return self.requirement.violation(certificate)

    def changes_at(self, certificate: Certificate) -> datetime | None:
        """Give the instant at which time alone makes `certificate` violate it; null: time changes nothing."""
        return self.requirement.begins_at(certificate) if self._is_of(certificate) else None

    def _is_of(self, certificate: Certificate) -> bool:
        is_held = (
            certificate.is_watched and certificate.source.is_certificate
        )  # a secret, a domain has no issuer, no key
        return self.is_enabled and is_held and self.scope.has(certificate)


def parse_rule(
    id_: str,
    name: str,
    now: datetime,
    *,
    type_: str,
    config: Mapping[str, object],
    severity: Severity = Severity.WARNING,
    is_enabled: bool = True,
    scope: Mapping[str, Any] | None = None,
) -> Rule:
    """Read a rule as an operator writes it; raise InvalidFieldsError naming every field that is wrong."""
    problems: list[FieldProblem] = []
    if name_problem := line_problem(name, NAME_LIMIT) or (None if name else "is empty"):
        problems.append(FieldProblem("name", name_problem))
    requirement = read_requirement(type_, config, problems)
    problems += _scope_problems(scope or {})
    if problems:
        raise InvalidFieldsError(problems)
    return Rule(
        id=id_,
        name=name,
        created_at=now,
        updated_at=now,
        requirement=requirement,
        severity=severity,
        is_enabled=is_enabled,
        scope=Scope(**(scope or {})),
    )


def _scope_problems(scope: Mapping[str, Any]) -> list[FieldProblem]:
    texts = [(name, text) for name in _SCOPED if (text := scope.get(name)) is not None]
    found = [
        FieldProblem(name, problem)
        for name, text in texts
        if (problem := line_problem(text, NAME_LIMIT) or (None if text else "is empty"))
    ]
    found += tag_problems(scope.get("tags") or {})
    return [FieldProblem(f"scope.{one.field}", one.detail) for one in found]
