"""Where a new certificate is put: ACM, and a secret for servers that can't take it from there."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from renewer.errors import RefusedError
from renewer.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_acm import ACMClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

END = "-----END CERTIFICATE-----\n"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    pem: str
    """The leaf, then its chain."""
    key_pem: bytes

    @property
    def leaf(self) -> str:
        """The certificate alone."""
        return self.pem.partition(END)[0] + END

    @property
    def chain(self) -> str:
        """What it was signed by."""
        return self.pem.partition(END)[2].lstrip()


@dataclass(frozen=True, slots=True)
class Imports:
    """Certificates in ACM."""

    acm_in: "Callable[[str | None], ACMClient]"
    """Gives ACM's client for a region; None: the one that this runs in."""
    parameters: "SSMClient"
    prefix: str
    """Parameters below it remember the ARN that a certificate from elsewhere was imported as."""

    def put(self, job: Job, issued: Issued) -> str:
        """Import it, over the one that it renews where that is in ACM too; give its ARN."""
        if job.source == "acm":
            return self._imported(issued, job.source_ref)
        remembered = f"{self.prefix}/{job.certificate_id}"
        arn = self._imported(issued, self._remembered(remembered))
        self.parameters.put_parameter(Name=remembered, Value=arn, Type="String", Overwrite=True)
        return arn

    def _imported(self, issued: Issued, over: str | None) -> str:
        acm = self.acm_in(region_of(over) if over else None)
        given = {"Certificate": issued.leaf.encode(), "PrivateKey": issued.key_pem}
        if issued.chain:
            given["CertificateChain"] = issued.chain.encode()
        place = {"CertificateArn": over} if over else {}
        try:
            return acm.import_certificate(**given, **place)["CertificateArn"]  # type: ignore[arg-type]  # text and bytes
        except ClientError as error:
            said = error.response["Error"]
            if said["Code"] not in {"ValidationException", "ResourceNotFoundException"}:
                raise
            raise RefusedError(f"ACM does not take it as {over or 'a new certificate'}: {said['Message']}") from error

    def _remembered(self, name: str) -> str | None:
        try:
            return self.parameters.get_parameter(Name=name)["Parameter"]["Value"]
        except self.parameters.exceptions.ParameterNotFound:
            return None


def refusal(acm: "ACMClient", arn: str) -> str:
    """Say why ACM would not take a certificate in the place of this one; empty: it would.

    Asked before anything is ordered: authorities limit how often the same certificate is issued in a week.
    """
    try:
        kind = acm.describe_certificate(CertificateArn=arn)["Certificate"]["Type"]
    except acm.exceptions.ResourceNotFoundException:
        return f"ACM has no certificate {arn}"
    return "" if kind == "IMPORTED" else f"ACM issued {arn}, and renews it itself ({kind})"


def region_of(arn: str) -> str:
    """Give the region that an ARN is in."""
    return arn.split(":")[3]


@dataclass(frozen=True, slots=True)
class KeySecrets:
    """Secrets that servers read certificate and key from."""

    secrets: "SecretsManagerClient"
    prefix: str

    def put(self, job: Job, issued: Issued) -> str:
        """Write the certificate's secret, or a new version of it; give its ARN."""
        name = f"{self.prefix}/{job.certificate_id}"
        value = json.dumps({"certificate": issued.leaf, "chain": issued.chain, "private_key": issued.key_pem.decode()})
        try:
            return self.secrets.put_secret_value(SecretId=name, SecretString=value)["ARN"]
        except self.secrets.exceptions.ResourceNotFoundException:
            said = f"Certificate and key of {job.names[0]}, renewed for Tocsin's certificate {job.certificate_id}"
            return self.secrets.create_secret(Name=name, Description=said, SecretString=value)["ARN"]
