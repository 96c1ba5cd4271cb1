"""PKCS#12 stores: the certificates in them, without their keys.

Sources: RFC 7292 (the store), RFC 8018 (PBES2), RFC 2315, 10.1 (encrypted data). A store is a list of parts; keys lie
in bags of their own, which are stepped over: what encrypts them is never undone. Only a store that has keys and
certificates encrypted together, in one part, is decrypted with them; those of openssl, Java and Windows have not.
`cryptography` reads such stores too, but always with their keys.

The digest over the whole is not checked: it would keep nobody out who could not read a certificate otherwise.
"""

from collections.abc import Iterator, Sequence

from tocsin_cli.agent.asn1 import CONTEXT, SEQUENCE, SET, Element, at_least, elements, first_of
from tocsin_cli.agent.contents import Contents, Held, UnreadableError
from tocsin_cli.agent.decrypting import Effort, decrypted

_DATA, _ENCRYPTED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
_CERTIFICATES, _NESTED = "1.2.840.113549.1.12.10.1.3", "1.2.840.113549.1.12.10.1.6"
_X509 = "1.2.840.113549.1.9.22.1"
_FRIENDLY_NAME, _LOCAL_KEY = "1.2.840.113549.1.9.20", "1.2.840.113549.1.9.21"
_MOST_PARTS = 16
_DEEPEST = 8
_CLOSED = "its certificates are encrypted, and no password that was given opens them"


def read_pkcs12(data: bytes, passwords: Sequence[str]) -> Contents:
    """Read all certificates of a store, trying each of `passwords`, and none; raise UnreadableError."""
    contents = Contents()
    _version, whole = _two(first_of(data).inside(SEQUENCE))
    parts = first_of(_content(whole, _DATA).octets()).inside(SEQUENCE)
    if len(parts) > _MOST_PARTS:
        raise UnreadableError(f"it has more than {_MOST_PARTS} parts")
    effort = Effort()
    for part in parts:
        try:
            contents.held += _held(part, passwords, effort)
        except UnreadableError as error:
            contents.problems.append(str(error))
    return contents


def _content(info: Element, expected: str) -> Element:
    """Give what is in a ContentInfo of the expected kind."""
    kind, wrapped = _two(info.inside(SEQUENCE))
    if kind.oid != expected:
        raise UnreadableError("it is signed or encrypted with a key, which is not read")
    return _one(wrapped.inside(CONTEXT))


def _held(part: Element, passwords: Sequence[str], effort: Effort) -> list[Held]:
    kind, _wrapped = _two(part.inside(SEQUENCE))
    if kind.oid == _DATA:
        return list(_in_bags(first_of(_content(part, _DATA).octets()), 0))
    _version, encrypted = _two(_content(part, _ENCRYPTED).inside(SEQUENCE))
    _kind, algorithm, content = at_least(3, encrypted.inside(SEQUENCE))[:3]
    secret = content.octets()
    for password in (*passwords, "", None):
        plain = decrypted(algorithm, secret, password, effort)
        if plain is None:
            continue
        try:
            return list(_in_bags(first_of(plain), 0))
        except UnreadableError:
            continue  # by chance: another password gave an end that looks right
    raise UnreadableError(_CLOSED)


def _in_bags(bags: Element, depth: int) -> Iterator[Held]:
    """Give the certificates of bags; others are not looked into."""
    if depth == _DEEPEST:
        raise UnreadableError("it is broken: bags in bags without an end")
    for bag in bags.inside(SEQUENCE):
        kind, value, *attributes = at_least(2, bag.inside(SEQUENCE))
        if kind.oid == _NESTED:
            yield from _in_bags(_one(value.inside(CONTEXT)), depth + 1)
        elif kind.oid == _CERTIFICATES:
            of, wrapped = _two(_one(value.inside(CONTEXT)).inside(SEQUENCE))
            if of.oid == _X509:
                der = _one(wrapped.inside(CONTEXT)).octets()
                said = dict(_attributes(attributes))
                yield Held(der, said.get(_FRIENDLY_NAME, ""), is_own=_LOCAL_KEY in said)


def _attributes(sets: Sequence[Element]) -> Iterator[tuple[str, str]]:
    for attribute in (one for found in sets if found.tag == SET for one in elements(found.content)):
        name, values = _two(attribute.inside(SEQUENCE))
        first = values.inside(SET)[:1]
        text = bytes(first[0].content) if first else b""
        yield name.oid, text.decode("utf-16-be", errors="replace") if name.oid == _FRIENDLY_NAME else ""


def _one(found: Sequence[Element]) -> Element:
    return at_least(1, found)[0]


def _two(found: Sequence[Element]) -> tuple[Element, Element]:
    first, second = at_least(2, found)[:2]
    return first, second
