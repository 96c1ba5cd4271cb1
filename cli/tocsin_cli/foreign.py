"""Foreign text, made harmless for a terminal: messages, errors and names are whatever somebody wrote.

A terminal obeys escape sequences (move, clear, set the title, write the clipboard), and bidirectional overrides make
one text look like another. Nothing of that reaches it.
"""

import json
import re
import unicodedata
from typing import Any

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # all others
)
"""Escape sequences (ECMA-48, 5.4 and 5.6)."""
_ZERO_WIDTH_JOINER = "\u200d"
_UNSHOWN = re.compile("[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""What JSON leaves as it is, and a terminal or its reader should not get: DEL, C1 controls, formats."""


def line_of(text: object) -> str:
    """Give `text` as one line that can be shown; what is null is nothing."""
    return " ".join(_shown("" if text is None else str(text)).split())


def lines_of(text: str) -> list[str]:
    """Give `text` as lines that can be shown, their spaces kept."""
    return [_shown(line).rstrip() for line in text.splitlines()]


def json_of(value: Any) -> str:  # noqa: ANN401 - JSON is what it is
    """Write `value` as JSON in one line, what a terminal would obey as escapes of JSON. It reads back as it was."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return _UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode(errors="replace").decode()


def _shown(text: str) -> str:
    return "".join(map(_character, _ESCAPES.sub("", text)))


def _character(character: str) -> str:
    """Keep what can be shown; a control character becomes a space, a format character goes."""
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cs":
            return "\ufffd"
        case "Cf" if character != _ZERO_WIDTH_JOINER:
            return ""
    return character
