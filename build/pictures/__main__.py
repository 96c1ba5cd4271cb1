"""Draw the pictures that are named, or all of them."""

import sys

from build.pictures import console, incidents, mail, slack, teams
from build.pictures.browser import draw
from build.toolchain import ROOT

CHANNELS = {"slack": slack, "teams": teams, "email": mail, "incidents": incidents}
PAGES = ("console", "graphs")
"""Of the console; it is drawn as it is served, with `PYTHONPATH=layers/tocsin:cli`."""
LARGEST = 60_000
"""Bytes: pages with pictures are read over slow connections, too."""


def main() -> None:
    """Draw."""
    for name in sys.argv[1:] or (*CHANNELS, *PAGES):
        picture = ROOT / "docs" / "pictures" / f"{name}.png"
        if name in PAGES:
            console.draw(name, picture)
        else:
            draw(CHANNELS[name].page(), CHANNELS[name].SIZE, picture)
        if (size := picture.stat().st_size) > LARGEST:
            sys.exit(f"{picture} has {size} bytes, more than {LARGEST}")
        print(picture, size)


if __name__ == "__main__":
    main()
