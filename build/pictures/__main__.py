"""Draw the pictures that are named, or all of them."""

import sys

from build.pictures import incidents, mail, slack, teams
from build.pictures.browser import draw
from build.toolchain import ROOT

CHANNELS = {"slack": slack, "teams": teams, "email": mail, "incidents": incidents}
LARGEST = 60_000
"""Bytes: pages with pictures are read over slow connections, too."""


def main() -> None:
    """Draw."""
    for name in sys.argv[1:] or CHANNELS:
        picture = ROOT / "docs" / "pictures" / f"{name}.png"
        draw(CHANNELS[name].page(), CHANNELS[name].SIZE, picture)
        if (size := picture.stat().st_size) > LARGEST:
            sys.exit(f"{picture} has {size} bytes, more than {LARGEST}")
        print(picture, size)


if __name__ == "__main__":
    main()
