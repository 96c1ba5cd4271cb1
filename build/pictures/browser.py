"""A page as Chromium shows it, as a PNG. Nothing of the page comes from a network."""

import subprocess
import tempfile
from pathlib import Path

from build.pictures.png import with_palette

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--disable-lcd-text",
    "--force-device-scale-factor=1",
    "--virtual-time-budget=2000",  # milliseconds of the page's own clock: its script has run by then
)
PATIENCE = 60
"""Seconds."""


def draw(page: str, size: tuple[int, int], picture: Path) -> None:
    """Write what a window of this size shows of the page."""
    with tempfile.TemporaryDirectory() as scratch:
        html = Path(scratch, "page.html")
        html.write_text(page)
        command = [
            "chromium",
            *FLAGS,
            f"--user-data-dir={scratch}/profile",
            f"--window-size={size[0]},{size[1]}",
            f"--screenshot={picture}",
            html.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    picture.write_bytes(with_palette(picture.read_bytes()))
