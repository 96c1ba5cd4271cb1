"""Several certificates that are issued for the same: which is the row, which are past, which still serve. Pure.

An ACME client never renews a certificate: it has another one issued, and ACM keeps it under an ARN of its own (ACM user
guide, "Issuing certificates through ACME"). Why this decides as it does: docs/decisions/certificate-identity.md.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

_LENGTH = 32
"""Hexadecimal digits of an identity: 128 bits."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What decides about one certificate of several."""

    ref: str
    expires_at: datetime
    is_in_use: bool = False
    """Whether a service of AWS uses it."""
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class Succession:
    """What each of several certificates is, by its `ref`."""

    latest: str
    """The one that expires last: it is what the row is about."""
    serving: tuple[str, ...]
    """Older ones that may not be silenced: they are in use, or nothing that is valid follows."""
    past: tuple[str, ...]
    """Older ones that are replaced."""


def continuity_ref(names: Iterable[str], key_kind: str, account: str) -> str:
    """Name what a certificate is for: its set of names, the kind of its key, and whose it is. Empty: it has none."""
    for_ = sorted({name.lower() for name in names})
    if not for_:
        return ""
    text = "\n".join((account, key_kind, *for_))
    return f"acme:{hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]}"


def succession(issued: Iterable[Issued]) -> Succession:
    """Decide which of them (at least one) is what."""
    by_age = sorted(issued, key=lambda one: (one.expires_at, one.ref))
    latest, older = by_age[-1], by_age[:-1]
    past = tuple(one.ref for place, one in enumerate(older) if _is_past(one, by_age[place + 1 :]))
    return Succession(latest.ref, tuple(one.ref for one in older if one.ref not in past), past)


def _is_past(one: Issued, later: list[Issued]) -> bool:
    return not one.is_in_use and any(not other.is_revoked for other in later)
