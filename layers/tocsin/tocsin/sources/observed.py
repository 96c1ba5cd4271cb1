"""What a source saw: one certificate, at one place, at one time. Pure.

A row of the inventory is a place, not a certificate: the ARN, the host and port, or what an imported file says the
certificate is for (docs/decisions/certificate-identity.md). So `source_ref` is the identity, and a renewed certificate
found there updates the row.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.inventory.certificate import LINE_LIMIT, NAME_LIMIT, NAMES_LIMIT, Source, source_id
from tocsin.sources.failure import SourceFailure
from tocsin.text import bounded

NOT_CHECKED = "not checked"
"""The chain problem of a certificate whose chain nobody saw: of a PEM file, of ACM."""

USES_LIMIT = 20
"""Users kept of one certificate; a load balancer or two is what most have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedCertificate:
    """A certificate as a source has it. Times are aware, in UTC."""

    source: Source
    source_ref: str
    """Where it was seen: an ARN, a `host:port`, or an import's identity. With `source` it names the row, mostly."""
    common_name: str
    expires_at: datetime
    names: tuple[str, ...] = ()
    issuer: str = ""
    serial: str = ""
    """Hexadecimal, lower case, without leading zeros."""
    fingerprint_sha256: str = ""
    not_before: datetime | None = None
    chain_problem: str | None = NOT_CHECKED
    """Null: it verified. Else why not, e.g. `self-signed`; or NOT_CHECKED."""
    renewal_status: str = ""
    """What the source says of its renewal, in the source's own words."""
    revoked_at: datetime | None = None
    key_kind: str = ""
    """`RSA`, `EC`, `Ed25519`, …; empty: not known."""
    key_size: int | None = None
    """Bits."""
    signature_algorithm: str = ""
    """As in `SHA256-RSA`."""
    in_use_by: tuple[str, ...] = ()
    """ARNs."""
    ari_id: str = ""
    """What its authority's renewal information knows it by (RFC 9773, 4.1)."""
    identity_ref: str = ""
    """What names its row where each renewal gets a place of its own (ACM's ACME); empty: `source_ref` does."""

    @property
    def id(self) -> str:
        """Name the row of the inventory that this is about."""
        return source_id(self.source, self.identity_ref or self.source_ref)

    @property
    def chain_verified(self) -> bool | None:
        """Tell whether its chain verified; null: nobody checked."""
        return None if self.chain_problem == NOT_CHECKED else self.chain_problem is None


Observation = ObservedCertificate | SourceFailure
"""What a look at a source gave."""


def storable(seen: ObservedCertificate) -> ObservedCertificate:
    """Bound every text: a certificate may carry a name of a megabyte, and is still a fact to be watched."""
    return replace(
        seen,
        common_name=bounded(seen.common_name, NAME_LIMIT),
        names=tuple(dict.fromkeys(bounded(name, NAME_LIMIT) for name in seen.names[:NAMES_LIMIT])),
        issuer=bounded(seen.issuer, LINE_LIMIT),
        serial=bounded(seen.serial, NAME_LIMIT),
        chain_problem=None if seen.chain_problem is None else bounded(seen.chain_problem, NAME_LIMIT),
        renewal_status=bounded(seen.renewal_status, NAME_LIMIT),
        in_use_by=tuple(sorted(bounded(arn, LINE_LIMIT) for arn in seen.in_use_by)[:USES_LIMIT]),
    )
