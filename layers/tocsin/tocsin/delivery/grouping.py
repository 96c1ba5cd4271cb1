"""Which dead letters died of the same thing: their errors without what differs from one to the next. Pure.

Replaced are ids, addresses, times and numbers; kept are words, HTTP statuses (100 to 599) and mail's enhanced status
codes (RFC 3463, such as 5.1.1), because those say what is wrong.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Notification
from tocsin.text import bounded

NO_ERROR = "no error was recorded"
_KNOWN = 4096
"""Errors whose normal form is remembered: most of many dead letters have one of a few."""
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]m\b)?(?: ?(?:z|utc|gmt|[+-]\d\d:?\d\d)\b)?"
_PARTS = {
    # The first that fits at a place is taken, so what is longer comes first.
    "path": r"(?<=://)(?P<host>[^\s/?#'\"<>]+)[/?#][^\s'\"<>]+",
    "mail": r"[\w.+%~=-]+@[\w-]+(?:\.[\w-]+)*",
    "time": rf"(?:{_DAY},? )?(?:\d{{1,2}}[ -]{_MONTH}[ -]\d{{4}}|{_MONTH} \d{{1,2}},? \d{{4}}|\b\d{{4}}-\d\d-\d\d)"
    rf"(?:[t ,]+{_CLOCK})?|\b{_CLOCK}",
    "uuid": r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b",
    "ipv4": r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+\b|/\d+\b)?",
    "ipv6": r"\[?(?<![\w:])(?=[0-9a-f:]*\d)(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|(?<=::)(?<!:::))(?!\w|:[\w:])"
    r"(?:%\w+)?\]?(?::\d+\b)?",
    "asked": r"(?P<named>\b(?:request|trace|correlation|message|event)[ _-]?id\b['\"]?(?: is)?[ :=]+['\"]?)"
    r"(?=[\w./+=-]*\d)[\w./+=-]+",
    "quoted": r"(?P<mark>['\"`])(?=[^'\"`\s]*\d)[^'\"`\s]+(?P=mark)",
    "port": r"(?<=[a-z\]]):\d{1,5}\b",
    "hex": r"\b(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{8,})\b",
    "token": r"(?<![\w-])(?=(?:[\w-]*?\d){3})(?=[\w-]*[a-z])[\w-]{16,}(?![\w-])",
    "code": r"\b[245]\.\d{1,3}\.\d{1,3}\b(?!\.\d)|\b[1-5]\d\d\b(?![.,]\d)",
    "number": r"(?<![\w<])\d+(?:[.,:]\d+)*(?=(?:ms|s|m|h|b|kb|mb|kib|mib|%)?(?!\w))",
}
_ANY = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PARTS.items()), re.ASCII | re.IGNORECASE)
_SHOWN = {
    "mail": "<address>",
    "time": "<time>",
    "uuid": "<id>",
    "ipv4": "<address>",
    "ipv6": "<address>",
    "port": ":<port>",
    "hex": "<id>",
    "token": "<id>",
    "number": "<number>",
}


def normalised(error: str | None) -> str:
    """Give an error without what differs from one notification to the next: one line of at most 512 bytes."""
    return _normalised(error[: LAST_ERROR_LIMIT + 1]) if error else NO_ERROR


@lru_cache(_KNOWN)
def _normalised(error: str) -> str:
    """Replace until nothing is left to be: what is cut, or beside a placeholder, may be a number now.

    That ends: each round takes a digit or an `@` away, and puts none there.
    """
    text, before = bounded(error, LAST_ERROR_LIMIT), ""
    while text != before:
        text, before = bounded(_ANY.sub(_placeholder, text), LAST_ERROR_LIMIT), text
    return text or NO_ERROR


def _placeholder(found: re.Match[str]) -> str:
    match next(name for name in _PARTS if found[name] is not None):
        case "code":
            return found[0]
        case "path":
            return f"{found['host']}/<path>"
        case "asked":
            return f"{found['named']}<id>"
        case "quoted":
            return f"{found['mark']}<id>{found['mark']}"
        case name:
            return _SHOWN[name]


def group_id(channel: ChannelName, error: str | None) -> str:
    """Name the group of an error: 12 hexadecimal digits."""
    return hashlib.sha256(f"{channel}\n{normalised(error)}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Dead letters of one channel that died of the same thing."""

    id: str
    channel: ChannelName
    error: str
    """The error that they have in common, as `normalised` gives it."""
    count: int
    first_died_at: datetime
    last_died_at: datetime
    sample_id: str
    """The one that died last."""

    def joined(self, other: "Group") -> "Group":
        """Give what both are together."""
        later = max(self, other, key=lambda group: (group.last_died_at, group.sample_id))
        first = min(self.first_died_at, other.first_died_at)
        return replace(later, count=self.count + other.count, first_died_at=first)


def grouped(rows: Iterable[Notification]) -> list[Group]:
    """Group dead letters, the largest group first."""
    groups: dict[str, Group] = {}
    for row in rows:
        alone = _group_of(row)
        groups[alone.id] = groups[alone.id].joined(alone) if alone.id in groups else alone
    return sorted(groups.values(), key=lambda group: (-group.count, group.channel, group.error))


def _group_of(row: Notification) -> Group:
    died_at = row.died_at or row.updated_at
    return Group(
        id=group_id(row.channel, row.last_error),
        channel=row.channel,
        error=normalised(row.last_error),
        count=1,
        first_died_at=died_at,
        last_died_at=died_at,
        sample_id=row.id,
    )
