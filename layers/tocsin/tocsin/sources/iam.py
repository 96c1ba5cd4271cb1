"""Server certificates of IAM: those that load balancers use where there is no ACM. One list, for all regions.

Sources: IAM API reference, ListServerCertificates, GetServerCertificate (which gives the certificate and its chain, and
never the key). A certificate's ARN is made of its name, and nothing of it can be changed but that.
"""

import base64
from functools import partial
from typing import Any, Protocol

from tocsin.inventory.certificate import Source, source_id
from tocsin.sources.account import AccountRead, Paged, Visit, is_settled
from tocsin.sources.observed import ObservedCertificate, storable
from tocsin.sources.x509 import UnreadableCertificateError, read_der

PAGE = 1000
"""Certificates on a page of the list: the most that IAM allows."""
_LINES = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")


class IamClient(Paged, Protocol):
    """A client of IAM, as far as it is used."""

    def get_server_certificate(self, *, ServerCertificateName: str) -> Any:  # noqa: ANN401, N803 - as IAM has them
        """Give one with its PEM."""


def read_account(client: IamClient, visit: Visit) -> AccountRead:
    """List all; ask for those that are new or have another expiry. Raises nothing of AWS's."""
    read = AccountRead("iam")
    listed = read.listed(
        client, visit, "list_server_certificates", "ServerCertificateMetadataList", PaginationConfig={"PageSize": PAGE}
    )
    dated = [one for one in listed if "Expiration" in one]
    read.undated = len(listed) - len(dated)
    rows = visit.known([source_id(Source.IAM, one["Arn"]) for one in dated]) if dated else {}
    for one in dated:
        row = rows.get(source_id(Source.IAM, one["Arn"]))
        if row is not None and row.serial and is_settled(row, one["Arn"], one["Expiration"]):
            read.unchanged += 1
        elif (seen := read.asked(one["Arn"], partial(_observed, client, one), visit)) is not None:
            read.observed.append(seen)
    return read


def _observed(client: IamClient, listed: dict[str, Any]) -> ObservedCertificate:
    """Read the certificate itself; of one that can't be read, what the list says."""
    answer = client.get_server_certificate(ServerCertificateName=listed["ServerCertificateName"])
    arn = listed["Arn"]
    try:
        return read_der(_der(answer["ServerCertificate"]["CertificateBody"]), Source.IAM, arn)
    except (UnreadableCertificateError, ValueError):
        name, expires_at = listed["ServerCertificateName"], listed["Expiration"]
        return storable(ObservedCertificate(source=Source.IAM, source_ref=arn, common_name=name, expires_at=expires_at))


def _der(pem: str) -> bytes:
    begin, end = _LINES
    return base64.b64decode("".join(pem.partition(begin)[2].partition(end)[0].split()), validate=True)
