"""Certificates, their import and their alerts as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Self

from fields import Bits, Id, Instant, Line, Name, Says, Shown, Strict, Tags, Text
from pydantic import BaseModel, Field

from bodies.notifications import NotificationOut
from bodies.rules import ViolationOut
from tocsin.inventory.certificate import Certificate, CertificateStatus, Source


class CertificateIn(Strict):
    """What a caller says of a certificate. A time needs its zone; an expiry in the past is accepted: it is the fact."""

    common_name: Name
    expires_at: Instant
    names: list[Name] = Field(max_length=100, default_factory=list)
    serial: Annotated[Line, Field(max_length=256)] = ""
    fingerprint_sha256: Annotated[Line, Field(max_length=256)] = ""
    issuer: Text = ""
    not_before: Instant | None = None
    owner_id: Id | None = None
    team_id: Id | None = None
    policy_id: Id | None = None
    renewal_status: Annotated[Line, Field(max_length=256)] = ""
    archived_at: Instant | None = None
    revoked_at: Instant | None = None
    key_kind: Annotated[Line, Field(max_length=256)] = ""
    key_size: Bits | None = None
    signature_algorithm: Annotated[Line, Field(max_length=256)] = ""
    environment: Annotated[Line, Field(max_length=256)] = ""
    tags: Tags = Field(default_factory=dict)


class PendingRenewalOut(Shown):
    """The renewal job of a certificate's cycle. `look_at`: when the check does something for it next."""

    job_id: str
    expires_at: datetime
    look_at: datetime | None


class AwaitedOut(Shown):
    """The renewed certificate that is to be served there, who has it, and until when. `failed_at`: it was not then."""

    identity: str
    origin: str
    since: datetime
    until: datetime
    failed_at: datetime | None


class CertificateOut(Shown):
    """A certificate. `status` is that of this moment, under the thresholds of its policy."""

    id: str
    common_name: str
    names: list[str]
    serial: str
    fingerprint_sha256: str
    issuer: str
    issuer_id: str | None
    not_before: datetime | None
    expires_at: datetime
    status: CertificateStatus
    owner_id: str | None
    team_id: str | None
    policy_id: str | None
    source: Source
    source_ref: str
    renewal_status: str
    chain_verified: bool | None
    chain_problem: str
    archived_at: datetime | None
    revoked_at: datetime | None
    key_kind: str
    key_size: int | None
    signature_algorithm: str
    environment: str
    tags: dict[str, str]
    in_use_by: list[str]
    replaced_at: datetime | None
    replaced_by: str | None
    awaited: AwaitedOut | None
    renewal: PendingRenewalOut | None
    suggested_renewal_at: datetime | None
    explanation_url: str
    violations: list[ViolationOut]
    """The rules that it violates, as the last check saw it."""
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, certificate: Certificate, status: CertificateStatus) -> Self:
        """Show `certificate`."""
        facts = {name: getattr(certificate, name) for name in cls.model_fields if name != "status"}
        return cls.model_validate({**facts, "status": status})


class CertificateList(BaseModel):
    """A page, the soonest to expire first."""

    items: list[CertificateOut]
    next_cursor: str | None


class ImportIn(Strict):
    """PEM text: every certificate in it is taken. A private key in it is neither read nor kept."""

    pem: Annotated[str, Field(min_length=1), Says({"format": "pem"})]
    owner_id: Id | None = None
    team_id: Id | None = None
    policy_id: Id | None = None
    environment: Annotated[Line, Field(max_length=256)] = ""
    tags: Tags = Field(default_factory=dict)


class ImportedOut(BaseModel):
    """One certificate of an import, and what it meant: created, renewed, changed, unchanged, outdated."""

    result: str
    certificate: CertificateOut


class ImportOut(BaseModel):
    """All certificates of an import, in their order."""

    items: list[ImportedOut]


class CertificateNotifications(BaseModel):
    """A page of the alerts of one certificate, the latest cycle first."""

    items: list[NotificationOut]
    next_cursor: str | None


class VersionOut(Shown):
    """A certificate that a place has, or had. `gone_at` is null while it is there."""

    id: str
    first_seen_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None
    times_seen: int
    source: Source
    source_ref: str
    issuer: str
    serial: str
    fingerprint_sha256: str
    not_before: datetime | None
    expires_at: datetime
    key_kind: str
    key_size: int | None
    signature_algorithm: str


class VersionList(BaseModel):
    """A page, the one that came last first."""

    items: list[VersionOut]
    next_cursor: str | None
