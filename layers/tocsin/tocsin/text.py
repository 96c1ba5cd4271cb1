"""Text for people: times, and foreign text made safe to store and to show: bounded, valid UTF-8, one line."""

import unicodedata
from datetime import UTC, datetime

ELLIPSIS = "…"
_ZERO_WIDTH_JOINER = "\u200d"


def _printable(character: str) -> str:
    """Keep what can be shown; a control character becomes a space, a format or surrogate one goes."""
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    if category == "Cs":
        return "\ufffd"
    if category == "Cf" and character != _ZERO_WIDTH_JOINER:
        return ""  # bidirectional overrides and their like, which reorder what an operator reads
    return character


def _without_dangling_joiner(text: str) -> str:
    """Drop what a cut left of an emoji sequence: a joiner with nothing behind it."""
    return text.rstrip(_ZERO_WIDTH_JOINER)


def bounded(text: str, limit: int) -> str:
    """Return `text` as one printable line of at most `limit` bytes of UTF-8, ending in an ellipsis if cut.

    Only a prefix is read, so the cost does not grow with hostile input.
    """
    line = " ".join("".join(map(_printable, text[: limit + 1])).split())
    encoded = line.encode()
    if len(encoded) <= limit and len(text) <= limit + 1:
        return line
    kept = encoded[: limit - len(ELLIPSIS.encode())].decode(errors="ignore")
    return _without_dangling_joiner(kept) + ELLIPSIS


def lines_of(text: str) -> list[str]:
    """Return `text` as printable lines: nothing in them moves, hides or reorders what is beside them."""
    return [(line if line.isprintable() else "".join(map(_printable, line))).rstrip() for line in text.splitlines()]


def is_storable(text: str) -> bool:
    """Tell whether `text` can be written as UTF-8 (a lone surrogate, which JSON can smuggle in, can't)."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def line_problem(text: str, limit: int) -> str | None:
    """Say why `text` can't be stored as one line of at most `limit` characters, or None."""
    if len(text) > limit:
        return f"is over {limit} characters"
    if not is_storable(text):
        return "holds half a character (a lone surrogate)"
    if any(character < " " or character == "\x7f" for character in text):
        return "must be one line without control characters"
    return None


def written(at: datetime) -> str:
    """Write a time, e.g. `2026-03-01 12:00:00 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
