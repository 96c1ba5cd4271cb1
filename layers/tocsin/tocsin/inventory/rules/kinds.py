"""The kinds of rules: a new one is a module, a name in `RuleType`, and a line here."""

from collections.abc import Mapping

from tocsin.errors import FieldProblem
from tocsin.inventory.rules.domains import AllowedDomains
from tocsin.inventory.rules.issuers import AllowedIssuers
from tocsin.inventory.rules.keys import MinimumKey
from tocsin.inventory.rules.metadata import AllowedEnvironments, RequiredMetadata
from tocsin.inventory.rules.requirement import Reading, Requirement, RuleType
from tocsin.inventory.rules.times import MaximumLifetime, RenewalLeadTime

KINDS: Mapping[RuleType, type[Requirement]] = {
    kind.type: kind
    for kind in (
        AllowedIssuers,
        AllowedDomains,
        RequiredMetadata,
        AllowedEnvironments,
        RenewalLeadTime,
        MinimumKey,
        MaximumLifetime,
    )
}


def read_requirement(type_: str, config: Mapping[str, object], problems: list[FieldProblem]) -> Requirement:
    """Read a demand as an operator writes it; add to `problems` every field that is wrong."""
    if type_ not in set(RuleType):
        problems.append(FieldProblem("type", f"must be one of {', '.join(RuleType)}"))
        return RequiredMetadata()
    reading = Reading(config, problems)
    requirement = KINDS[RuleType(type_)].read(reading)
    reading.finish()
    return requirement
