"""Route 53: the domains that the account has registered. The service is in us-east-1, whatever the stack's region.

Source: Amazon Route 53 API reference, Registrar, ListDomains, DomainSummary. The list has all that is needed.
"""

from datetime import UTC
from typing import Any

from tocsin.inventory.certificate import Source
from tocsin.sources.account import AccountRead, Paged, Visit
from tocsin.sources.observed import ObservedCertificate, storable

REGION = "us-east-1"
PAGE = 100
"""Domains on a page of the list: the most that is allowed."""
RENEWS, RENEWS_NOT = "renews by itself", "does not renew by itself"
"""How a domain's renewal stands: Route 53 says no more of it than this."""


def read_account(client: Paged, visit: Visit) -> AccountRead:
    """List all domains. Raises nothing of AWS's."""
    read = AccountRead("route53-domains")
    for one in read.listed(client, visit, "list_domains", "Domains", PaginationConfig={"PageSize": PAGE}):
        if one.get("Expiry") is None:
            read.undated += 1  # its registration is not done
        else:
            read.observed.append(_observed(one))
    return read


def _observed(domain: dict[str, Any]) -> ObservedCertificate:
    seen = ObservedCertificate(
        source=Source.DOMAIN,
        source_ref=domain["DomainName"],
        common_name=domain["DomainName"],
        expires_at=domain["Expiry"].astimezone(UTC),
        renewal_status=RENEWS if domain.get("AutoRenew") else RENEWS_NOT,
    )
    return storable(seen)
