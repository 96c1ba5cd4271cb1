"""AWS Private CA: the authorities of the account in the client's region, each by its own certificate.

Source: AWS Private CA API reference, ListCertificateAuthorities, CertificateAuthority. The list has all that is needed.
An authority that expires takes every certificate below it along; its ARN stays when it gets a new certificate.
"""

from datetime import UTC
from typing import Any

from tocsin.inventory.certificate import Source
from tocsin.sources.account import AccountRead, Paged, Visit, utc
from tocsin.sources.acm import key_of, serial_of
from tocsin.sources.observed import ObservedCertificate, storable

PAGE = 1000
"""Authorities on a page of the list: the most that is allowed."""
_NOT_THERE = frozenset({"CREATING", "PENDING_CERTIFICATE", "DELETED", "FAILED"})
"""States in which it has no certificate, or nobody may use it: what was deleted can be restored, and is seen then."""
_AS_USUAL = "ACTIVE"


def read_account(client: Paged, visit: Visit) -> AccountRead:
    """List all authorities that the account owns. Raises nothing of AWS's."""
    read = AccountRead(f"acm-pca:{client.meta.region_name}")
    for one in read.listed(
        client, visit, "list_certificate_authorities", "CertificateAuthorities", PaginationConfig={"PageSize": PAGE}
    ):
        if one.get("Status") in _NOT_THERE or "NotAfter" not in one:
            read.undated += 1
        else:
            read.observed.append(_observed(one))
    return read


def _observed(authority: dict[str, Any]) -> ObservedCertificate:
    configuration, arn = authority.get("CertificateAuthorityConfiguration", {}), authority["Arn"]
    key_kind, key_size = key_of(configuration.get("KeyAlgorithm", ""))
    status = authority.get("Status", "")
    seen = ObservedCertificate(
        source=Source.ACM_PCA,
        source_ref=arn,
        common_name=configuration.get("Subject", {}).get("CommonName") or arn.rpartition("/")[2],
        serial=serial_of(authority.get("Serial", "")),
        not_before=utc(authority.get("NotBefore")),
        expires_at=authority["NotAfter"].astimezone(UTC),
        renewal_status="" if status == _AS_USUAL else status,
        key_kind=key_kind,
        key_size=key_size,
    )
    return storable(seen)
