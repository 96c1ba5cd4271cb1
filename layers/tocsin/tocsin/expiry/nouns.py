"""What the things are called that alerts are about: not all that expires is a certificate. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tocsin.inventory.certificate import Certificate, Source
from tocsin.inventory.occurrences import CertificateEvent


@dataclass(frozen=True, slots=True)
class Nouns:
    """The words for things of one source."""

    noun: str = "certificate"
    """What it is, as in "the certificate was renewed"."""
    what: str = "The certificate"
    """What stands before its name at the beginning of a sentence."""
    in_subject: str = ""
    """The same in a subject, which has little room."""
    ahead: str = "expires"
    """What it does at its time, as in "expires in 3 days"."""
    behind: str = "expired"
    """What it has done, as in "expired 3 days ago"."""
    renewed: str = "renewed"
    happened: Mapping[CertificateEvent, str] = field(default_factory=dict)
    """What is said in another way of what can happen to it."""


CERTIFICATE = Nouns()
_NOUNS = {
    Source.ACM_PCA: Nouns("certificate authority", "The certificate authority"),
    Source.DOMAIN: Nouns("domain", "The domain"),
    Source.SECRETS_MANAGER: Nouns(
        "secret",
        "The rotation of the secret",
        "the rotation of ",
        "is due",
        "was due",
        "rotated",
        {
            CertificateEvent.RENEWAL_SUCCESS: "took place",
            CertificateEvent.RENEWAL_FAILURE: "did not take place",
        },
    ),
}


def nouns_of(certificate: Certificate) -> Nouns:
    """Give the words for what a row is about."""
    return _NOUNS.get(certificate.source, CERTIFICATE)
