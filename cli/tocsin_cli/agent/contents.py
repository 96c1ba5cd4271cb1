"""What a file holds, whatever its format is; and which of that is reported, under which name."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

PLACE_LIMIT = 880
"""Characters of a place that the API takes."""
_PEM_LIMIT = 100_000
"""Characters of a certificate that the API takes."""
_NAME_LIMIT = 128
_FIRST_YEAR = 1950
"""The first year that a certificate's UTCTime can hold (RFC 5280, 4.1.2.5.1)."""


class UnreadableError(Exception):
    """A file can't be read as what it is. The message is our own, and repeats nothing of the file."""


@dataclass(frozen=True, slots=True)
class Held:
    """One certificate in a file."""

    der: bytes
    name: str = ""
    """The entry's name in a key store."""
    is_own: bool = False
    """Whether its private key lies beside it in the store: it is what a server shows, whatever it says of itself."""


@dataclass(slots=True)
class Contents:
    """What was read of one file."""

    held: list[Held] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What of it can't be read, in words of our own."""


@dataclass(frozen=True, slots=True)
class Found:
    """One certificate that is reported."""

    place: str
    """The path, and behind a `#` what tells it from others in the same file."""
    pem: str
    common_name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read, and why."""

    path: str
    problem: str


def shown(path: str) -> str:
    """Write a path as one line of text, whatever bytes it is made of: what can't be shown becomes an escape."""
    text = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def reported(path: str, contents: Contents, *, with_authorities: bool) -> Iterator[Found | Problem]:
    """Give what is reported of a file: servers' own certificates; with the others those of authorities behind them."""
    where = shown(path)
    read, unreadable = _read(contents.held)
    said = Counter(contents.problems) + Counter({"a certificate in it can't be read": unreadable})
    for problem, count in said.items():
        yield Problem(where, problem if count == 1 else f"{problem} ({count:,} times)")
    chosen = [one for one in read if one.is_leaf] + [one for one in read if with_authorities and not one.is_leaf]
    seen: Counter[str] = Counter()
    for one in chosen:
        place = _place(where, one.held.name, seen)
        if len(place) > PLACE_LIMIT:
            yield Problem(f"{where[: PLACE_LIMIT - 1]}…", f"its path has more than {PLACE_LIMIT} characters")
        elif len(one.pem) > _PEM_LIMIT:
            yield Problem(place, f"a certificate in it has more than {_PEM_LIMIT:,} characters")
        else:
            yield Found(place, one.pem, one.common_name, one.expires_at)


def _place(where: str, name: str, seen: Counter[str]) -> str:
    """Name a certificate of a file: always the same one the same, as long as its entry has the same name."""
    place = f"{where}#{shown(name)[:_NAME_LIMIT]}" if name else where
    seen[place] += 1
    return place if seen[place] == 1 else f"{place}#{seen[place]}"


@dataclass(frozen=True, slots=True)
class _Read:
    """What matters of a certificate."""

    held: Held
    is_leaf: bool
    pem: str
    """Written anew: of the file, only what is in the certificate itself."""
    common_name: str
    expires_at: datetime


def _read(held: Iterable[Held]) -> tuple[list[_Read], int]:
    """Read certificates, each once; count those that can't be."""
    read: dict[bytes, _Read] = {}
    unreadable = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are too long, serials below 1: they are no matter here
        for one in held:
            certificate = _loaded(one.der)
            if certificate is None:
                unreadable += 1
            else:
                read.setdefault(one.der, _read_of(one, certificate))
    return list(read.values()), unreadable


def _read_of(held: Held, certificate: "x509.Certificate") -> _Read:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - as in _loaded

    return _Read(
        held=held,
        is_leaf=held.is_own or not _is_authority(certificate),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        common_name=_common_name(certificate),
        expires_at=certificate.not_valid_after_utc,
    )


def _common_name(certificate: "x509.Certificate") -> str:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - as in _loaded

    try:
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, TypeError):
        return ""
    return str(found[-1].value) if found else ""


def _loaded(der: bytes) -> "x509.Certificate | None":
    """Read one; null where it is none, or its expiry can't be read."""
    from cryptography import x509  # noqa: PLC0415 - an import that help must not pay for

    try:
        certificate = x509.load_der_x509_certificate(der)
        is_dated = certificate.not_valid_after_utc.year >= _FIRST_YEAR
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
    return certificate if is_dated else None


def _is_authority(certificate: "x509.Certificate") -> bool:
    """Tell whether it is for no host, but to issue others.

    A self-signed one that a tool has made says that it may issue (openssl does so), and still is for a host.
    """
    from cryptography import x509  # noqa: PLC0415 - as in _loaded

    try:
        extensions = certificate.extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        return error.oid == x509.SubjectAlternativeName.oid
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    return not any(isinstance(name, x509.DNSName | x509.IPAddress) for name in names)
