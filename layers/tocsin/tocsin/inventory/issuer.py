"""Issuers: who issued the certificates that are watched, as their sources say. Pure.

An issuer is the text that a source gives for it, and nothing is guessed: ACM names an organisation (`Amazon`), a
certificate itself a distinguished name (`CN=Amazon RSA 2048 M02,O=Amazon,C=US`). These are two issuers here. Whatever
would join them (the organisation in the name) is written by whoever made the certificate, so it would also join
strangers.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from ulid import ULID


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Somebody who issued certificates."""

    id: str
    name: str
    created_at: datetime
    """When it was first seen."""
    live: int = 0
    """Certificates of it that are watched: neither archived, nor revoked, nor replaced."""
    next_expiry: datetime | None = None
    """When the next of these expires; null: none will."""


def issuer_id(name: str) -> str | None:
    """Name an issuer by the text that a source has for it; null: it has none."""
    return str(ULID(hashlib.sha256(f"issuer\n{name}".encode()).digest()[:16])) if name else None
