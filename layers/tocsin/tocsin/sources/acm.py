"""ACM: all certificates of the account in the client's region.

Sources: ACM API reference, ListCertificates, Filters, DescribeCertificate, CertificateDetail, RenewalSummary,
SearchCertificates, CertificateSearchResult, DeleteCertificate.
- A list without filters holds only RSA_1024 and RSA_2048 certificates, and none that came by ACME. So every key type
  and every origin that the client knows is asked for.
- Issuer, users and the reason of a failed renewal are only in the description: one call a certificate, 10 a second by
  default; an account has 2,500 certificates by default. The client's own retries (`adaptive`) wait out throttling.
- A search tells of 500 at once whether the rest can have changed: serial, dates, status, renewal, whether it is in use.
  So what is as the inventory has it is not described, but once a day, for what a search does not tell. The list stays
  the word on what there is: whether a search leaves something out is nowhere said.
- Certificates that came by ACME can't be deleted. ACM does that a year after they expired.
"""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ServiceModel, StringShape, StructureShape

from tocsin.inventory.certificate import Certificate, Source, source_id
from tocsin.sources.account import AccountRead, Visit, is_settled, utc
from tocsin.sources.observed import ObservedCertificate, storable
from tocsin.sources.succession import Issued, continuity_ref, succession

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_acm.type_defs import CertificateDetailTypeDef, CertificateSearchResultTypeDef

PAGE = 1000
"""Certificates on a page of the list: the most that ACM allows."""
SEARCH_PAGE = 500
"""The same, of a search."""
LOOKS = 24
"""Parts of an account, one for each hour of the day, in which everything of it is described once."""
_ACME = "ACME"


@dataclass(frozen=True, slots=True)
class _Sight:
    """One certificate: what is known of it before, or without, describing it."""

    arn: str
    serial: str
    expires_at: datetime
    renewal: str
    is_in_use: bool
    is_revoked: bool
    continuity: str = ""
    """What it is for, if it came by ACME; see `succession`."""
    described: ObservedCertificate | None = None

    @property
    def own_id(self) -> str:
        """Name the row that it has in its own right."""
        return source_id(Source.ACM, self.arn)

    @property
    def issued(self) -> Issued:
        """Give what decides about it among others that are for the same."""
        return Issued(self.arn, self.expires_at, self.is_in_use, self.is_revoked)


def read_account(client: "ACMClient", visit: Visit) -> AccountRead:
    """List every certificate, and describe what is not known, until the time is up. Raises nothing of AWS's."""
    read = AccountRead(f"acm:{client.meta.region_name}")
    arns = [
        summary["CertificateArn"]
        for summary in read.listed(
            client,
            visit,
            "list_certificates",
            "CertificateSummaryList",
            **_everything(client),
            PaginationConfig={"PageSize": PAGE},
        )
    ]
    _Reading(client, visit, read).take(dict.fromkeys(arns))
    return read


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


@dataclass(slots=True)
class _Reading:
    """One reading of an account's ACM."""

    client: "ACMClient"
    visit: Visit
    read: AccountRead
    listed: frozenset[str] = frozenset()
    """All ARNs that the list has."""
    rows: Mapping[str, Certificate] = field(default_factory=dict)
    """Those that certificates of this account have, or may have, by their ids."""

    def take(self, arns: Mapping[str, None]) -> None:
        self.listed = frozenset(arns)
        found = _searched(self.client) if arns else {}
        looked = (found.get(arn) or self._described(arn) for arn in arns)
        sights = [sight for sight in looked if sight is not None]
        groups: dict[str, list[_Sight]] = defaultdict(list)
        for sight in sights:
            groups[sight.continuity].append(sight)
        alone = groups.pop("", [])
        ids = [sight.own_id for sight in sights if sight.continuity or sight.described is None]
        ids += [source_id(Source.ACM, ref) for ref in groups]
        self.rows = self.visit.known(ids) if ids else {}
        for sight in alone:
            self._row_of(sight)
        for ref, group in groups.items():
            self._take_group(ref, group)

    def _take_group(self, ref: str, group: Sequence[_Sight]) -> None:
        """Take certificates that are for the same: the one that expires last renews the row of those before it."""
        by_arn = {sight.arn: sight for sight in group}
        home = self.rows.get(source_id(Source.ACM, ref))
        issued = [sight.issued for sight in group]
        if home is not None and home.source_ref not in by_arn:  # it was not read this time, and counts all the same
            issued.append(Issued(home.source_ref, home.expires_at, is_revoked=home.revoked_at is not None))
        parts = succession(issued)
        unread = {arn for arn in parts.serving if arn in by_arn and not self._row_of(by_arn[arn], before=home)}
        latest = by_arn.get(parts.latest)
        if home is not None and latest is not None and home.source_ref in unread | (self.listed - by_arn.keys()):
            return  # it may serve, and has no other row: this one leaves it only when that is known
        home_id, is_known = source_id(Source.ACM, ref), True
        if latest is not None:
            home_id = self._home_of(latest, home, home_id)
            is_known = bool(home_id) and self._row_of(latest, home_id, self._before(group))
        for sight in (by_arn[arn] for arn in parts.past if arn in by_arn):
            self.read.unchanged += 1
            self._replace(sight, home_id if is_known else "")
        if latest is not None:
            self._replace(latest, home_id if is_known else "")

    def _home_of(self, latest: _Sight, home: Certificate | None, home_id: str) -> str:
        """Name the row of the latest one; empty: it has none, because a later one is known that was not read.

        A row that a release before made for it alone goes on, until there is a later one.
        """
        own = self.rows.get(latest.own_id)
        if home is not None or own is None:
            return home_id
        return latest.own_id if own.replaced_at is None or latest.is_in_use else ""

    def _replace(self, sight: _Sight, by: str) -> None:
        """Have the row that it has in its own right replaced by `by`, if it has one that is watched."""
        row = self.rows.get(sight.own_id)
        if by not in ("", sight.own_id) and row is not None and row.is_watched:
            self.read.replaced.append((row, by))

    def _before(self, group: Sequence[_Sight]) -> Certificate | None:
        """Give the latest row that one of them has in its own right: what a new row for all of them continues."""
        rows = (self.rows[sight.own_id] for sight in group if sight.own_id in self.rows)
        return max(rows, key=lambda row: (row.is_watched, row.expires_at), default=None)

    def _row_of(self, sight: _Sight, id_: str = "", before: Certificate | None = None) -> bool:
        """Have the row `id_` brought up to a certificate, if it is not; tell whether that is known how."""
        row = self.rows.get(id_ or sight.own_id)
        if sight.described is None and self._is_known(sight, row):
            self.read.unchanged += 1
            return True
        described = sight.described or self._describe(sight.arn)
        if described is None:
            return False
        if id_ and id_ != sight.own_id:
            described = replace(described, identity_ref=sight.continuity)
        self.read.observed.append(described)
        if row is None and before is not None:
            self.read.continues[described.id] = before
        return True

    def _is_known(self, sight: _Sight, row: Certificate | None) -> bool:
        """Tell whether a description would say nothing new of it."""
        if row is None or not is_settled(row, sight.arn, sight.expires_at) or is_turn(sight.arn, self.visit.now):
            return False
        return (
            row.serial == sight.serial
            and row.renewal_status.partition(":")[0] == sight.renewal
            and bool(row.in_use_by) == sight.is_in_use
            and not (sight.is_revoked and row.revoked_at is None)
        )

    def _described(self, arn: str) -> _Sight | None:
        """Look at one that no search told of."""
        detail = self._detail(arn)
        if detail is None:
            return None
        observed = _observed(arn, detail)
        return _Sight(
            arn,
            observed.serial,
            observed.expires_at,
            observed.renewal_status.partition(":")[0],
            bool(observed.in_use_by),
            observed.revoked_at is not None,
            _continuity(detail, arn, detail.get("KeyAlgorithm", ""), detail.get("SubjectAlternativeNames", ())),
            observed,
        )

    def _describe(self, arn: str) -> ObservedCertificate | None:
        detail = self._detail(arn)
        return None if detail is None else _observed(arn, detail)

    def _detail(self, arn: str) -> "CertificateDetailTypeDef | None":
        """Describe one; null: it has no dates, is gone, or can't be read."""
        detail = self.read.asked(
            arn, lambda: self.client.describe_certificate(CertificateArn=arn)["Certificate"], self.visit
        )
        if detail is not None and "NotAfter" not in detail:
            self.read.undated += 1
            return None
        return detail


def _searched(client: "ACMClient") -> dict[str, _Sight]:
    """Search for everything; what can't be searched is described. A client may not know how, a role may not."""
    found: dict[str, _Sight] = {}
    if "SearchCertificates" not in client.meta.service_model.operation_names:
        return found
    try:
        for page in client.get_paginator("search_certificates").paginate(PaginationConfig={"PageSize": SEARCH_PAGE}):
            sights = map(_sight, page.get("Results", ()))
            found |= {sight.arn: sight for sight in sights if sight is not None}
    except (ClientError, BotoCoreError) as error:
        logging.getLogger(__name__).info("certificates can't be searched, and are described: %s", type(error).__name__)
    return found


def _sight(result: "CertificateSearchResultTypeDef") -> _Sight | None:
    """Read what a search says of one; null: it does not say enough to leave it undescribed."""
    arn, attributes = result.get("CertificateArn", ""), result.get("X509Attributes", {})
    metadata = result.get("CertificateMetadata", {}).get("AcmCertificateMetadata", {})
    expires_at, is_in_use = utc(attributes.get("NotAfter")), metadata.get("InUse")
    if not arn or expires_at is None or is_in_use is None or "SerialNumber" not in attributes:
        return None
    names = [name["DnsName"] for name in attributes.get("SubjectAlternativeNames", ()) if "DnsName" in name]
    return _Sight(
        arn,
        serial_of(attributes["SerialNumber"]),
        expires_at,
        metadata.get("RenewalStatus") or metadata.get("RenewalEligibility", ""),
        is_in_use,
        metadata.get("Status") == "REVOKED",
        _continuity(metadata, arn, attributes.get("KeyAlgorithm", ""), names),
    )


def _continuity(facts: Mapping[str, Any], arn: str, algorithm: str, names: Sequence[str]) -> str:
    """Say what one that came by ACME is for; nothing of all others, which keep their ARN through renewals."""
    if facts.get("CertificateKeyPairOrigin") != _ACME:
        return ""
    account = facts.get("AcmeAccountId") or ":".join(arn.split(":")[3:5])
    kind, _ = key_of(algorithm)
    return continuity_ref((name for name in names if not _is_address(name)), kind, account)


def _is_address(name: str) -> bool:
    """Tell whether it is an IP address, which a search shows apart from names."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_turn(arn: str, now: datetime) -> bool:
    """Tell whether this is the hour of the day at which one is described whatever a search says."""
    return hashlib.sha256(arn.encode()).digest()[0] % LOOKS == now.hour


def _observed(arn: str, detail: "CertificateDetailTypeDef") -> ObservedCertificate:
    names = tuple(detail.get("SubjectAlternativeNames", ()))
    key_kind, key_size = key_of(detail.get("KeyAlgorithm", ""))
    seen = ObservedCertificate(
        source=Source.ACM,
        source_ref=arn,
        common_name=detail.get("DomainName") or next(iter(names), arn.rpartition("/")[2]),
        names=names,
        issuer=detail.get("Issuer", ""),
        serial=serial_of(detail.get("Serial", "")),
        not_before=utc(detail.get("NotBefore")),
        expires_at=detail["NotAfter"].astimezone(UTC),
        renewal_status=_renewal(detail),
        key_kind=key_kind,
        key_size=key_size,
        signature_algorithm=_SIGNATURES.get(signed := detail.get("SignatureAlgorithm", ""), signed),
        in_use_by=tuple(detail.get("InUseBy", ())),
        revoked_at=utc(detail.get("RevokedAt")) or (utc(detail.get("NotBefore")) if _is_revoked(detail) else None),
    )
    return storable(seen)


def serial_of(text: str) -> str:
    """Write a serial as everywhere: hexadecimal, lower case, without colons and leading zeros."""
    return text.replace(":", "").lower().lstrip("0")


_CURVES = {"EC_prime256v1": 256, "EC_secp384r1": 384, "EC_secp521r1": 521}
_SIGNATURES = {
    f"SHA{bits}WITH{family}": f"SHA{bits}-{kind}"
    for bits in (1, 224, 256, 384, 512)
    for family, kind in (("RSA", "RSA"), ("ECDSA", "EC"))
}
"""ACM's words for what a certificate is signed with, and ours."""


def key_of(algorithm: str) -> tuple[str, int | None]:
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
