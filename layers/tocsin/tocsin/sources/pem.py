"""Reading PEM text: every certificate in it, and nothing else of it. Pure.

A file of certificates often holds the private key as well. Only what stands between CERTIFICATE lines is looked at:
the rest is not parsed, not kept, and not repeated in any error.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.certificate import Source
from tocsin.sources.observed import ObservedCertificate
from tocsin.sources.x509 import UnreadableCertificateError, read_der

_FIELD = "pem"
TEXT_LIMIT = 512 * 1024
"""Characters of text: some 250 certificates of the usual size."""
COUNT_LIMIT = 200
"""Certificates in one text."""

_BEGIN = re.compile(r"-----BEGIN (X509 )?CERTIFICATE-----")
_DASHES = "-----"
_END = re.compile(r"-----END (X509 )?CERTIFICATE-----")


def read_one(text: str, source: Source, source_ref: str) -> ObservedCertificate:
    """Read a text that is one certificate, seen by `source` at `source_ref`; raise ValueError saying what is wrong."""
    found = re.fullmatch(rf"{_BEGIN.pattern}([^-]*){_END.pattern}", text.strip())
    if found is None:
        raise ValueError("is not one certificate in PEM, and nothing else")
    read = _read(found[2], "the certificate", source, source_ref)
    if isinstance(read, str):
        raise ValueError(read)  # noqa: TRY004 - its type says that it is the reason
    return read


def read_pem(text: str) -> tuple[ObservedCertificate, ...]:
    """Read all certificates in `text`, CAs' too; the same one twice counts once.

    Raises InvalidFieldsError naming each certificate that can't be read by its number: all or nothing.
    """
    if len(text) > TEXT_LIMIT:
        raise InvalidFieldsError([FieldProblem(_FIELD, f"is over {TEXT_LIMIT} characters")])
    blocks = list(_blocks(text))
    if not blocks:
        raise InvalidFieldsError([FieldProblem(_FIELD, "holds no certificate (-----BEGIN CERTIFICATE-----)")])
    if len(blocks) > COUNT_LIMIT:
        raise InvalidFieldsError([FieldProblem(_FIELD, f"holds more than {COUNT_LIMIT} certificates")])
    read = [_read(block, f"certificate {number}") for number, block in enumerate(blocks, 1)]
    problems = [FieldProblem(_FIELD, one) for one in read if isinstance(one, str)]
    if problems:
        raise InvalidFieldsError(problems)
    return _told_apart(one for one in read if not isinstance(one, str))


def _blocks(text: str) -> Iterator[str | None]:
    """Give what stands between the lines of each certificate; null: it is cut off. Linear in the text's length."""
    begin = _BEGIN.search(text)
    while begin is not None:
        end = text.find(_DASHES, begin.end())
        mark = _END.match(text, end) if end >= 0 else None
        yield text[begin.end() : end] if mark else None
        if end < 0:
            return
        begin = _BEGIN.search(text, mark.end() if mark else end)


def _read(
    block: str | None, name: str, source: Source = Source.IMPORT, source_ref: str | None = None
) -> ObservedCertificate | str:
    """Read one, or say what is wrong with it, repeating nothing of it."""
    if block is None:
        return f"{name} is cut off: it has no -----END CERTIFICATE----- line"
    try:
        return read_der(base64.b64decode("".join(block.split()), validate=True), source, source_ref)
    except UnreadableCertificateError as error:
        return f"{name} can't be read" + (f": {error.detail}" if error.detail else "")
    except ValueError:
        return f"{name} is not base64"


def _told_apart(read: Iterable[ObservedCertificate]) -> tuple[ObservedCertificate, ...]:
    """Give two certificates of one file two rows, although they are for the same names: both are taken.

    The one that expires last keeps the plain identity, so that a file with the renewed one alone updates its row.
    """
    once: Sequence[ObservedCertificate] = list({one.fingerprint_sha256: one for one in read}.values())
    seen: Counter[str] = Counter()
    refs: dict[str, str] = {}
    for one in sorted(once, key=lambda one: (one.expires_at, one.fingerprint_sha256), reverse=True):
        seen[one.source_ref] += 1
        number = seen[one.source_ref]
        refs[one.fingerprint_sha256] = one.source_ref if number == 1 else f"{one.source_ref}#{number}"
    return tuple(replace(one, source_ref=refs[one.fingerprint_sha256]) for one in once)
