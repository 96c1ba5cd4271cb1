"""How the inventory is laid out in its table: one item collection a thing.

| pk                        | sk                 | what                                                              |
|---------------------------|--------------------|-------------------------------------------------------------------|
| `certificate#<id>`        | `record`           | the certificate                                                   |
| `certificate#<id>`        | `mark#<alert id>`  | a recorded decision; the id begins with its cycle                 |
| `certificate#<id>`        | `version#…`        | a certificate that was there (`versions`)                         |
| `issuer#<id>`             | `record`           | an issuer, and how many live certificates it has (`issuers`)      |
| `issuer#<id>#<state>`     | `<expiry>#<id>`    | leads to a certificate of it (`pointers`)                         |
| `renewal_policy#<id>`     | `record`           | the policy; owners and teams alike                                |
| `renewal_policy#<id>`     | `references`       | how many refer to it; owners and teams alike                      |
| `certificate#<id>`        | `renewal#<job id>` | leads to a renewal job; the id begins with its cycle              |
| `renewal_job#<id>`        | `record`           | the renewal job                                                   |
| `ari`                     | `<time>#<id>`      | when the authority of a certificate is to be asked                |
| `work`                    | `policy#<id>`      | a policy whose certificates must be looked at anew                |
| `work`                    | `position`         | where the check stopped for lack of time                          |

Indexes, all KEYS_ONLY. `due`: watched certificates by the instant at which the check must look at them next
(docs/decisions/due-index.md). `listed`: everything by kind, certificates by state and expiry. `by_owner`, `by_team`,
`by_policy`: what refers to each, certificates by expiry.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Severity
from tocsin.expiry.alert import Mark, MarkKind, cycle_of
from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate, Source
from tocsin.inventory.contacts import Owner, Team
from tocsin.inventory.occurrences import AwaitedDeployment, CertificateEvent, Occurrence, PendingRenewal, Violation
from tocsin.inventory.policy import DEPLOYMENT_GRACE, RENEWAL_DEADLINE_HOURS, RenewalPolicy, read_renew_before
from tocsin.inventory.thresholds import DEFAULTS, read_threshold
from tocsin.storage.codec import (
    EPOCH,
    FLAG,
    INSTANT,
    NUMBER,
    TEXT,
    Codec,
    Column,
    Form,
    Item,
    from_timestamp,
    json_form,
    required,
    shard_of,
    sort_key,
    timestamp,
)

SHARDS = 4
"""Partitions of `due` and of each state in `listed`. An inventory changes slowly; each one costs a query a page."""
RECORD = "record"
REFERENCES = "references"
LIVE, ARCHIVED, REVOKED = "live", "archived", "revoked"
"""The states that lists of certificates are split by; what was replaced is with what was archived."""
_AFTER_EVERY_TIME = "~"

_THRESHOLD = Form("S", str, read_threshold)
_SINCE = json_form(
    lambda since: {key: timestamp(at) for key, at in since.items()},
    lambda plain: {str(key): from_timestamp(text) for key, text in plain.items()},
)
_SEVERITIES = json_form(
    lambda severities: {str(threshold): severity for threshold, severity in severities.items()},
    lambda plain: {read_threshold(text): Severity(severity) for text, severity in plain.items()},
)
_CHANNELS = json_form(
    dict,
    lambda plain: {Severity(severity): tuple(map(ChannelName, names)) for severity, names in plain.items()},
)
_EVENTS = json_form(
    dict,
    lambda plain: {CertificateEvent(name): severity and Severity(severity) for name, severity in plain.items()},
)
_FALLBACKS = json_form(dict, lambda plain: {ChannelName(name): ChannelName(other) for name, other in plain.items()})
_IN_FIELDS: dict[str, Callable[[Any], Any]] = {
    "event": CertificateEvent,
    "severity": lambda text: None if text is None else Severity(text),
}
"""How fields of records that are part of another are read, where they are neither texts nor times."""


def _plain(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the records that are part of another
    """Write a record of texts and times as JSON has them; what is null or empty is left out."""
    values = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: timestamp(value) if isinstance(value, datetime) else value for name, value in values if value}


def _read_as(make: Callable[..., Any], plain: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what `make` gives
    """Read what `_plain` wrote, by the names of the fields: times end in `_at`, or are named here."""
    values = {}
    for name, value in plain.items():
        if name.endswith("_at") or name in _TIMES_IN_FIELDS:
            values[name] = from_timestamp(value)
        else:
            values[name] = _IN_FIELDS[name](value) if name in _IN_FIELDS else value
    return make(**values)


_TIMES_IN_FIELDS = frozenset({"at", "since", "until"})


def _one(make: Callable[..., Any]) -> Form:
    """Make a form of one record that is part of another."""
    return json_form(_plain, lambda plain: _read_as(make, plain))


def _several(make: Callable[..., Any]) -> Form:
    """Make a form of some of them."""
    return json_form(lambda all_: [*map(_plain, all_)], lambda plain: tuple(_read_as(make, one) for one in plain))


_TIMES = (required("created_at", INSTANT, EPOCH), required("updated_at", INSTANT, EPOCH))
_HEAD = (required("id", TEXT, ""), *_TIMES, required("version", NUMBER, 0))

CERTIFICATE = Codec(
    Certificate,
    (
        *_HEAD,
        required("common_name", TEXT, ""),
        required("expires_at", INSTANT, EPOCH),
        required("watched_since", INSTANT, EPOCH),
        required("source", Form("S", str, Source), Source.API),
        Column("names", json_form(list, tuple), ()),
        Column("serial", TEXT, ""),
        Column("fingerprint_sha256", TEXT, ""),
        Column("issuer", TEXT, ""),
        Column("not_before", INSTANT),
        Column("owner_id", TEXT),
        Column("team_id", TEXT),
        Column("policy_id", TEXT),
        Column("source_ref", TEXT, ""),
        Column("renewal_status", TEXT, ""),
        Column("chain_verified", FLAG),
        Column("chain_problem", TEXT, ""),
        Column("archived_at", INSTANT),
        Column("revoked_at", INSTANT),
        Column("key_kind", TEXT, ""),
        Column("key_size", NUMBER),
        Column("signature_algorithm", TEXT, ""),
        Column("in_use_by", json_form(list, tuple), ()),
        Column("ari_id", TEXT, ""),
        Column("environment", TEXT, ""),
        Column("tags", json_form(dict, dict), {}),
        Column("replaced_at", INSTANT),
        Column("replaced_by", TEXT),
        Column("occurrences", _several(Occurrence), ()),
        Column("violations", _several(Violation), ()),
        Column("renewed_from", TEXT, ""),
        Column("awaited", _one(AwaitedDeployment)),
        Column("renewal", _one(PendingRenewal)),
        Column("suggested_renewal_at", INSTANT),
        Column("suggestion_until", INSTANT),
        Column("explanation_url", TEXT, ""),
        Column("indexed", NUMBER, 0),
        Column("due_at", INSTANT),
    ),
)
HOURS = Form("N", lambda time: str(time // timedelta(hours=1)), lambda digits: timedelta(hours=int(digits)))
POLICY = Codec(
    RenewalPolicy,
    (
        *_HEAD,
        required("name", TEXT, ""),
        required(
            "thresholds",
            json_form(lambda all_: [*map(str, all_)], lambda all_: (*map(read_threshold, all_),)),
            DEFAULTS,
        ),
        Column("severities", _SEVERITIES, {}),
        Column("channels", _CHANNELS, {}),
        Column("events", _EVENTS, {}),
        Column("deployment_grace", HOURS, DEPLOYMENT_GRACE, attribute="deployment_grace_hours"),
        Column("fallbacks", _FALLBACKS, {}),
        Column("renew_before", Form("S", str, read_renew_before)),
        Column("renewal_deadline_hours", NUMBER, RENEWAL_DEADLINE_HOURS),
        Column("since", _SINCE, {}),
    ),
)
_CONTACT = (*_HEAD, required("name", TEXT, ""), required("email", TEXT, ""))
OWNER = Codec(Owner, (*_CONTACT, Column("team_id", TEXT)))
TEAM = Codec(Team, _CONTACT)
MARK = Codec(
    Mark,
    (
        required("id", TEXT, ""),
        required("kind", Form("S", str, MarkKind), MarkKind.RAISED),
        required("certificate_id", TEXT, ""),
        required("expires_at", INSTANT, EPOCH),
        required("severity", Form("S", str, Severity), Severity.INFORMATIONAL),
        required("at", INSTANT, EPOCH),
        Column("channel", Form("S", str, ChannelName)),
        Column("threshold", _THRESHOLD),
        Column("event", Form("S", str, CertificateEvent)),
        Column("subject", TEXT, ""),
        Column("superseded_by", _THRESHOLD),
    ),
)


def key(kind: Kind, id_: str, item: str = RECORD) -> dict[str, Any]:
    """Give the key of an item."""
    return {"pk": {"S": f"{kind}#{id_}"}, "sk": {"S": item}}


def id_of(item: Item) -> str:
    """Give the id in an item's key."""
    return str(item["pk"]["S"]).partition("#")[2]


def mark_key(certificate_id: str, mark_id: str) -> dict[str, Any]:
    """Give the key of a mark."""
    return key(Kind.CERTIFICATE, certificate_id, f"mark#{mark_id}")


def cycle_prefix(expires_at: datetime) -> str:
    """Give what the sort keys of the marks of the cycle that ends then begin with."""
    return f"mark#{cycle_of(expires_at)}"


def certificate_item(certificate: Certificate) -> dict[str, Any]:
    """Write a certificate with its index keys."""
    state = state_of(certificate)
    shard = shard_of(certificate.id, SHARDS)
    keys = {
        "listed_in": {"S": f"{state}#{shard}"},
        "list_key": {"S": sort_key(certificate.expires_at, certificate.id)},
    }
    return key(Kind.CERTIFICATE, certificate.id) | CERTIFICATE.encode(certificate) | keys | due_keys(certificate)


def state_of(certificate: Certificate) -> str:
    """Name the part of `listed` that it is in."""
    if certificate.revoked_at is not None:
        return REVOKED
    return ARCHIVED if certificate.archived_at or certificate.replaced_at else LIVE


def due_keys(certificate: Certificate) -> dict[str, Any]:
    """Give the keys in `due`; without them the certificate is not in it."""
    if certificate.due_at is None:
        return {}
    return {
        "due_shard": {"S": shard_of(certificate.id, SHARDS)},
        "due_key": {"S": sort_key(certificate.due_at, certificate.id)},
    }


def listed_item(kind: Kind, encoded: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a policy, an owner or a team: listed by kind in the order of creation, behind all certificates."""
    id_ = encoded["id"]["S"]
    place = {"listed_in": {"S": str(kind)}, "list_key": {"S": f"{_AFTER_EVERY_TIME}{encoded['created_at']['S']}#{id_}"}}
    return key(kind, id_) | dict(encoded) | place


def mark_item(mark: Mark) -> dict[str, Any]:
    """Write a mark."""
    return mark_key(mark.certificate_id, mark.id) | MARK.encode(mark)
