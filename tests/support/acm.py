"""An ACM on loopback of a few lines, which botocore's own client reads: certificates by their ARNs, and every call."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.receiver import Exchange, answers

PREFIX = "arn:aws:acm:us-east-1:123456789012:certificate/"
_LIFE = timedelta(days=90)


@dataclass(frozen=True)
class Held:
    """One certificate as ACM has it."""

    expires_at: datetime
    names: tuple[str, ...] = ()
    """None: the last letter of its ARN, as a name."""
    serial: str = "0a:bc"
    origin: str = "AWS_MANAGED"
    acme_account: str = ""
    key_algorithm: str = "EC_prime256v1"
    in_use_by: tuple[str, ...] = ()
    renewal: str = ""
    reason: str = ""
    status: str = "ISSUED"


@dataclass
class Acm:
    """The service. `failing` has the codes with which ARNs, or whole actions, fail."""

    held: dict[str, Held] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    left_out: set[str] = field(default_factory=set)
    """What a search does not find."""
    page: int = 1000
    """Certificates on a page, of the list and of a search."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one call."""
        action = exchange.request.headers["x-amz-target"].rpartition(".")[2]
        asked = json.loads(exchange.request.body)
        subject = asked.get("CertificateArn", action)
        self.calls[action] += 1
        if subject in self.failing:
            refusal = {"__type": self.failing[subject], "message": "s3cret"}
            await answers(400, json.dumps(refusal).encode())(exchange)
            return
        match action:
            case "ListCertificates":
                answer = self._page(asked, "CertificateSummaryList", lambda arn: {"CertificateArn": arn})
            case "SearchCertificates":
                answer = self._page(asked, "Results", self.found)
            case _:
                answer = {"Certificate": self.detail(subject)}
        await answers(200, json.dumps(answer).encode())(exchange)

    def _page(self, asked: dict[str, Any], of_page: str, write: Any) -> dict[str, Any]:
        begin = int(asked.get("NextToken", 0))
        arns = [arn for arn in self.held if of_page != "Results" or arn not in self.left_out]
        rest = {"NextToken": str(begin + self.page)} if len(arns) > begin + self.page else {}
        return {of_page: [write(arn) for arn in arns[begin : begin + self.page]], **rest}

    def _names(self, arn: str) -> tuple[str, ...]:
        return self.held[arn].names or (f"{arn[-1]}.example.com",)

    def detail(self, arn: str) -> dict[str, Any]:
        one = self.held[arn]
        return {
            "CertificateArn": arn,
            "DomainName": self._names(arn)[0],
            "SubjectAlternativeNames": self._names(arn),
            "Serial": one.serial,
            "Issuer": "Amazon",
            "Status": one.status,
            "KeyAlgorithm": one.key_algorithm,
            "SignatureAlgorithm": "SHA256WITHRSA",
            "NotBefore": (one.expires_at - _LIFE).timestamp(),
            "NotAfter": one.expires_at.timestamp(),
            "InUseBy": one.in_use_by,
            "CertificateKeyPairOrigin": one.origin,
            **({"AcmeAccountId": one.acme_account} if one.acme_account else {}),
            **({"RenewalSummary": self._renewal(one)} if one.renewal else {}),
        }

    @staticmethod
    def _renewal(one: Held) -> dict[str, Any]:
        return {"RenewalStatus": one.renewal} | ({"RenewalStatusReason": one.reason} if one.reason else {})

    def found(self, arn: str) -> dict[str, Any]:
        """Write it as a search does: no issuer's line, no users, no reason."""
        one = self.held[arn]
        metadata = {
            "InUse": bool(one.in_use_by),
            "Status": one.status,
            "CertificateKeyPairOrigin": one.origin,
            **({"AcmeAccountId": one.acme_account} if one.acme_account else {}),
            **({"RenewalStatus": one.renewal} if one.renewal else {}),
        }
        attributes = {
            "SubjectAlternativeNames": [{"DnsName": name} for name in self._names(arn)],
            "KeyAlgorithm": one.key_algorithm,
            "SerialNumber": one.serial,
            "NotAfter": one.expires_at.timestamp(),
            "NotBefore": (one.expires_at - _LIFE).timestamp(),
        }
        return {
            "CertificateArn": arn,
            "X509Attributes": attributes,
            "CertificateMetadata": {"AcmCertificateMetadata": metadata},
        }
