"""What kind of file it is, by how it begins, before any more of it is read: a private key is told by that, and left."""

from collections.abc import Sequence

from tocsin_cli.agent.asn1 import CONTEXT, INTEGER, OID, SEQUENCE, head
from tocsin_cli.agent.contents import Contents, Held, UnreadableError
from tocsin_cli.agent.jks import MAGIC, read_jks
from tocsin_cli.agent.opened import Opened
from tocsin_cli.agent.pem import read_pem
from tocsin_cli.agent.pkcs12 import read_pkcs12

_BEGINNING = 32
"""Bytes that are read to see what it is: of a key's file, those before the key."""
_STORE_VERSION = b"\x02\x01\x03"
"""How PKCS#12 begins inside: version 3, as an INTEGER. Keys have 0 or 1."""


def read_file(file: Opened, passwords: Sequence[str]) -> Contents | None:
    """Read the certificates of a file; null where it is of no kind that has some. Raises OSError, UnreadableError."""
    beginning = file.head(_BEGINNING)
    if beginning[:4] in MAGIC:
        return read_jks(file)
    if beginning[:1] != bytes([SEQUENCE]):
        found = read_pem(file.lines())
        return found if found.held or found.problems else None
    if _is_store(beginning):
        return read_pkcs12(file.at(0, file.size), passwords)
    if _is_certificate(beginning):
        return Contents([Held(file.at(0, file.size))])
    return None


def _is_store(beginning: bytes) -> bool:
    try:
        _tag, inside = head(beginning)
    except UnreadableError:
        return False
    return beginning[inside : inside + 3] == _STORE_VERSION


def _is_certificate(beginning: bytes) -> bool:
    """Tell whether it begins as a certificate does (RFC 5280, 4.1): a SEQUENCE, in it a version or a serial number.

    An encrypted private key begins with a SEQUENCE as well, but with an object identifier in it; another one not so.
    """
    try:
        _tag, inside = head(beginning)
        tag, inside = head(beginning, inside)
        within, _inside = head(beginning, inside)
    except UnreadableError:
        return False
    return tag == SEQUENCE and within in (CONTEXT, INTEGER) and within != OID
