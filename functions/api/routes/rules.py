"""Routes of rules, which the API has as policies: CRUD, and the certificates that violate each."""

from itertools import islice

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from bodies.rules import OneRuleOut, RuleIn, RuleList, RuleOut, ViolatingList, ViolatingOut
from paging import Cursor, Limit, turn
from versioned import Collection, IfMatch

from tocsin.bootstrap import inventory, resources
from tocsin.inventory.audit import Kind
from tocsin.inventory.rules.clashes import unknown_issuers, warnings_of
from tocsin.inventory.rules.issuers import AllowedIssuers
from tocsin.inventory.rules.rule import Rule

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped

ISSUERS_LIMIT = 1_000
"""Issuers that are looked at for one that a rule names; where there are more, nobody is warned."""


def _shown(rule: Rule) -> OneRuleOut:
    """Show a rule, and what is wrong with it."""
    others = inventory.records().rules.every().things.values()
    return OneRuleOut.of(rule).warned([*warnings_of(rule, others, resources.now()), *_unknown_issuers(rule)])


def _unknown_issuers(rule: Rule) -> list[str]:
    if not isinstance(rule.requirement, AllowedIssuers):
        return []
    issuers = [*islice(inventory.issuers().every(), ISSUERS_LIMIT + 1)]
    if len(issuers) > ISSUERS_LIMIT:
        return []
    return [*unknown_issuers(rule, {one.name for one in issuers if one.live > 0})]


_RULES = Collection("/policies", Kind.RULE, router, lambda: inventory.records().rules, RuleIn.parsed, _shown)


@router.get("/policies")
def list_rules(limit: Limit = 50, cursor: Cursor = None) -> RuleList:
    """List the rules that certificates must keep, by creation."""
    found, after = turn(lambda place: inventory.lists().rules(limit, place), "policies", cursor)
    return RuleList(items=[RuleOut.of(rule) for rule in found], next_cursor=after)


@router.post("/policies")
def create(new: RuleIn) -> Response[OneRuleOut]:
    """Write a rule. The next check holds every certificate against it; `warnings` say if none can keep it."""
    return _RULES.create(new)


@router.get("/policies/<id>")
def get(id: str) -> Response[OneRuleOut]:
    """Read one rule, as it is now."""
    return _RULES.get(id)


@router.put("/policies/<id>")
def put(id: str, body: RuleIn, if_match: IfMatch = None) -> Response[OneRuleOut]:
    """Replace a rule. The next check holds every certificate against it anew."""
    return _RULES.put(id, body, if_match)


@router.delete("/policies/<id>")
def delete(id: str, if_match: IfMatch = None) -> Response[str]:
    """Delete a rule. What violates it does so no more, from the next check on."""
    return _RULES.delete(id, if_match)


@router.get("/policies/<id>/violations")
def list_violations(id: str, limit: Limit = 50, cursor: Cursor = None) -> ViolatingList:
    """List the certificates that violate a rule, by their ids, as the last check saw it."""
    rules = inventory.records().rules
    rules.get(id)
    found, after = turn(lambda place: rules.violations(id, limit, place), f"violations of {id}", cursor)
    return ViolatingList(items=[ViolatingOut.of(one, id) for one in found], next_cursor=after)
