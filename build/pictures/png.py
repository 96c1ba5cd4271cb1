"""A screenshot as a PNG with a palette: text on plain colours needs no 32 bits a pixel (PNG, 2nd edition, W3C)."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
_CHANNELS = {2: 3, 6: 4}
"""Bytes a pixel, by colour type: RGB, and RGB with alpha."""


def with_palette(picture: bytes) -> bytes:
    """Return the picture with its most frequent colours only; each other pixel takes the nearest of these."""
    width, height, pixels = _decoded(picture)
    colours = [pixels[at : at + 3] for at in range(0, len(pixels), 3)]
    palette = [colour for colour, _ in Counter(colours).most_common(COLOURS)]
    index = {colour: number for number, colour in enumerate(palette)}
    for colour in set(colours) - index.keys():
        index[colour] = min(range(len(palette)), key=lambda number: _distance(palette[number], colour))
    numbers = bytes(index[colour] for colour in colours)
    rows = b"".join(b"\0" + numbers[row * width : (row + 1) * width] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, palette, no interlace
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        at += length + 12


def _decoded(picture: bytes) -> tuple[int, int, bytes]:
    """Give width, height and the pixels as RGB."""
    chunks = list(_chunks(picture))
    width, height, _, kind = struct.unpack_from(">IIBB", chunks[0][1])
    size = _CHANNELS[kind]
    data = zlib.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    above = bytearray(width * size)
    pixels = bytearray()
    for row in range(height):
        start = row * (width * size + 1)
        above = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + width * size]), above, size)
        for channel in zip(above[0::size], above[1::size], above[2::size], strict=True):
            pixels += bytes(channel)
    return width, height, bytes(pixels)


def _unfiltered(kind: int, line: bytearray, above: bytearray, size: int) -> bytearray:
    """Undo the filter of a row (section 9)."""
    for at in range(len(line)):
        left = line[at - size] if at >= size else 0
        corner = above[at - size] if at >= size else 0
        guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
        line[at] = (line[at] + guess) & 0xFF
    return line


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))
