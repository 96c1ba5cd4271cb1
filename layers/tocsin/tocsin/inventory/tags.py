"""Tags: names and values that operators give to things, within AWS's own limits. Pure.

So a tag of Tocsin can be one of AWS's, and the other way round. Sources: AWS Tagging best practices, "Tag naming limits
and requirements"; ACM API reference, Tag.
"""

import unicodedata
from collections.abc import Iterable, Mapping

from tocsin.errors import FieldProblem
from tocsin.text import bounded

TAGS_LIMIT = 50
"""Tags of one thing."""
KEY_LIMIT = 128
"""Characters."""
VALUE_LIMIT = 256
"""Characters."""
_RESERVED = "aws:"
"""What no key of ours begins with, in upper or lower case."""
_BESIDES = frozenset("_.:/=+-@")
_SHOWN = 64
"""Bytes of a wrong key that a refusal repeats."""


def tag_problems(tags: Mapping[str, str]) -> Iterable[FieldProblem]:
    """Name each tag that AWS would not take."""
    if len(tags) > TAGS_LIMIT:
        yield FieldProblem("tags", f"has more than {TAGS_LIMIT} entries")
        return  # a body may have 100,000
    for key, value in tags.items():
        problem = _key_problem(key) or _value_problem(value)
        if problem is not None:
            yield FieldProblem(f"tags.{bounded(key, _SHOWN)}", problem)


def _key_problem(key: str) -> str | None:
    if not key:
        return "has an empty key"
    if len(key) > KEY_LIMIT:
        return f"has a key over {KEY_LIMIT} characters"
    if key.casefold().startswith(_RESERVED):
        return f"begins with {_RESERVED}, which is AWS's own"
    return None if _is_allowed(key) else f"has a key with a character that {_ALLOWED}"


def _value_problem(value: str) -> str | None:
    if len(value) > VALUE_LIMIT:
        return f"is over {VALUE_LIMIT} characters"
    return None if _is_allowed(value) else f"has a character that {_ALLOWED}"


_ALLOWED = "is no letter, digit or space, and none of _ . : / = + - @"


def _is_allowed(text: str) -> bool:
    """Tell whether all of it is letters, digits, spaces (Unicode's L, N and Z) or one of a few others."""
    return all(one in _BESIDES or unicodedata.category(one)[0] in "LNZ" for one in text)
