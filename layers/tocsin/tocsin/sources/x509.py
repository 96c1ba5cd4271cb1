"""Reading what an X.509 certificate says. Pure.

Anything but the expiry may be missing, malformed or absurd: the certificate still expires, and somebody still has to
know. So only a certificate whose expiry can't be read is an error. `cryptography` parses names and extensions when they
are asked for, and raises only then.
"""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from tocsin.errors import TocsinError
from tocsin.inventory.certificate import FIRST_YEAR, NAME_LIMIT, Source
from tocsin.sources.import_identity import import_ref
from tocsin.sources.observed import NOT_CHECKED, ObservedCertificate, storable
from tocsin.text import bounded

_TEXT_NAMES = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)


class UnreadableCertificateError(TocsinError):
    """This is no certificate whose expiry can be read."""


def read_der(
    der: bytes, source: Source, source_ref: str | None = None, chain_problem: str | None = NOT_CHECKED
) -> ObservedCertificate:
    """Read one certificate; without a `source_ref`, its own identity is one. Raise UnreadableCertificateError."""
    with _quietly():
        certificate = _loaded(der)
        names = _names(certificate)
        seen = ObservedCertificate(
            source=source,
            source_ref=import_ref(certificate, names) if source_ref is None else source_ref,
            common_name=_common_name(certificate, names),
            names=names,
            issuer=_line(_name(certificate, "issuer")),
            serial=_serial(certificate),
            fingerprint_sha256=hashlib.sha256(der).hexdigest(),
            not_before=_instant(certificate, "not_valid_before_utc"),
            expires_at=_expiry(certificate),
            chain_problem=chain_problem,
        )
    return storable(seen)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to ourselves what `cryptography` warns of (a name too long, a serial below 1): it is not our certificate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _loaded(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise UnreadableCertificateError from error


def _expiry(certificate: x509.Certificate) -> datetime:
    at = _instant(certificate, "not_valid_after_utc")
    if at is None:
        raise UnreadableCertificateError(f"it expires before {FIRST_YEAR}")
    return at


def _instant(certificate: x509.Certificate, name: str) -> datetime | None:
    at: datetime = getattr(certificate, name)
    return at if at.year >= FIRST_YEAR else None


def _name(certificate: x509.Certificate, field: str) -> x509.Name:
    try:
        name: x509.Name = getattr(certificate, field)
    except (ValueError, TypeError):  # malformed inside, or of a type that such a name can't have
        return x509.Name([])
    return name


def _line(name: x509.Name) -> str:
    return name.rfc4514_string()


def _serial(certificate: x509.Certificate) -> str:
    return format(certificate.serial_number, "x")


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give all alternative names that are text or an address."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
    return tuple(str(name.value) for name in found if isinstance(name, (*_TEXT_NAMES, x509.IPAddress)))


def _common_name(certificate: x509.Certificate, names: tuple[str, ...]) -> str:
    """Give the most specific common name (the last); without one, the best that there is to call it by."""
    subject = _name(certificate, "subject")
    common = [str(entry.value) for entry in subject.get_attributes_for_oid(NameOID.COMMON_NAME)[-1:]]
    choices = (*common, *names[:1], _line(subject), f"serial {_serial(certificate)}")
    return next(text for choice in choices if (text := bounded(choice, NAME_LIMIT)))
