"""Secrets Manager: secrets that rotate by themselves, each by when that is due next. Names and dates only.

Source: Secrets Manager API reference, ListSecrets, SecretListEntry: `NextRotationDate` is the time by which the next
rotation is to have happened. A list can't show the value of a secret, and nothing else is asked for. What a rotation
that failed does to that date, no page says; a real account may (docs/decisions/what-a-real-account-needs.md).
"""

from datetime import UTC
from typing import Any

from tocsin.inventory.certificate import Source
from tocsin.sources.account import AccountRead, Paged, Visit, utc
from tocsin.sources.observed import ObservedCertificate, storable

PAGE = 100
"""Secrets on a page of the list: the most that is allowed."""


def read_account(client: Paged, visit: Visit) -> AccountRead:
    """List all secrets that rotate. Raises nothing of AWS's."""
    read = AccountRead(f"secrets-manager:{client.meta.region_name}")
    for one in read.listed(client, visit, "list_secrets", "SecretList", PaginationConfig={"PageSize": PAGE}):
        if one.get("RotationEnabled") and one.get("NextRotationDate") is not None:
            read.observed.append(_observed(one))
    return read


def _observed(secret: dict[str, Any]) -> ObservedCertificate:
    seen = ObservedCertificate(
        source=Source.SECRETS_MANAGER,
        source_ref=secret["ARN"],
        common_name=secret.get("Name") or secret["ARN"],
        not_before=utc(secret.get("LastRotatedDate") or secret.get("CreatedDate")),
        expires_at=secret["NextRotationDate"].astimezone(UTC),
    )
    return storable(seen)
