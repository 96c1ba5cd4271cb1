"""Pebble for a test, or the reason why there is none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import pebble


@contextmanager
def an_authority(
    state_dir: Path, *, dns_server: str, validity: dict[str, int] | None = None
) -> Iterator[pebble.Pebble]:
    """Run it; skip where Go is not there. Where it is, CI takes no excuse."""
    try:
        with pebble.running(state_dir, dns_server=dns_server, validity=validity) as authority:
            yield authority
    except pebble.UnavailableError as why:
        if os.environ.get("CI") == "true" and pebble.is_go_there():
            raise
        pytest.skip(str(why))
