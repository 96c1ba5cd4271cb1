"""Rules and what violates them as the API shows and takes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from fields import Id, Line, Named, Says, Shown, Strict, Tags
from pydantic import BaseModel, Field, JsonValue, StrictBool

from tocsin.delivery.notification import Severity
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.rules.requirement import RuleType
from tocsin.inventory.rules.rule import Rule, Scope, parse_rule

# What `parse_rule` takes of each type, for the description: names as most people write them, and not all that is taken.
_LIST = {"type": "array", "maxItems": 100, "uniqueItems": True}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[A-Za-z0-9][A-Za-z0-9 ,.='_-]*$"}
_KEY = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z][A-Za-z0-9_./=+@-]*$"}
_DOMAIN = {
    "type": "string",
    "maxLength": 253,
    "pattern": r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.){1,3}[a-z]{2,10}$",
}
_BITS = {"type": "integer", "minimum": 0, "maximum": 16_384}
_FLAG = {"type": "boolean"}
_CONFIGS: dict[RuleType, dict[str, Any]] = {
    RuleType.ALLOWED_ISSUERS: {
        "required": ["issuers"],
        "properties": {"issuers": _LIST | {"items": _TEXT}, "match": {"type": "string", "enum": ["contains", "exact"]}},
    },
    RuleType.ALLOWED_DOMAINS: {"required": ["domains"], "properties": {"domains": _LIST | {"items": _DOMAIN}}},
    RuleType.REQUIRED_METADATA: {
        "properties": {"tags": _LIST | {"items": _KEY}, "owner": _FLAG, "team": _FLAG, "environment": _FLAG}
    },
    RuleType.ALLOWED_ENVIRONMENTS: {
        "required": ["environments"],
        "properties": {"environments": _LIST | {"items": _TEXT}},
    },
    RuleType.RENEWAL_LEAD_TIME: {
        "required": ["lead_time"],
        "properties": {
            "lead_time": {
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": 3650},
                    {"type": "string", "pattern": "^([1-9][0-9]?|100)%$"},
                ]
            }
        },
    },
    RuleType.MINIMUM_KEY: {
        "properties": {
            "rsa_bits": _BITS,
            "ec_bits": _BITS,
            "kinds": _LIST | {"items": {"type": "string", "enum": ["RSA", "EC", "Ed25519", "Ed448"]}},
            "forbidden_signatures": _LIST | {"items": {"type": "string", "pattern": "^[A-Za-z0-9*-]{1,64}$"}},
        }
    },
    RuleType.MAXIMUM_LIFETIME: {
        "required": ["days"],
        "properties": {
            "days": {
                "anyOf": [{"type": "integer", "minimum": 1, "maximum": 3650}, {"type": "string", "enum": ["cabf"]}]
            }
        },
    },
}


def _of_type(type_: RuleType) -> dict[str, Any]:
    config = {"type": "object", "additionalProperties": False} | _CONFIGS[type_]
    return {"title": str(type_), "properties": {"type": {"type": "string", "enum": [str(type_)]}, "config": config}}


Type = Annotated[str, Says({"enum": [*map(str, RuleType)]})]


class ScopeIn(Strict):
    """Of which certificates a rule is: all that are given must be so; none: of all."""

    owner_id: Id | None = None
    team_id: Id | None = None
    policy_id: Id | None = None
    """Of those that follow this renewal policy."""
    environment: Annotated[Line, Field(min_length=1, max_length=256)] | None = None
    tags: Tags = Field(default_factory=dict)


class RuleIn(Strict):
    """A rule that certificates must keep. What `config` holds depends on `type` (docs/rules.md)."""

    model_config = Strict.model_config | {"json_schema_extra": {"oneOf": [_of_type(type_) for type_ in RuleType]}}

    name: Named
    type: Type
    config: dict[str, JsonValue]
    severity: Severity = Severity.WARNING
    enabled: StrictBool = True
    scope: ScopeIn = Field(default_factory=ScopeIn)

    def parsed(self, id: str, now: datetime) -> Rule:
        """Read it; raise InvalidFieldsError."""
        return parse_rule(
            id,
            self.name,
            now,
            type_=self.type,
            config=self.config,
            severity=self.severity,
            is_enabled=self.enabled,
            scope=self.scope.model_dump(),
        )


class ScopeOut(BaseModel):
    """Of which certificates a rule is; nulls and no tags: of all."""

    owner_id: str | None
    team_id: str | None
    policy_id: str | None
    environment: str | None
    tags: dict[str, str]

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Show `scope`."""
        return cls(**{name: getattr(scope, name) for name in cls.model_fields})


class RuleOut(BaseModel):
    """A rule, with the defaults of its config written out."""

    id: str
    name: str
    type: RuleType
    config: dict[str, JsonValue]
    severity: Severity
    enabled: bool
    scope: ScopeOut
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Show `rule`."""
        return cls(
            id=rule.id,
            name=rule.name,
            type=rule.requirement.type,
            config=rule.requirement.config,
            severity=rule.severity,
            enabled=rule.is_enabled,
            scope=ScopeOut.of(rule.scope),
            created_at=rule.created_at,
            updated_at=rule.updated_at,
            version=rule.version,
        )


class OneRuleOut(RuleOut):
    """A rule, and what is wrong with it though it is accepted."""

    warnings: list[str] = []
    """Why no certificate can keep it, alone or beside another rule; or every one does."""

    def warned(self, warnings: Sequence[str]) -> Self:
        """Add what is wrong with it."""
        return self.model_copy(update={"warnings": [*warnings]})


class RuleList(BaseModel):
    """A page, by creation."""

    items: list[RuleOut]
    next_cursor: str | None


class ViolatingOut(BaseModel):
    """A certificate that violates a rule."""

    certificate_id: str
    common_name: str
    expires_at: datetime
    owner_id: str | None
    team_id: str | None
    severity: Severity
    since: datetime
    detail: str

    @classmethod
    def of(cls, certificate: Certificate, rule_id: str) -> Self:
        """Show what `certificate` violates of the rule."""
        found = next(one for one in certificate.violations if one.rule_id == rule_id)
        return cls(
            certificate_id=certificate.id,
            common_name=certificate.common_name,
            expires_at=certificate.expires_at,
            owner_id=certificate.owner_id,
            team_id=certificate.team_id,
            severity=found.severity,
            since=found.since,
            detail=found.detail,
        )


class ViolatingList(BaseModel):
    """A page of what violates a rule, by the certificates' ids, as the last check saw it."""

    items: list[ViolatingOut]
    next_cursor: str | None


class ViolationOut(Shown):
    """A rule that a certificate violates, as the last check saw it."""

    rule_id: str
    rule: str
    severity: Severity
    since: datetime
    detail: str
