"""What is wrong with a rule beside its fields: no certificate can keep it, alone or beside another one."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from tocsin.inventory.rules.issuers import AllowedIssuers
from tocsin.inventory.rules.metadata import AllowedEnvironments
from tocsin.inventory.rules.requirement import quoted
from tocsin.inventory.rules.rule import Rule
from tocsin.inventory.rules.times import no_time_between


def warnings_of(rule: Rule, others: Iterable[Rule], now: datetime) -> Iterator[str]:
    """Say in a sentence each why nothing, or everything, can keep `rule`, also beside the enabled ones of `others`.

    Only what is sure is said: a rule without a warning may still be one that nothing keeps.
    """
    if (impossible := rule.requirement.impossible()) is not None:
        yield impossible
    here = rule.scope.environment
    allowed = rule.requirement
    if isinstance(allowed, AllowedEnvironments) and here is not None and here not in allowed.environments:
        yield f"It is of certificates in {here}, which it does not allow."
    for other in others:
        if other.id == rule.id or not (rule.is_enabled and other.is_enabled and rule.scope.meets(other.scope)):
            continue
        clash = rule.requirement.clash(other.requirement) or no_time_between(rule.requirement, other.requirement, now)
        if impossible is None and clash is not None:
            yield f"No certificate can keep both this and {other.name} ({other.id}). {clash}"


def unknown_issuers(rule: Rule, seen: Collection[str]) -> Iterator[str]:
    """Say which of the issuers that `rule` allows is nobody of `seen`, who issued the certificates that there are."""
    allowed = rule.requirement
    if not isinstance(allowed, AllowedIssuers):
        return
    unknown = [one for one in allowed.issuers if not any(allowed.names(one, name) for name in seen)]
    if unknown:
        yield f"No certificate is from {quoted(unknown)}."
