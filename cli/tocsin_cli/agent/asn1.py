"""ASN.1 as PKCS#12 stores have it: BER, read in place. Nothing is copied by a length that a file claims.

Sources: ITU-T X.690, 8.1 (tags, lengths, and lengths that are not said), 8.7.3 (octets in several parts).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tocsin_cli.agent.contents import UnreadableError

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
CONTEXT = 0xA0
"""`[0]` around something."""
_CONSTRUCTED = 0x20
_LONG_TAG = 0x1F
_UNSAID = 0x80
_MOST_LENGTH = 4
"""Bytes of a length that can be true: files have a megabyte at most."""
_DEEPEST = 40
_BROKEN = "it is broken: its ASN.1 can't be read"


@dataclass(frozen=True, slots=True)
class Element:
    """A tag of one byte, and what it holds."""

    tag: int
    content: memoryview

    @property
    def is_constructed(self) -> bool:
        """Tell whether it holds elements."""
        return bool(self.tag & _CONSTRUCTED)

    def inside(self, tag: int | None = None) -> list["Element"]:
        """Give the elements in it; raise UnreadableError where there are none, or it has not this `tag`."""
        if not self.is_constructed or tag not in (None, self.tag):
            raise UnreadableError(_BROKEN)
        return list(elements(self.content))

    def octets(self, depth: int = 0) -> bytes:
        """Give octets that may be in several parts."""
        if not self.is_constructed:
            return bytes(self.content)
        if depth == _DEEPEST:
            raise UnreadableError(_BROKEN)
        return b"".join(part.octets(depth + 1) for part in elements(self.content))

    @property
    def oid(self) -> str:
        """Give an object identifier in dots; an empty text where it is none, or a very long one."""
        data = bytes(self.content[:64])
        if self.tag != OID or not data or data[-1] & 0x80:
            return ""
        numbers, number = [], 0
        for byte in data:
            number = number << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(number)
                number = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))

    @property
    def number(self) -> int:
        """Give a number that is not negative and no more than four bytes; raise UnreadableError for another."""
        if self.tag != INTEGER or not 1 <= len(self.content) <= _MOST_LENGTH or self.content[0] & 0x80:
            raise UnreadableError(_BROKEN)
        return int.from_bytes(self.content, "big")


def elements(data: memoryview) -> Iterator[Element]:
    """Give the elements that stand one after the other; raise UnreadableError."""
    at = 0
    while at < len(data):
        tag, begin, end, after = _bounds(data, at, 0)
        yield Element(tag, data[begin:end])
        at = after


def at_least(count: int, found: Sequence[Element]) -> Sequence[Element]:
    """Give what was found, if there is so much of it; raise UnreadableError."""
    if len(found) < count:
        raise UnreadableError(_BROKEN)
    return found


def first_of(data: bytes | memoryview) -> Element:
    """Give the first element, whatever stands behind it; raise UnreadableError."""
    view = memoryview(data)
    tag, begin, end, _after = _bounds(view, 0, 0)
    return Element(tag, view[begin:end])


def head(data: bytes, at: int = 0) -> tuple[int, int]:
    """Give the tag of an element and where its content begins, of which only the beginning need be there.

    Raises UnreadableError.
    """
    tag, begin, _length = _head(memoryview(data), at)
    return tag, begin


def _head(data: memoryview, at: int) -> tuple[int, int, int | None]:
    """Give the tag, where the content begins, and its length: null where that is not said."""
    if at + 2 > len(data) or data[at] & _LONG_TAG == _LONG_TAG:
        raise UnreadableError(_BROKEN)
    tag, said = data[at], data[at + 1]
    if said < _UNSAID:
        return tag, at + 2, said
    if said == _UNSAID:
        return tag, at + 2, None
    size = said & ~_UNSAID
    if size > _MOST_LENGTH or at + 2 + size > len(data):
        raise UnreadableError(_BROKEN)
    return tag, at + 2 + size, int.from_bytes(data[at + 2 : at + 2 + size], "big")


def _bounds(data: memoryview, at: int, depth: int) -> tuple[int, int, int, int]:
    """Give an element's tag, where its content begins and ends, and where the next one begins."""
    tag, begin, length = _head(data, at)
    if length is not None:
        if begin + length > len(data):
            raise UnreadableError(_BROKEN)
        return tag, begin, begin + length, begin + length
    if depth == _DEEPEST or not tag & _CONSTRUCTED:
        raise UnreadableError(_BROKEN)
    place = begin
    while bytes(data[place : place + 2]) != b"\0\0":
        place = _bounds(data, place, depth + 1)[3]
    return tag, begin, place, place + 2
