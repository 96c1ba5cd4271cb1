"""The documentation's pictures: small, one for each channel that has a module, and drawn from real messages."""

import zlib

import pytest

from build.pictures import slack
from build.pictures.__main__ import CHANNELS, LARGEST, PAGES
from build.pictures.png import SIGNATURE, _chunk, _decoded, with_palette
from build.toolchain import ROOT


@pytest.mark.parametrize("name", CHANNELS)
def test_each_picture_is_there_small_and_shown(name: str) -> None:
    picture = ROOT / "docs" / "pictures" / f"{name}.png"
    assert picture.stat().st_size <= LARGEST
    assert f"(pictures/{name}.png)" in (ROOT / "docs" / "connectors.md").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_the_console_s_pictures_are_there_small_and_shown(name: str) -> None:
    assert (ROOT / "docs" / "pictures" / f"{name}.png").stat().st_size <= LARGEST
    assert f"(pictures/{name}.png)" in (ROOT / "docs" / "console.md").read_text()


def test_the_page_shows_what_is_sent() -> None:
    page = slack.page()
    for said in ("CRITICAL", "WARNING", "[threshold:14]", "<code>*.shop.example.com</code>", "Why it alerts</a>"):
        assert said in page


def test_a_palette_keeps_the_pixels_of_a_picture_of_few_colours() -> None:
    """Whatever filters its rows have: none, sub, up, average, Paeth."""
    pixels = [bytes([10 * x, 20 * y, 30]) for y in range(5) for x in range(3)]
    rows = [b"".join(pixels[3 * y : 3 * y + 3]) for y in range(5)]
    filtered = b"".join(bytes([y]) + filter_row(y, rows[y], rows[y - 1] if y else bytes(9)) for y in range(5))
    head = (3).to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    picture = SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(filtered)) + _chunk(b"IEND", b"")
    assert _decoded(picture) == (3, 5, b"".join(pixels))
    assert with_palette(picture).startswith(SIGNATURE)


def filter_row(kind: int, row: bytes, above: bytes) -> bytes:
    """Filter as the specification says (section 9.2)."""
    left, corner = bytes(3) + row[:-3], bytes(3) + above[:-3]
    filtered = []
    for a, b, c, value in zip(left, above, corner, row, strict=True):
        nearest = min((a, b, c), key=lambda guess: abs(a + b - c - guess))
        filtered.append((value - (0, a, b, (a + b) // 2, nearest)[kind]) & 0xFF)
    return bytes(filtered)
