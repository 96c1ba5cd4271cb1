"""RC2, decrypted in chained blocks (RFC 2268): what Windows, Java 8 and openssl 1 encrypt certificates in stores with.

`cryptography` has it with keys of 128 bits only; the usual ones have 40. It hides nothing, and nothing is hidden by it
here: it stands between us and certificates, which are public.
"""

_PI = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)
_WORD = 0xFFFF
_SHIFTS = (1, 2, 3, 5)
_BLOCK = 8


def decrypted_rc2(secret: bytes, key: bytes, vector: bytes) -> bytes:
    """Decrypt whole blocks, with as many bits as the key has; raise ValueError where they are not whole."""
    if not secret or len(secret) % _BLOCK:
        raise ValueError("no whole blocks")
    schedule = _schedule(key)
    blocks = [secret[at : at + _BLOCK] for at in range(0, len(secret), _BLOCK)]
    return b"".join(
        bytes(one ^ other for one, other in zip(_decrypted(block, schedule), before, strict=True))
        for block, before in zip(blocks, [vector, *blocks], strict=False)
    )


def _schedule(key: bytes) -> list[int]:
    """Spread a key over 64 words (RFC 2268, 2)."""
    size = len(key)
    spread = bytearray(key)
    while len(spread) < 128:  # noqa: PLR2004 - bytes of a spread key
        spread.append(_PI[(spread[-1] + spread[-size]) & 0xFF])
    spread[128 - size] = _PI[spread[128 - size]]
    for at in reversed(range(128 - size)):
        spread[at] = _PI[spread[at + 1] ^ spread[at + size]]
    return [spread[at] | spread[at + 1] << 8 for at in range(0, 128, 2)]


def _decrypted(block: bytes, schedule: list[int]) -> bytes:
    """Decrypt one block (RFC 2268, 4): 16 rounds, and after the fifth and the eleventh one that mashes."""
    words = [block[at] | block[at + 1] << 8 for at in range(0, _BLOCK, 2)]
    for step in reversed(range(16)):
        for at in (3, 2, 1, 0):
            shift = _SHIFTS[at]
            word = (words[at] << 16 - shift | words[at] >> shift) & _WORD
            one, other, third = words[at - 1], words[at - 2], words[at - 3]
            words[at] = (word - schedule[4 * step + at] - (one & other) - (~one & third)) & _WORD
        if step in (5, 11):
            for at in (3, 2, 1, 0):
                words[at] = (words[at] - schedule[words[at - 1] & 63]) & _WORD
    return b"".join(word.to_bytes(2, "little") for word in words)
