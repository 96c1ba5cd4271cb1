"""Cutting text to what a provider takes: where a line or a word ends, and not inside an entity, an escape or a link."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from tocsin.text import ELLIPSIS

Size = Callable[[str], int]
"""Measures a text as a provider does; grows with the text."""

MARK = f"{ELLIPSIS} [cut]"
"""What ends a text of which not all fits."""
_HALF = re.compile(r"(&[a-z]{0,3}|<[^<>]*|\[[^\[\]]*(\]\([^()]*)?)\Z")
"""What a cut may leave of an entity, or of a link in either markup."""


def units(text: str) -> int:
    """Count UTF-16 units, as JavaScript does."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, limit: int, size: Size, mark: str = MARK) -> str:
    """Return what fits into `limit` of `text`; what is cut ends in `mark`."""
    if size(text) <= limit:
        return text
    return text[: _boundary(text, limit - size(mark), size)].rstrip() + mark


def parts(text: str, limit: int, size: Size) -> Iterator[str]:
    """Give `text` in parts of at most `limit` each."""
    left = text
    while left:
        end = len(left) if size(left) <= limit else _boundary(left, limit, size)
        if part := left[:end].strip("\n"):
            yield part
        left = left[end:].lstrip("\n")


def _boundary(text: str, limit: int, size: Size) -> int:
    kept = text[: bisect_right(range(1, len(text) + 1), limit, key=lambda length: size(text[:length]))]
    least = max(len(kept) // 2, 1)  # whatever stands in it: a text with one bracket at its beginning is not lost
    if (half := _HALF.search(kept)) and half.start() >= least:
        kept = kept[: half.start()]
    if (len(kept) - len(kept.rstrip("\\"))) % 2 and len(kept) > least:
        kept = kept[:-1]  # it escapes what is cut off
    ends = (kept.rfind("\n"), kept.rfind(" "))
    return next((end for end in ends if end >= least), len(kept))
