"""Signing by Standard Webhooks 1.0 (https://www.standardwebhooks.com): HMAC-SHA256 over id, timestamp and body."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime

PREFIX = "whsec_"
MIN_KEY_BYTES = 24
MAX_KEY_BYTES = 64


class MalformedSecretError(ValueError):
    """A signing secret is whsec_ followed by the base64 of 24 to 64 bytes."""

    def __init__(self) -> None:
        super().__init__("a secret is whsec_ followed by the base64 of 24 to 64 bytes")


def key_of(secret: str) -> bytes:
    """Return the key that `secret` spells; raise MalformedSecretError, which repeats nothing of it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise MalformedSecretError from None
    if not secret.startswith(PREFIX) or not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise MalformedSecretError
    return key


def signed_headers(identity: str, at: datetime, body: bytes, keys: Iterable[bytes]) -> Mapping[str, str]:
    """Return the three headers: one signature a key, so that a receiver may still have the old one."""
    timestamp = str(int(at.timestamp()))
    content = f"{identity}.{timestamp}.".encode() + body
    return {
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(key, content) for key in keys),
    }


def _signature(key: bytes, content: bytes) -> str:
    # Not hmac.digest: it lets other threads in, and waits for them, for each of some thousand signatures.
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
