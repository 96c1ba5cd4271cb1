"""When a certificate's authority suggests to renew it: ACME Renewal Information (RFC 9773). Pure.

An authority gives a window. The instant in it is chosen by the certificate, so that all of an authority's certificates
spread over it, and the same one comes to the same instant however often it is asked.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from tocsin.channels.retry_after import retry_after
from tocsin.errors import TocsinError
from tocsin.inventory.certificate import LINE_LIMIT
from tocsin.text import bounded

SOONEST, LATEST = timedelta(minutes=1), timedelta(days=1)
"""When an authority is asked again, at the earliest and at the latest: RFC 9773, 4.3, leaves that to clients."""
USUALLY = timedelta(hours=6)
"""When it is asked again where it does not say so, as in RFC 9773, 4.2."""
DIRECTORIES_LIMIT = 10
_BETWEEN = re.compile(r"[,\s]+")
_ARI_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9_-]{1,128}")


class UnreadableAdviceError(TocsinError):
    """An authority's answer can't be read."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What an authority suggests for one certificate."""

    renew_at: datetime
    ask_at: datetime
    """When it is to be asked again."""
    explanation_url: str = ""
    """A page that says why, for people; empty: there is none."""


def directories(text: str) -> tuple[str, ...]:
    """Read the addresses of ACME directories: one a line, or between commas; at most DIRECTORIES_LIMIT."""
    return tuple(dict.fromkeys(filter(None, _BETWEEN.split(text))))[:DIRECTORIES_LIMIT]


def source_of(url: str) -> str:
    """Name the source that a directory is: `ari:acme.example.org`, with its port where it says one."""
    try:
        split = urlsplit(url)
        host, port = split.hostname or "?", split.port
    except ValueError:
        host, port = "?", None
    return bounded(f"ari:{host}:{port}" if port else f"ari:{host}", LINE_LIMIT)


def renewal_info_of(body: bytes) -> str:
    """Give the address of renewal information in a directory (RFC 9773, 4.1); raise UnreadableAdviceError."""
    found = _object(body).get("renewalInfo")
    if not isinstance(found, str) or not found:
        raise UnreadableAdviceError("the directory has no renewalInfo: this authority suggests nothing")
    return found


def address_of(renewal_info: str, ari_id: str) -> str | None:
    """Give what to ask about a certificate (RFC 9773, 4.1); null: it can't be asked about."""
    return f"{renewal_info.rstrip('/')}/{ari_id}" if _ARI_ID.fullmatch(ari_id) else None


def advice_of(body: bytes, ari_id: str, asked_again: str | None, now: datetime) -> Advice:
    """Read renewal information (RFC 9773, 4.2); `asked_again` is the answer's Retry-After.

    Raises UnreadableAdviceError, also for a window that ends before it begins: those are to be treated as no answer.
    """
    said = _object(body)
    window = said.get("suggestedWindow")
    if not isinstance(window, dict):
        raise UnreadableAdviceError("it has no suggestedWindow")
    start, end = (_instant(window.get(name), name) for name in ("start", "end"))
    if end <= start:
        raise UnreadableAdviceError("its window ends before it begins")
    return Advice(chosen(start, end, ari_id), ask_again(asked_again, now), _link(said.get("explanationURL")))


def chosen(start: datetime, end: datetime, ari_id: str) -> datetime:
    """Choose the instant in a window, evenly over all certificates (RFC 9773, 4.2, asks for a random one)."""
    share = int.from_bytes(hashlib.sha256(ari_id.encode()).digest()[:6]) / 2**48
    return start + (end - start) * share


def ask_again(said: str | None, now: datetime) -> datetime:
    """Say when to ask again: as the authority says, within bounds."""
    seconds = retry_after(said, now)
    wait = USUALLY if seconds is None else timedelta(seconds=seconds)
    return now + min(max(wait, SOONEST), LATEST)


def _object(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnreadableAdviceError("it is no JSON object")
    return found


def _instant(value: object, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        at = None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        at = None
    if at is None or not 1970 <= at.year < 9999:  # noqa: PLR2004 - the years that keys of the inventory hold
        raise UnreadableAdviceError(f"its {name} is no time of RFC 3339")
    return at


def _link(value: object) -> str:
    """Give a page's address as one line that can be shown; empty for what is none."""
    is_page = isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) <= LINE_LIMIT
    return bounded(str(value), LINE_LIMIT) if is_page else ""
