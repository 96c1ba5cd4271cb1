"""What a source has seen is brought into the inventory.

The operator's part of a certificate (owner, team, policy, environment, tags, archived) is never touched; everything
else is the source's to say.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from tocsin.errors import ConflictError, NotFoundError, PreconditionFailedError
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.inventory.audit import Action
from tocsin.inventory.certificate import INDEXED, Certificate, Source
from tocsin.sources.observed import ObservedCertificate

_TRIES = 3
_FACTS = (
    "source_ref",
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
    "key_kind",
    "key_size",
    "signature_algorithm",
    "in_use_by",
    "ari_id",
)
"""What a source says, by the names that both records share."""


class Result(StrEnum):
    """What a sight of a certificate meant."""

    CREATED = "created"
    RENEWED = "renewed"
    """Another expiry, an earlier one too: an endpoint went back to an older one, and that is what will expire."""
    CHANGED = "changed"
    """The same expiry, but other facts; its alerts stand."""
    UNCHANGED = "unchanged"
    OUTDATED = "outdated"
    """An older certificate than is known: files come in any order, and of an account not all may have been read."""

    @property
    def is_change(self) -> bool:
        """Tell whether anything was written."""
        return self not in (Result.UNCHANGED, Result.OUTDATED)


@dataclass(frozen=True, slots=True)
class Assignment:
    """The operator's part of a certificate that is new."""

    owner_id: str | None = None
    team_id: str | None = None
    policy_id: str | None = None
    environment: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def ingest(
    lifecycle: Lifecycle,
    seen: ObservedCertificate,
    actor: str,
    now: datetime,
    assignment: Assignment | Certificate = Assignment(),
) -> tuple[Result, Certificate]:
    """Bring the inventory up to what a source has seen; say what that meant, and how the certificate is now.

    `assignment` may be the certificate that a new one continues. Raises ConflictError where others change the same
    certificate again and again.
    """
    for _ in range(_TRIES):
        with suppress(ConflictError, PreconditionFailedError):  # somebody else was first: decide on what it is now
            return _ingested(lifecycle, seen, actor, now, assignment)
    raise ConflictError(f"certificate {seen.id}")


def _ingested(
    lifecycle: Lifecycle, seen: ObservedCertificate, actor: str, now: datetime, assignment: Assignment | Certificate
) -> tuple[Result, Certificate]:
    try:
        known = lifecycle.certificates.get(seen.id)
    except NotFoundError:
        if isinstance(assignment, Certificate):
            new = continuing(assignment, seen, now)
        else:
            new = first_sight(seen, now, assignment)
        lifecycle.create(new, actor)
        return Result.CREATED, new
    if _is_outdated(known, seen):
        return Result.OUTDATED, known
    after = merged(known, seen, now)
    if after is known:
        return Result.UNCHANGED, known
    is_renewal = lifecycle.change(known, after, actor) is Action.CERTIFICATE_RENEWED
    return Result.RENEWED if is_renewal else Result.CHANGED, after


def _is_outdated(known: Certificate, seen: ObservedCertificate) -> bool:
    """Tell whether it is an older certificate, where that does not mean that the newer one is gone."""
    has_no_place = seen.source is Source.IMPORT or (seen.identity_ref and seen.source_ref != known.source_ref)
    return bool(has_no_place) and seen.expires_at < known.expires_at


def first_sight(seen: ObservedCertificate, now: datetime, assignment: Assignment = Assignment()) -> Certificate:
    """Make the certificate that nobody knew of."""
    facts = _facts(seen) | {"source": seen.source} | asdict(assignment)
    return Certificate(id=seen.id, created_at=now, updated_at=now, watched_since=now, **facts).first_seen(now)


def continuing(before: Certificate, seen: ObservedCertificate, now: datetime) -> Certificate:
    """Make a new row that goes on where another one ends: with what operators said of that one, but not put away.

    One that expires later renews the other, as it would have done in the same row. What is kept of that row elsewhere
    stays there: its renewal job, which ends with it, and the rules that it does not keep.
    """
    if before.is_watched and seen.expires_at > before.expires_at:
        base = replace(before, id=seen.id, created_at=now, version=0, due_at=None, renewal=None, violations=())
        return base.changed(replace(base, source=seen.source, **_facts(seen)), now)
    said = Assignment(before.owner_id, before.team_id, before.policy_id, before.environment, before.tags)
    return first_sight(seen, now, said)


def replaced(known: Certificate, by: str, now: datetime) -> Certificate:
    """Give the certificate of which the row `by` has taken the part."""
    return known.changed(replace(known, replaced_at=now, replaced_by=by), now)


def merged(known: Certificate, seen: ObservedCertificate, now: datetime) -> Certificate:
    """Give the certificate with what was seen of it; the very same one where that says nothing new.

    One that an earlier release wrote is written anew once, with everything that leads to it. One that was replaced and
    is seen in its own right again is watched again.
    """
    own = {"revoked_at": _revoked_at(known, seen), "indexed": INDEXED, "replaced_at": None, "replaced_by": None}
    draft = replace(known, **_facts(seen) | own)
    return known if draft == known else known.changed(draft, now)


def _facts(seen: ObservedCertificate) -> dict[str, Any]:
    return {fact: getattr(seen, fact) for fact in _FACTS} | {"chain_problem": seen.chain_problem or ""}


def _revoked_at(known: Certificate, seen: ObservedCertificate) -> datetime | None:
    """Keep what an operator said of this very certificate; another one in its place is not revoked with it."""
    if seen.revoked_at is not None or known.revoked_at is None:
        return seen.revoked_at
    return known.revoked_at if (known.serial, known.expires_at) == (seen.serial, seen.expires_at) else None
