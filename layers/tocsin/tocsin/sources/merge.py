"""What a sight of a certificate means for its row. Pure: a decision is a value, and whoever asked carries it out.

The operator's part of a row (owner, team, policy, archived) is never touched; everything else is the source's to say.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.inventory.certificate import Certificate, Source
from tocsin.sources.observed import ObservedCertificate


@dataclass(frozen=True, slots=True)
class Create:
    """It is new: insert `certificate`."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The row says the same already: write nothing."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Renewed:
    """Another expiry: write `certificate`, and the alerts of the cycle that ended are to be superseded.

    An earlier expiry is one too: the endpoint went back to an older certificate, and that is the one that will expire.
    """

    certificate: Certificate
    ended_cycle: datetime
    """The expiry that the row had: the name of the cycle that ends."""
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """The same expiry, but other facts: write `certificate`; its alerts stand."""

    certificate: Certificate
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outdated:
    """An imported file with an older certificate than the row has: write nothing. Files come in any order."""

    certificate: Certificate


Merge = Create | Unchanged | Renewed | Changed | Outdated

_FACTS = (
    "common_name",
    "names",
    "issuer",
    "serial",
    "fingerprint_sha256",
    "not_before",
    "expires_at",
    "renewal_status",
    "chain_verified",
    "chain_problem",
    "revoked_at",
)
"""What a source says, by the names that both records share."""


def merge(row: Certificate | None, seen: ObservedCertificate, now: datetime) -> Merge:
    """Decide what `seen` means for `row`, which is the one by its id; null: there is none."""
    if row is None:
        return Create(_created(seen, now))
    if seen.source is Source.IMPORT and seen.expires_at < row.expires_at:
        return Outdated(row)
    draft = _with_facts(row, seen)
    fields = tuple(fact for fact in _FACTS if getattr(draft, fact) != getattr(row, fact))
    if not fields:
        return Unchanged(row)
    after = row.changed(draft, now)
    return Changed(after, fields) if seen.expires_at == row.expires_at else Renewed(after, row.expires_at, fields)


def _created(seen: ObservedCertificate, now: datetime) -> Certificate:
    blank = Certificate(
        id=seen.id,
        common_name=seen.common_name,
        expires_at=seen.expires_at,
        created_at=now,
        updated_at=now,
        watched_since=now,
        source=seen.source,
        source_ref=seen.source_ref,
    )
    return _with_facts(blank, seen).first_seen(now)


def _with_facts(row: Certificate, seen: ObservedCertificate) -> Certificate:
    facts = {fact: getattr(seen, fact) for fact in _FACTS}
    return replace(row, **facts | {"chain_problem": seen.chain_problem or "", "revoked_at": _revoked_at(row, seen)})


def _revoked_at(row: Certificate, seen: ObservedCertificate) -> datetime | None:
    """Keep what an operator said of this very certificate; another one in its place is not revoked with it."""
    if seen.revoked_at is not None or row.revoked_at is None:
        return seen.revoked_at
    return row.revoked_at if (row.serial, row.expires_at) == (seen.serial, seen.expires_at) else None
