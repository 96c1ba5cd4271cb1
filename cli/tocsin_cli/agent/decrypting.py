"""Decrypting by a password, as PKCS#12 stores do: PBES2, and what came before it.

Sources: RFC 8018, 6.2 and A.2 to A.4 (PBES2); RFC 7292, B.2 (keys of passwords) and C (the ciphers before PBES2).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from tocsin_cli.agent.asn1 import INTEGER, OCTETS, SEQUENCE, Element, at_least
from tocsin_cli.agent.contents import UnreadableError
from tocsin_cli.agent.rc2 import decrypted_rc2

_PBES2, _PBKDF2 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12"
_DIGESTS = {
    "": "sha1",
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
_AES = {"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32}
_TRIPLE_DES = "1.2.840.113549.3.7"
_BEFORE = {
    "1.2.840.113549.1.12.1.3": ("3des", 24),
    "1.2.840.113549.1.12.1.4": ("3des", 16),
    "1.2.840.113549.1.12.1.5": ("rc2", 16),
    "1.2.840.113549.1.12.1.6": ("rc2", 5),
}
_BLOCK = 64
"""Bytes that SHA-1 works on."""
_FOR_KEY, _FOR_VECTOR = 1, 2
_SALT_LIMIT = 1024


class UnknownEncryptionError(UnreadableError):
    """It is encrypted in a way that is not read."""

    def __init__(self, oid: str) -> None:
        """Take the object identifier of the way."""
        super().__init__(f"it is encrypted in a way that is not read ({oid or 'unknown'})")


@dataclass(slots=True)
class Effort:
    """How much work a store may still ask for: some name billions of rounds."""

    rounds: int = 3_000_000

    def spend(self, rounds: int) -> None:
        """Do so many rounds; raise UnreadableError where that is too much."""
        self.rounds -= rounds
        if self.rounds < 0:
            raise UnreadableError("opening it takes too much work: it asks for too many rounds of its password")


def decrypted(algorithm: Element, secret: bytes, password: str | None, effort: Effort) -> bytes | None:
    """Decrypt `secret`; null where the password is another one.

    Raises UnreadableError where that is not known how, or takes too much.
    """
    kind, *parameters = at_least(1, algorithm.inside(SEQUENCE))
    if not parameters:
        raise UnknownEncryptionError(kind.oid)
    if kind.oid == _PBES2:
        decrypt = _by_pbes2(parameters[0], password, effort)
    elif kind.oid in _BEFORE:
        decrypt = _by_older(kind.oid, parameters[0], password, effort)
    else:
        raise UnknownEncryptionError(kind.oid)
    try:
        return _unpadded(decrypt(secret))
    except ValueError:  # not whole blocks, or a vector of another length
        raise UnreadableError("it is broken: what is encrypted is cut off") from None


def _by_pbes2(parameters: Element, password: str | None, effort: Effort) -> Callable[[bytes], bytes]:
    derivation, cipher = at_least(2, parameters.inside(SEQUENCE))[:2]
    how, what = at_least(2, derivation.inside(SEQUENCE))[:2]
    scheme, vector = at_least(2, cipher.inside(SEQUENCE))[:2]
    size = 24 if scheme.oid == _TRIPLE_DES else _AES.get(scheme.oid, 0)
    if how.oid != _PBKDF2 or not size:
        raise UnknownEncryptionError(scheme.oid if how.oid == _PBKDF2 else how.oid)
    salt, rounds, *more = at_least(2, what.inside(SEQUENCE))
    digest = next((at_least(1, one.inside(SEQUENCE))[0].oid for one in more if one.tag == SEQUENCE), "")
    if digest not in _DIGESTS:
        raise UnknownEncryptionError(digest)
    count = _rounds(rounds, effort)
    key = hashlib.pbkdf2_hmac(_DIGESTS[digest], (password or "").encode(), _salt(salt), count, size)
    return _cbc("3des" if scheme.oid == _TRIPLE_DES else "aes", key, _salt(vector))


def _by_older(oid: str, parameters: Element, password: str | None, effort: Effort) -> Callable[[bytes], bytes]:
    name, size = _BEFORE[oid]
    salt, rounds = at_least(2, parameters.inside(SEQUENCE))[:2]
    count = _rounds(rounds, effort)
    text = b"" if password is None else password.encode("utf-16-be") + b"\0\0"
    key = _derived(text, _salt(salt), _FOR_KEY, count, size)
    vector = _derived(text, _salt(salt), _FOR_VECTOR, count, 8)
    if name == "rc2":
        return lambda secret: decrypted_rc2(secret, key, vector)
    return _cbc(name, key if len(key) == 24 else key + key[:8], vector)  # noqa: PLR2004 - two keys of three: the first one again


def _rounds(found: Element, effort: Effort) -> int:
    if found.tag != INTEGER or found.number < 1:
        raise UnreadableError("it is broken: it has no rounds")
    effort.spend(found.number)
    return found.number


def _salt(found: Element) -> bytes:
    if found.tag != OCTETS or len(found.content) > _SALT_LIMIT:
        raise UnreadableError("it is broken: it has no salt")
    return bytes(found.content)


def _derived(password: bytes, salt: bytes, purpose: int, rounds: int, size: int) -> bytes:
    """Make `size` bytes of a password (RFC 7292, B.2), by SHA-1."""
    blocks = bytearray(_filled(salt) + _filled(password))
    made = b""
    while True:
        digest = hashlib.sha1(bytes([purpose]) * _BLOCK + blocks, usedforsecurity=False).digest()
        for _ in range(rounds - 1):
            digest = hashlib.sha1(digest, usedforsecurity=False).digest()
        made += digest
        if len(made) >= size:
            return made[:size]
        added = int.from_bytes((digest * 4)[:_BLOCK], "big") + 1
        for at in range(0, len(blocks), _BLOCK):
            total = int.from_bytes(blocks[at : at + _BLOCK], "big") + added
            blocks[at : at + _BLOCK] = (total % (1 << 8 * _BLOCK)).to_bytes(_BLOCK, "big")


def _filled(text: bytes) -> bytes:
    """Repeat a text until it fills whole blocks; an empty one fills none."""
    size = -(-len(text) // _BLOCK) * _BLOCK
    return (text * (size // len(text) + 1))[:size] if text else b""


def _cbc(name: str, key: bytes, vector: bytes) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # noqa: PLC0415 - most files need none
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.ciphers.modes import CBC  # noqa: PLC0415 - the same

    def decrypt(secret: bytes) -> bytes:
        made = Cipher(TripleDES(key) if name == "3des" else AES(key), CBC(vector)).decryptor()
        return made.update(secret) + made.finalize()

    return decrypt


def _unpadded(plain: bytes) -> bytes | None:
    """Take off what fills the last block (RFC 8018, 6.1.1); null where nothing does: the password is another one."""
    count = plain[-1] if plain else 0
    is_filled = 1 <= count <= 16 and plain.endswith(bytes([count]) * count)  # noqa: PLR2004 - AES's block
    return plain[:-count] if is_filled else None
