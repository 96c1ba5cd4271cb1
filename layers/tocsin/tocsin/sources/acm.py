"""ACM: all certificates of the account in the client's region.

Sources: ACM API reference, ListCertificates, Filters, DescribeCertificate, CertificateDetail, RenewalSummary.
- A list without filters holds only RSA_1024 and RSA_2048 certificates, and none that came by ACME. So every key type
  and every origin that the client knows is asked for.
- Dates, serial and renewal are only in the description: one call a certificate, 10 a second by default; an account has
  2,500 certificates by default. The client's own retries (`standard`) wait out throttling.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ServiceModel, StringShape, StructureShape

from tocsin.inventory.certificate import Source
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.observed import ObservedCertificate, storable

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_acm.type_defs import CertificateDetailTypeDef

PAGE = 1000
"""Certificates on a page of the list: the most that ACM allows."""

_THROTTLED = frozenset({"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException"})
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)


_OUT_OF_TIME = SourceFailure(FailureKind.TIMEOUT, "there was no time to read all certificates of the account")
"""A failure, because the next read begins at the same end of the list: somebody has to know, and give it more time."""


@dataclass(slots=True)
class AccountRead:
    """What was read of an account, in part if something failed."""

    source: str
    """Names it, e.g. `acm:eu-central-1`."""
    observed: list[ObservedCertificate] = field(default_factory=list)
    failures: list[SourceFailure] = field(default_factory=list)
    """One each certificate that could not be read; one without a `ref` if the list broke off, or the time was up."""
    undated: int = 0
    """Certificates without dates: not issued yet, or never."""
    complete: bool = True
    """Whether the whole list was seen, and there was time for each."""

    @property
    def failure(self) -> SourceFailure | None:
        """Give the account's own failure: null, only if everything in it was read."""
        whole = next((failure for failure in self.failures if not failure.ref), None)
        if whole is not None or not self.failures:
            return whole
        first, total = self.failures[0], len(self.failures) + len(self.observed) + self.undated
        detail = f"{len(self.failures)} of {total} certificates can't be read; {first.ref}: {first.detail}"
        return SourceFailure(first.kind, detail)


def observe_account(client: "ACMClient", may_go_on: Callable[[], bool] = lambda: True) -> AccountRead:
    """List and describe every certificate, until `may_go_on` says that the time is up. Raises nothing of AWS's."""
    read = AccountRead(f"acm:{client.meta.region_name}")
    try:
        for arn in _arns(client):
            if not may_go_on():
                read.complete = False
                read.failures.append(_OUT_OF_TIME)
                break
            _describe(client, arn, read)
    except (ClientError, BotoCoreError) as error:  # the list broke off: what was read stands
        read.complete = False
        read.failures.append(_failure(error))
    return read


def _arns(client: "ACMClient") -> Iterator[str]:
    pages = client.get_paginator("list_certificates").paginate(
        **_everything(client), PaginationConfig={"PageSize": PAGE}
    )
    for page in pages:
        yield from (summary["CertificateArn"] for summary in page.get("CertificateSummaryList", ()))


def _everything(client: "ACMClient") -> dict[str, Any]:
    """Ask for all key types and origins: those that the client knows, because Lambda's own may be older than this."""
    model = client.meta.service_model
    asked: dict[str, Any] = {"Includes": {"keyTypes": _values(model, "KeyAlgorithm")}}
    listing = model.operation_model("ListCertificates").input_shape
    if isinstance(listing, StructureShape) and "CertificateKeyPairOrigins" in listing.members:
        asked["CertificateKeyPairOrigins"] = _values(model, "CertificateKeyPairOrigin")
    return asked


def _values(model: ServiceModel, name: str) -> list[str]:
    shape = model.shape_for(name)
    return list(shape.enum) if isinstance(shape, StringShape) else []


def _describe(client: "ACMClient", arn: str, read: AccountRead) -> None:
    """Add one certificate, or why it can't be read: it doesn't stop the others."""
    try:
        detail = client.describe_certificate(CertificateArn=arn)["Certificate"]
    except client.exceptions.ResourceNotFoundException:
        return  # deleted since it was listed
    except (ClientError, BotoCoreError) as error:
        read.failures.append(_failure(error, arn))
        return
    if "NotAfter" in detail:
        read.observed.append(_observed(arn, detail))
    else:
        read.undated += 1


def _observed(arn: str, detail: "CertificateDetailTypeDef") -> ObservedCertificate:
    names = tuple(detail.get("SubjectAlternativeNames", ()))
    key_kind, key_size = _key(detail.get("KeyAlgorithm", ""))
    seen = ObservedCertificate(
        source=Source.ACM,
        source_ref=arn,
        common_name=detail.get("DomainName") or next(iter(names), arn.rpartition("/")[2]),
        names=names,
        issuer=detail.get("Issuer", ""),
        serial=detail.get("Serial", "").replace(":", "").lower().lstrip("0"),
        not_before=_utc(detail.get("NotBefore")),
        expires_at=detail["NotAfter"].astimezone(UTC),
        renewal_status=_renewal(detail),
        key_kind=key_kind,
        key_size=key_size,
        signature_algorithm=_SIGNATURES.get(signed := detail.get("SignatureAlgorithm", ""), signed),
        in_use_by=tuple(detail.get("InUseBy", ())),
        revoked_at=_utc(detail.get("RevokedAt")) or (_utc(detail.get("NotBefore")) if _is_revoked(detail) else None),
    )
    return storable(seen)


_CURVES = {"EC_prime256v1": 256, "EC_secp384r1": 384, "EC_secp521r1": 521}
_SIGNATURES = {
    f"SHA{bits}WITH{family}": f"SHA{bits}-{kind}"
    for bits in (1, 224, 256, 384, 512)
    for family, kind in (("RSA", "RSA"), ("ECDSA", "EC"))
}
"""ACM's words for what a certificate is signed with, and ours."""


def _key(algorithm: str) -> tuple[str, int | None]:
    """Read e.g. `RSA_2048` and `EC_prime256v1` (API reference, CertificateDetail, KeyAlgorithm)."""
    kind, _, rest = algorithm.partition("_")
    if algorithm in _CURVES:
        return kind, _CURVES[algorithm]
    return kind, int(rest) if rest.isdecimal() and rest.isascii() else None


def _is_revoked(detail: "CertificateDetailTypeDef") -> bool:
    return detail.get("Status") == "REVOKED"


def _renewal(detail: "CertificateDetailTypeDef") -> str:
    """Say how its renewal stands, e.g. `FAILED: CAA_ERROR`; an imported one is not ACM's to renew: `INELIGIBLE`."""
    summary = detail.get("RenewalSummary")
    if summary is None:
        return detail.get("RenewalEligibility", "")
    reason = summary.get("RenewalStatusReason")
    return f"{summary['RenewalStatus']}: {reason}" if reason else summary["RenewalStatus"]


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def _failure(error: ClientError | BotoCoreError, ref: str = "") -> SourceFailure:
    """Say what AWS said, by its code: its messages may name roles and accounts."""
    if isinstance(error, BotoCoreError):
        return SourceFailure(FailureKind.UNREACHABLE, type(error).__name__, ref)
    code = str(error.response.get("Error", {}).get("Code", ""))
    kind = FailureKind.AWS_ERROR
    if code in _THROTTLED:
        kind = FailureKind.THROTTLED
    elif code in _DENIED:
        kind = FailureKind.DENIED
    return SourceFailure(kind, f"{error.operation_name}: {code}", ref)
