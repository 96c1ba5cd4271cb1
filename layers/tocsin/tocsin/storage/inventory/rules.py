"""Rules in the Inventory table, and the certificates that violate each.

| pk                 | sk                           | what                                               |
|--------------------|------------------------------|----------------------------------------------------|
| `policy#<rule id>` | `record`                     | the rule                                           |
| `policy#<rule id>` | `violation#<certificate id>` | a key alone: this certificate violates it          |
| `policy`           | `all`                        | the ids of all rules, which bounds how many can be |

A check must not miss a rule that was written a moment ago, so it goes by the item of all ids, and by no index.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tocsin.delivery.notification import Severity
from tocsin.errors import FieldProblem, TocsinError, TooManyError
from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Found
from tocsin.inventory.rules.kinds import read_requirement
from tocsin.inventory.rules.metadata import RequiredMetadata
from tocsin.inventory.rules.requirement import Requirement
from tocsin.inventory.rules.rule import RULES_LIMIT, Rule, Scope
from tocsin.storage.audit import AuditTrail
from tocsin.storage.codec import EPOCH, FLAG, INSTANT, NUMBER, TEXT, Codec, Column, Form, Item, json_form, required
from tocsin.storage.inventory.items import CERTIFICATE, key, listed_item
from tocsin.storage.inventory.pointers import VIOLATION
from tocsin.storage.inventory.records import Layout, Records
from tocsin.storage.inventory.watchlist import judging_anew
from tocsin.storage.paging import HIGHEST, Index, Page, Reader, batch_get, page
from tocsin.storage.transaction import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ALL: Any = {"pk": {"S": str(Kind.RULE)}, "sk": {"S": "all"}}
_COLLECTION = Index(None, "pk", "sk")


def _plain_requirement(requirement: Requirement) -> dict[str, Any]:
    return {"type": requirement.type, "config": requirement.config}


def _read_requirement(plain: dict[str, Any]) -> Requirement:
    problems: list[FieldProblem] = []
    requirement = read_requirement(plain["type"], plain["config"], problems)
    if problems:
        raise ValueError(problems[0].field)
    return requirement


def _plain_scope(scope: Scope) -> dict[str, Any]:
    values = {name: getattr(scope, name) for name in Scope.__dataclass_fields__}
    return {name: value for name, value in values.items() if value}


RULE = Codec(
    Rule,
    (
        required("id", TEXT, ""),
        required("created_at", INSTANT, EPOCH),
        required("updated_at", INSTANT, EPOCH),
        required("version", NUMBER, 0),
        required("name", TEXT, ""),
        required("requirement", json_form(_plain_requirement, _read_requirement), RequiredMetadata()),
        required("severity", Form("S", str, Severity), Severity.WARNING),
        required("is_enabled", FLAG, blank=True, attribute="enabled"),
        Column("scope", json_form(_plain_scope, lambda plain: Scope(**plain)), Scope()),
    ),
)
_RULES: Layout[Rule] = Layout(
    kind=Kind.RULE,
    codec=RULE,
    item=lambda rule: listed_item(Kind.RULE, RULE.encode(rule)),
    index_keys=frozenset({"listed_in", "list_key"}),
    references=lambda _rule: frozenset(),
)


class RuleRecords(Records[Rule]):
    """Rules: one that changes has all certificates held against them anew, by the check."""

    def __init__(self, client: "DynamoDBClient", table: str, audit: AuditTrail) -> None:
        """Use `client` (low-level) and the Inventory `table`; tell `audit` of every change."""
        super().__init__(client, table, audit, _RULES)

    def every(self) -> Found[Rule]:
        """Read all rules, as they are now: a request, and one for each hundred of them."""
        answer = self._client.get_item(TableName=self._table, Key=_ALL, ConsistentRead=True)
        return self.fetch(answer.get("Item", {}).get("ids", {}).get("SS", []))

    def violations(self, rule_id: str, limit: int, after: str | None) -> Page[Certificate]:
        """Give up to `limit` certificates that violate the rule behind the key `after`, by their ids."""
        reader = _Violating(
            self._client,
            self._table,
            _COLLECTION,
            (key(Kind.RULE, rule_id)["pk"]["S"],),
            bounds=(VIOLATION, f"{VIOLATION}{HIGHEST}"),
            is_forward=True,
        )
        return page(
            reader,
            CERTIFICATE.salvage,
            lambda certificate: any(one.rule_id == rule_id for one in certificate.violations),
            limit,
            after,
        )

    def _refusal(self, thing: Rule, refused: RefusedError) -> TocsinError:
        if 0 in refused.failed:
            return super()._refusal(thing, refused)
        return TooManyError(f"A stack has {RULES_LIMIT} rules at most.")

    def _further(self, before: Rule | None, after: Rule | None) -> list[dict[str, Any]]:
        actions = []
        if before is None and after is not None:
            actions.append(_registered(self._table, after))
        if after is None and before is not None:
            actions.append(_unregistered(self._table, before))
        was, is_ = (rule.judges_as if rule is not None else None for rule in (before, after))
        changed = after or before
        if was != is_ and changed is not None:
            actions.append(judging_anew(self._table, changed, is_gone=after is None))
        return actions


class _Violating(Reader):
    """Reads the certificates behind the keys of a rule's violations."""

    def items(self, found: Iterable[tuple[str, Item]]) -> list[tuple[str, Item]]:
        """Read them, in order, without those that are gone."""
        keys = {place: key(Kind.CERTIFICATE, place.removeprefix(VIOLATION)) for place, _item in found}
        items = batch_get(self._client, self._table, [*keys.values()], is_consistent=True)
        whole = {item["pk"]["S"]: item for item in items}
        return [(place, whole[of["pk"]["S"]]) for place, of in keys.items() if of["pk"]["S"] in whole]


def _registered(table: str, rule: Rule) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": _ALL,
            "UpdateExpression": "ADD ids :id",
            "ConditionExpression": "attribute_not_exists(ids) OR size(ids) < :most",
            "ExpressionAttributeValues": {":id": {"SS": [rule.id]}, ":most": {"N": str(RULES_LIMIT)}},
        }
    }


def _unregistered(table: str, rule: Rule) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": _ALL,
            "UpdateExpression": "DELETE ids :id",
            "ExpressionAttributeValues": {":id": {"SS": [rule.id]}},
        }
    }
