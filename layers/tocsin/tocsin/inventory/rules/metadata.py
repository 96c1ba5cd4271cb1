"""What must be known of a certificate, and where it may be used."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from tocsin.inventory.certificate import Certificate
from tocsin.inventory.rules.requirement import Reading, Requirement, RuleType, quoted
from tocsin.inventory.tags import KEY_LIMIT, tag_problems


@dataclass(frozen=True, slots=True)
class RequiredMetadata(Requirement):
    """It has these tags, whatever they say; and an owner, a team, an environment, where that is demanded."""

    tags: tuple[str, ...] = ()
    has_owner: bool = False
    has_team: bool = False
    has_environment: bool = False

    type: ClassVar[RuleType] = RuleType.REQUIRED_METADATA

    @classmethod
    def read(cls, config: Reading) -> Self:
        """Read `tags`, `owner`, `team` and `environment`."""
        tags = config.texts("tags", limit=KEY_LIMIT, problem=_key_problem)
        return cls(tags, config.flag("owner"), config.flag("team"), config.flag("environment"))

    @property
    def config(self) -> dict[str, object]:
        """Give what `read` reads."""
        said = {"owner": self.has_owner, "team": self.has_team, "environment": self.has_environment}
        return {"tags": list(self.tags), **said}

    def violation(self, certificate: Certificate) -> str | None:
        """Name what it lacks."""
        lacking = list(self._lacking(certificate))
        return f"It has {quoted(lacking, 10)}." if lacking else None

    def _lacking(self, certificate: Certificate) -> Iterator[str]:
        if self.has_owner and certificate.owner_id is None:
            yield "no owner"
        if self.has_team and certificate.team_id is None:
            yield "no team"
        if self.has_environment and not certificate.environment:
            yield "no environment"
        yield from (f"no tag {key}" for key in self.tags if key not in certificate.tags)

    def impossible(self) -> str | None:
        """Say that nothing is demanded."""
        is_empty = not (self.tags or self.has_owner or self.has_team or self.has_environment)
        return "It demands nothing: every certificate keeps it." if is_empty else None


def _key_problem(key: str) -> str | None:
    return next((one.detail for one in tag_problems({key: ""})), None)


@dataclass(frozen=True, slots=True)
class AllowedEnvironments(Requirement):
    """Its environment is one of these, as it is written."""

    environments: tuple[str, ...] = ()

    type: ClassVar[RuleType] = RuleType.ALLOWED_ENVIRONMENTS

    @classmethod
    def read(cls, config: Reading) -> Self:
        """Read `environments`."""
        return cls(config.texts("environments", is_required=True))

    @property
    def config(self) -> dict[str, object]:
        """Give what `read` reads."""
        return {"environments": list(self.environments)}

    def violation(self, certificate: Certificate) -> str | None:
        """Say that it is used elsewhere."""
        if not certificate.environment or certificate.environment in self.environments:
            return None
        return f"Its environment is {certificate.environment}, which is not allowed."

    def impossible(self) -> str | None:
        """Say that none is allowed."""
        return None if self.environments else "It allows no environment."

    def clash(self, other: Requirement) -> str | None:
        """Say that both allow none in common."""
        if not isinstance(other, AllowedEnvironments) or set(self.environments) & set(other.environments):
            return None
        return "They allow no environment in common."
